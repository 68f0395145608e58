//! Node.js under pm2, which starts a cluster of an application's processes.
//!
//! Sources: <https://pm2.keymetrics.io/docs/usage/application-declaration/>,
//! <https://pm2.keymetrics.io/docs/usage/cluster-mode/>.

use super::node;
use super::{ConfigFile, Evidence, Runtime, Surroundings, bare, base, from_to, same};
use crate::model::{Network, Spread};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// `pm2-runtime` or `pm2`, with a script or an ecosystem file.
pub static RUNTIME: Runtime = Runtime {
    id: "pm2",
    title: "Node.js under pm2",
    recognise,
    knobs,
    default,
    model,
    collect: same,
    // Where nothing sets it pm2 runs no cluster, and a number would make one.
    choose: |_, _| vec![],
    // pm2 asks with SIGINT and kills after 1.6 s: a stop is its own affair.
    stop: 15,
    config: Some(ConfigFile { flag: None, default: ecosystem }),
    read,
    write: bare,
    asked: &[],
    // Of its daemon: calls and events.
    managed_at: &["rpc.sock", "pub.sock"],
    ..node::RUNTIME
};

const ENDINGS: [&str; 3] = [".js", ".cjs", ".json"];
const INSTANCES: &str = "instances";

fn recognise(evidence: &Evidence) -> Option<String> {
    let program = base(evidence.program);
    let starts = program == "pm2" && evidence.argv.iter().any(|word| word == "start");
    (starts || matches!(program, "pm2-runtime" | "pm2-docker"))
        .then(|| format!("the command runs {program}"))
}

fn knobs() -> Vec<Knob> {
    let instances = Knob {
        name: INSTANCES.into(),
        doc: "processes of the cluster; max and 0 are the CPUs that pm2 sees".into(),
        unit: "processes".into(),
        range: from_to(1, 16),
        sites: vec![
            Site::Flag { long: "--instances".into(), short: Some("-i".into()) },
            Site::Property { key: INSTANCES.into() },
        ],
        effect: Effect::Concurrency,
    };
    let threads = node::knobs().into_iter().filter(|knob| knob.name == node::THREADS);
    std::iter::once(instances).chain(threads).collect()
}

fn default(knob: &str, around: &Surroundings) -> Option<Value> {
    if knob == INSTANCES { Some(1.into()) } else { node::default(knob, around) }
}

/// The file that the command names in place of a script.
fn ecosystem(argv: &[String]) -> Vec<String> {
    let is = |word: &&String| {
        let name = base(word);
        let named = name.contains("ecosystem")
            || name.contains(".config.")
            || name.contains("pm2")
            || name.ends_with(".json");
        named && ENDINGS.iter().any(|ending| name.ends_with(ending))
    };
    argv.iter().skip(1).filter(is).take(1).cloned().collect()
}

/// `max` and 0 are all CPUs, a negative number all but so many.
fn read(knob: &str, text: &str, around: &Surroundings) -> Option<Value> {
    let cpus = i64::from(around.visible_cpus);
    match text.parse::<i64>() {
        _ if knob != INSTANCES => None,
        Ok(fewer) if fewer <= 0 => Some((cpus + fewer).max(1).into()),
        Ok(_) => None,
        Err(_) => (text == "max").then(|| cpus.into()),
    }
}

/// Processes as `cluster` makes them.
fn model(settings: &Settings, around: &Surroundings) -> Option<Network> {
    let processes = settings.int(INSTANCES).unwrap_or(1).clamp(1, 10_000) as u32;
    let threads =
        settings.int(node::THREADS).or_else(|| default(node::THREADS, around)?.as_int())?;
    let threads = threads.clamp(1, 10_000) as u32;
    Some(Network::event_loops(processes, Spread::InTurn, threads, 511))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ecosystem_file_is_the_one_that_the_command_names() {
        for (command, file) in [
            (
                "pm2-runtime start ecosystem.config.cjs --env production",
                Some("ecosystem.config.cjs"),
            ),
            ("pm2-runtime pm2.json", Some("pm2.json")),
            ("pm2-runtime ./process.json", Some("./process.json")),
            ("pm2-runtime start server.js -i max", None),
            ("pm2-runtime process.yml", None),
        ] {
            let argv: Vec<String> = command.split(' ').map(String::from).collect();
            assert_eq!(ecosystem(&argv).first().map(String::as_str), file, "{command}");
        }
    }

    #[test]
    fn the_number_of_processes_in_words() {
        let around = Surroundings { visible_cpus: 4, task_cpu: 1.0, task_memory: 1 << 30 };
        for (text, value) in
            [("max", Some(4)), ("0", Some(4)), ("-1", Some(3)), ("-9", Some(1)), ("2", None)]
        {
            assert_eq!(read(INSTANCES, text, &around), value.map(Value::Int), "{text}");
        }
        assert_eq!(read(node::THREADS, "0", &around), None);
    }
}
