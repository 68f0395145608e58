//! Node.js services as people lay them out: how processes are made, and where their number stands.

use crate::support::*;
use knee_core::settings::Value;
use knee_core::{Bytes, Task};

const TASK: Task = Task { cpu: 1.0, memory: Bytes::mib(2048) };

const CLUSTER: &str = "const cluster = require('cluster')\nconst n = require('os').cpus().length\n\
    if (cluster.isPrimary) for (let i = 0; i < n; i++) cluster.fork()\n";

const ECOSYSTEM: &str = "module.exports = {\n  apps: [{\n    name: 'feed',\n    script: './server.js',\n    \
    instances: 'max',\n    exec_mode: 'cluster',\n  }],\n};\n";

fn names(discovery: &knee_files::Discovery) -> Vec<String> {
    discovery.service.knobs().map(|(_, knob)| knob.knob.name.to_string()).collect()
}

#[test]
fn a_cluster_of_all_cpus_is_modelled_as_what_it_is() {
    let folder = Folder::tree(&[("package.json", r#"{"scripts": {"start": "node server.js"}}"#)]);
    folder.write("server.js", CLUSTER);
    let discovery = folder.discover();
    let placed = knob(&discovery, "WEB_CONCURRENCY");
    let cpus = placed.current.value.as_int().unwrap();
    assert_eq!(told(&discovery, "WEB_CONCURRENCY"), format!("{cpus} (server.js:2)"));
    assert_eq!(placed.knob.range.to_string(), format!("{cpus}..{cpus}"));
    let fact = discovery.facts.iter().find(|fact| fact.what == "not tuned").unwrap();
    assert!(fact.value.value.starts_with("WEB_CONCURRENCY: nothing reads it"), "{fact:?}");
    let reads =
        CLUSTER.replace("= require('os')", "= process.env.WEB_CONCURRENCY || require('os')");
    folder.write("server.js", &reads);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "WEB_CONCURRENCY"), format!("{cpus} (server.js:2)"));
    assert_eq!(knob(&discovery, "WEB_CONCURRENCY").knob.range.to_string(), "1..16");
}

#[test]
fn pm2_is_tuned_in_its_ecosystem_file() {
    let folder = Folder::tree(&[
        ("server.js", ""),
        ("ecosystem.config.js", ECOSYSTEM),
        ("node_modules/.bin/pm2-runtime", ""),
        (
            "Dockerfile",
            "FROM node:22\nWORKDIR /knee-app\nCOPY . .\nCMD [\"pm2-runtime\", \"start\", \"ecosystem.config.js\"]\n",
        ),
    ]);
    let discovery = folder.discover();
    let Value::Int(cpus) = knob(&discovery, "instances").current.value else { panic!() };
    assert_eq!(told(&discovery, "instances"), format!("{cpus} (ecosystem.config.js:5)"));
    let changed = diff(&discovery, &[("instances", cpus + 1)]);
    assert!(
        changed.contains(&format!("-    instances: 'max',\n+    instances: {},\n", cpus + 1)),
        "{changed}"
    );
    let more = discovery.service.current().with("instances", cpus + 1);
    let launch = knee_files::launch(&discovery.service, &more, TASK);
    let files = launch.unwrap().files;
    let written = files.iter().find(|(path, _)| path.ends_with("ecosystem.config.js")).unwrap();
    assert!(String::from_utf8_lossy(&written.1).contains(&format!("instances: {}", cpus + 1)));

    folder.write("ecosystem.config.js", &ECOSYSTEM.replace("'cluster'", "'fork'"));
    assert_eq!(names(&folder.discover()), ["UV_THREADPOOL_SIZE"], "no cluster to resize");
}

#[test]
fn pm2_is_tuned_in_its_command() {
    let folder = Folder::tree(&[
        ("package.json", r#"{"scripts": {"start": "pm2-runtime server.js -i 4"}}"#),
        ("node_modules/.bin/pm2-runtime", ""),
        ("server.js", ""),
    ]);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "instances"), "4 (package.json:1)");
    let changed = diff(&discovery, &[("instances", 1)]);
    assert!(changed.contains("pm2-runtime server.js -i 1"), "{changed}");
    folder.write("package.json", r#"{"scripts": {"start": "pm2-runtime server.js"}}"#);
    assert_eq!(names(&folder.discover()), ["UV_THREADPOOL_SIZE"], "it stays one process");
}
