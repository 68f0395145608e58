//! Whole folders, from their files to answers: what `knee_files` makes of them starts, and answers.

use super::support::*;
use knee_core::service::Service;
use knee_core::settings::Settings;
use knee_files::{Discovery, Overrides, discover, launch, patches};
use knee_tune::lab::Running;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const EXAMPLES: [&str; 6] = ["gunicorn", "uvicorn", "node", "go", "php-fpm", "nginx"];

/// One service at a time: several at once would keep each other from being ready.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the examples wait for, at any free port.
struct Backend {
    child: Child,
    port: u16,
}

impl Backend {
    fn start() -> Backend {
        let mut child = Command::new("node")
            .arg(repository().join("examples/backend/server.js"))
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("node does not start: run scripts/setup");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Backend { port: line.trim().rsplit(':').next().unwrap().parse().unwrap(), child }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder with the programs that `scripts/setup` brings; its servers give up root and still
/// have to get in.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    symlink(repository().join("target/setup/venv"), dir.path().join(".venv")).unwrap();
    dir
}

/// A copy of an example at a port of its own, so that the test meets nothing else on the machine.
fn example(name: &str, backend: u16) -> tempfile::TempDir {
    let (source, dir) = (repository().join("examples").join(name), folder());
    let task = fs::read_to_string(source.join("task-definition.json")).unwrap();
    let (_, rest) = task.split_once("\"containerPort\": ").unwrap();
    let stated = &rest[..4];
    let port = free_port().to_string();
    let changes = [
        (
            "\"environment\": [{".to_string(),
            format!("\"environment\": [{{ \"name\": \"PORT\", \"value\": \"{port}\" }}, {{"),
        ),
        (stated.to_string(), port),
        ("9400".to_string(), backend.to_string()),
        ("/run/php/orders.sock".to_string(), format!("/run/php/orders-{stated}-{backend}.sock")),
    ];
    copy(&source, dir.path(), &changes);
    dir
}

/// Copies a folder without the runs that were made in it, and changes its texts.
fn copy(from: &Path, to: &Path, changes: &[(String, String)]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if !source.ends_with(".knee") {
                copy(&source, &target, changes);
            }
        } else if let Ok(text) = fs::read_to_string(&source) {
            let change = |text: String, (from, to): &(String, String)| text.replace(from, to);
            fs::write(&target, changes.iter().fold(text, change)).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

fn read(root: &Path) -> Discovery {
    let discovery = discover(root, &Overrides::default()).unwrap();
    assert!(discovery.missing.is_empty(), "{:?}; run scripts/setup", discovery.missing);
    discovery
}

/// Starts the service and waits until it is ready.
fn start(lab: &knee_tune::lab::Lab, service: &Service, settings: &Settings) -> (Running, u16) {
    let task = service.task.as_ref().unwrap().value;
    let launch = launch(service, settings, task).unwrap();
    let running = lab.start(&launch).unwrap();
    let port = service.port.as_ref().map(|port| port.value);
    let path = service.ready.as_ref().map(|path| path.value.as_str());
    let ready = running.wait_ready(port, path, Duration::from_secs(180), &|| false);
    let port =
        ready.unwrap_or_else(|error| panic!("{}: {error}\n{}", service.name, running.log_tail(20)));
    (running, port)
}

/// The status and the body of an answer.
fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or_default(), body.into())
}

/// Asks for what the folder says, and expects answers.
fn answers(discovery: &Discovery, port: u16) {
    for request in &discovery.requests {
        let (status, body) = get(port, &request.path);
        assert!(
            status == 200 && body.len() > 100,
            "{} {}: {status} {body}",
            discovery.service.name,
            request.path
        );
    }
}

/// Every number in the middle of its range on the scale on which it is searched, within what a
/// small task can hold.
fn others(service: &Service) -> Settings {
    let mut settings = service.current();
    for (_, placed) in service.knobs() {
        if let (Some(today), knee_core::settings::Range::Integers { min, max }) =
            (placed.current.value.as_int(), &placed.knob.range)
        {
            let doubled = (today.max(1) * 2).clamp(*min, (*max).min(1024));
            settings = settings.with(placed.knob.name.to_string(), doubled);
        }
    }
    settings
}

#[test]
fn every_example_starts_and_answers() {
    let _turn = turn();
    let Some(lab) = lab() else { return };
    let backend = Backend::start();
    for name in EXAMPLES {
        let dir = example(name, backend.port);
        let discovery = read(dir.path());
        let (running, port) = start(&lab, &discovery.service, &discovery.service.current());
        answers(&discovery, port);
        running.stop().unwrap();
    }
}

#[test]
fn every_example_starts_under_other_settings_and_under_their_patches() {
    let _turn = turn();
    let Some(lab) = lab() else { return };
    let backend = Backend::start();
    for name in EXAMPLES {
        let dir = example(name, backend.port);
        let discovery = read(dir.path());
        let settings = others(&discovery.service);
        let (running, port) = start(&lab, &discovery.service, &settings);
        answers(&discovery, port);
        running.stop().unwrap();
        for patch in patches(&discovery.service, &settings).unwrap() {
            fs::write(dir.path().join(&patch.path), &patch.after).unwrap();
        }
        let patched = read(dir.path());
        let (running, port) = start(&lab, &patched.service, &patched.service.current());
        answers(&patched, port);
        running.stop().unwrap();
    }
}

#[test]
fn kept_connections_to_an_upstream_are_kept() {
    let _turn = turn();
    let Some(lab) = lab() else { return };
    let backend = Backend::start();
    let dir = example("nginx", backend.port);
    let discovery = read(dir.path());
    let connections = |settings: &Settings| {
        let (running, port) = start(&lab, &discovery.service, settings);
        (0..5).for_each(|_| answers(&discovery, port));
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let to = format!(":{:04X} ", backend.port);
        // State 01 is an open connection, 06 one that was closed just now.
        let open = |line: &&str| {
            let mut fields = line.split_whitespace().skip(2);
            fields.next().is_some_and(|remote| format!("{remote} ").ends_with(&to))
                && fields.next() == Some("01")
        };
        let open = sockets.lines().filter(open).count();
        running.stop().unwrap();
        open
    };
    let today = discovery.service.current();
    assert_eq!(connections(&today), 0);
    assert!(connections(&today.with("keepalive", 8)) > 0);
}

#[test]
fn official_images_have_stand_ins() {
    let _turn = turn();
    let Some(lab) = lab() else { return };
    let (dir, port, fpm) = (folder(), free_port(), free_port());
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "task-definition.json",
        &format!(
            r#"{{"family": "shop", "requiresCompatibilities": ["FARGATE"], "cpu": "512", "memory": "1024", "containerDefinitions": [
            {{"name": "php", "image": "shop:1", "environment": [{{"name": "GREETING", "value": "hello"}}]}},
            {{"name": "nginx", "image": "shop-nginx:1", "portMappings": [{{"containerPort": {port}}}],
              "dependsOn": [{{"containerName": "php", "condition": "START"}}]}},
            {{"name": "agent", "image": "datadog/agent:7"}}]}}"#
        ),
    );
    write(
        "Dockerfile",
        "FROM php:8.4-fpm-alpine\nENTRYPOINT [\"tini\", \"--\", \"docker-php-entrypoint\"]\nCMD [\"php-fpm\"]\nCOPY pool.conf /usr/local/etc/php-fpm.d/zzz-pool.conf\nCOPY memory.ini /usr/local/etc/php/conf.d/\nCOPY public public\n",
    );
    write(
        "pool.conf",
        &format!("[www]\npm = static\npm.max_children = 3\nlisten = 127.0.0.1:{fpm}\n"),
    );
    write("memory.ini", "memory_limit = 77M\n");
    write(
        "public/index.php",
        "<?php echo getenv('GREETING'), ' ', ini_get('memory_limit'), str_repeat(' ', 100);\n",
    );
    write(
        "docker/nginx/Dockerfile",
        "FROM nginx:1.27\nCOPY docker/nginx/site.conf /etc/nginx/conf.d/default.conf\n",
    );
    write(
        "docker/nginx/site.conf",
        &format!(
            "server {{\n  listen 127.0.0.1:{port};\n  location / {{\n    include fastcgi_params;\n    \
             fastcgi_param SCRIPT_FILENAME /var/www/html/public/index.php;\n    fastcgi_pass 127.0.0.1:{fpm};\n  }}\n}}\n"
        ),
    );
    write("knee.toml", "[service]\nready = \"/\"\n[[request]]\npath = \"/\"\n");
    let discovery = read(dir.path());
    assert_eq!(discovery.service.containers.len(), 2);
    let settings = discovery.service.current().with("pm.max_children", 2);
    let (running, port) = start(&lab, &discovery.service, &settings);
    let (status, page) = get(port, "/");
    assert!(status == 200 && page.contains("hello 77M"), "{status} {page}");
    // Two masters, two children and that of the status, nginx's workers.
    until("all of them", || running.pids().len() >= 6);
    running.stop().unwrap();
}

#[test]
fn a_procfile_and_npm_start() {
    let _turn = turn();
    let Some(lab) = lab() else { return };
    let dir = folder();
    let app = "def app(environ, start):\n    start('200 OK', [])\n    return [b'x' * 200]\n";
    fs::write(dir.path().join("app.py"), app).unwrap();
    let line = format!("web: gunicorn -w ${{N:-1}} -b 127.0.0.1:{} app:app\n", free_port());
    fs::write(dir.path().join("Procfile"), line).unwrap();
    let toml = "[task]\ncpu = 0.5\nmemory = \"1GB\"\n[[request]]\npath = \"/\"\n";
    fs::write(dir.path().join("knee.toml"), toml).unwrap();
    let discovery = read(dir.path());
    let (running, port) =
        start(&lab, &discovery.service, &discovery.service.current().with("workers", 3));
    answers(&discovery, port);
    until("the shell, an arbiter and three workers", || running.pids().len() == 5);
    running.stop().unwrap();

    let dir = folder();
    let server = "require('http').createServer((_, r) => r.end('x'.repeat(200))).listen(process.env.PORT, '127.0.0.1')\n";
    fs::write(dir.path().join("server.js"), server).unwrap();
    let package = r#"{ "scripts": { "start": "node --max-old-space-size=300 server.js" } }"#;
    fs::write(dir.path().join("package.json"), package).unwrap();
    let docker = format!(
        "FROM node:20\nWORKDIR /srv/knee-npm\nCOPY . .\nENV PORT={}\nCMD [\"node\", \"server.js\"]\n",
        free_port()
    );
    fs::write(dir.path().join("Dockerfile"), docker).unwrap();
    fs::write(dir.path().join("knee.toml"), toml).unwrap();
    let discovery = read(dir.path());
    let settings = discovery.service.current().with("max-old-space-size", 200);
    let (running, port) = start(&lab, &discovery.service, &settings);
    answers(&discovery, port);
    running.stop().unwrap();
}
