//! Watching beside a service: what is exported, what is told, and that the service goes on whatever
//! happens to it.

use crate::size;
use crate::support::{Talk, free_port, kill, knee_run, until};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

/// The page at a port of this machine; empty where nobody answers.
pub fn page(port: u16) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let _ = stream.read_to_string(&mut text);
    }
    text
}

/// The value of the first line of that metric.
pub fn value(page: &str, name: &str) -> Option<f64> {
    let line =
        page.lines().find(|line| line.strip_prefix(name).is_some_and(|l| l.starts_with('{')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn gunicorn_is_seen_by_prometheus_and_by_cloudwatch() {
    let dir = tempfile::tempdir().unwrap();
    let app = "def app(e, s):\n    s('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n";
    fs::write(dir.path().join("app.py"), app).unwrap();
    let (own, port) = (free_port(), free_port());
    let (bind, at) = (format!("127.0.0.1:{own}"), format!("127.0.0.1:{port}"));
    // As entrypoints are: a script that prepares something and then becomes the service.
    let script = format!("sleep 1; exec gunicorn -w 2 -b {bind} --no-control-socket app:app");
    let flags = ["--watch-every", "300ms", "--metrics", &at, "--emf", "--serve-for", "0s"];
    let mut command = knee_run(&[&flags[..], &["--", "sh", "-c", &script]].concat());
    command.current_dir(dir.path()).stderr(Stdio::null());
    let mut talk = Talk::with(command);
    until("two workers in the metrics", || value(&page(port), "knee_slots") == Some(2.0));
    let page = page(port);
    assert!(
        page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"),
        "{page}"
    );
    assert_eq!(value(&page, "knee_workers"), Some(2.0), "{page}");
    assert!(value(&page, "process_memory_usage_bytes") > Some(1e6), "{page}");
    assert!(value(&page, "knee_process_cpu_usage").is_some(), "{page}");
    assert!(page.contains("service=\"gunicorn\",pid=\""), "{page}");
    // The service's own lines may stand between them.
    let line = loop {
        let line = talk.line();
        if line.starts_with("{\"_aws\"") && line.contains("\"knee.slots\":2.0") {
            break line;
        }
    };
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&line["service"], &directive["Namespace"]), (&"gunicorn".into(), &"knee".into()));
    let metrics = directive["Metrics"].as_array().unwrap();
    for metric in metrics {
        assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}: {line}");
    }
    assert!(metrics.iter().any(|m| m["Name"] == "knee.in_service" && m["Unit"] == "Count"));
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(0));
}

#[test]
fn a_port_that_is_taken_is_said_and_the_service_goes_on() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let output = knee_run(&["--metrics", &at, "--", "sh", "-c", "exit 7"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains(&format!("no metrics at {at}: ")), "{said}");
    let mut wrong = knee_run(&["--", "sh", "-c", "exit 8"]);
    let output = wrong.env("KNEE_METRICS", "everywhere").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("KNEE_METRICS: `everywhere` is no port"), "{said}");
}

/// The first trouble of that sort that is told.
pub fn told(
    command: std::process::Command,
    wanted: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    told_perhaps(command, wanted).unwrap_or_else(|said| panic!("not told: {said:?}"))
}

/// The same, or all that is said until the service ends.
pub fn told_perhaps(
    mut command: std::process::Command,
    wanted: impl Fn(&serde_json::Value) -> bool,
) -> Result<serde_json::Value, Vec<String>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let mut found = None;
    for line in lines {
        if let Ok(event) = serde_json::from_str::<serde_json::Value>(&line)
            && wanted(&event)
        {
            found = Some(event);
            break;
        }
        said.push(line);
    }
    for pid in knee_probe::process::with_descendants(&[child.id().cast_signed()]) {
        kill(pid, libc::SIGKILL);
    }
    child.wait().unwrap();
    found.ok_or(said)
}

/// Computes for each request what holds up all others: in native code, in a loop, in a regular
/// expression. Their own names and lines are looked for.
const BLOCKING: &str = "\
const http = require('http');
const crypto = require('crypto');
const still = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
const routes = {
  '/hash': function hash() { for (let n = 0; n < 12; n += 1) crypto.pbkdf2Sync('a-secret', 'salt', 200000, 64, 'sha512'); },
  '/loop': function loop() { still(1500); },
  '/match': function match() {
    const end = Date.now() + 1500;
    while (Date.now() < end) /^(a+)+$/.test('a'.repeat(22) + 'b');
  },
};
const server = http.createServer((request, response) => {
  routes[request.url]();
  response.end();
});
server.listen(Number(process.env.PORT));
";

/// Starts it, asks for that page again and again, and waits for a stall there that is told with its place.
fn told_where(words: &[&str], page: &str, variables: &[(&str, &str)]) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("server.js", BLOCKING), ("cluster.js", CLUSTER)] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let port = free_port();
    let mut command = knee_run(&[&["--watch-every", "1s", "--"], words].concat());
    command.current_dir(dir.path()).env("PORT", port.to_string());
    command.envs(variables.iter().copied());
    let wanted =
        |e: &serde_json::Value| e["kind"] == "event_loop_blocked" && e["where"].is_object();
    asked(port, page, 300, || told(command, wanted))
}

/// Asks for that page, with so many milliseconds between, as long as it acts.
pub fn asked<T>(port: u16, page: &str, between: u64, act: impl FnOnce() -> T) -> T {
    use std::sync::mpsc::{TryRecvError, channel};
    let page = page.to_string();
    let (stop, stopped) = channel::<()>();
    let asking = std::thread::spawn(move || {
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                let _ = write!(stream, "GET {page} HTTP/1.0\r\n\r\n");
                let _ = stream.read_to_string(&mut String::new());
            }
            std::thread::sleep(std::time::Duration::from_millis(between));
        }
    });
    let result = act();
    drop(stop);
    asking.join().unwrap();
    result
}

#[test]
fn a_blocked_event_loop_is_told_with_how_long_and_where() {
    for (page, function, line) in
        [("/hash", "hash", 5), ("/loop", "still", 3), ("/match", "match", 9)]
    {
        let event = told_where(&["node", "server.js"], page, &[]);
        assert_eq!((&event["knee"], &event["service"]), (&"trouble".into(), &"node".into()));
        let place = &event["where"];
        assert_eq!(place["file"], "server.js", "{event}");
        assert_eq!(
            (&place["function"], &place["line"]),
            (&function.into(), &line.into()),
            "{event}"
        );
        let evidence = event["evidence"].as_str().unwrap();
        let late = evidence.strip_prefix("the event loop stood still for ").unwrap();
        assert!(late.split(' ').next().unwrap().parse::<f64>().unwrap() >= 500.0, "{evidence}");
        assert!(evidence.ends_with(&format!(" ms at server.js:{line} ({function})")), "{evidence}");
        assert!(event["remedy"].as_str().unwrap().contains("worker thread"), "{event}");
        assert!(!event.to_string().contains("a-secret"), "no values: {event}");
    }
}

/// Two workers of the same program.
const CLUSTER: &str = "\
const cluster = require('cluster');
if (cluster.isPrimary) { cluster.fork(); cluster.fork(); } else require('./server.js');
";

#[test]
fn a_blocked_worker_of_a_cluster_is_told_with_where() {
    let event = told_where(&["node", "cluster.js"], "/loop", &[]);
    assert_eq!(event["where"]["function"], "still", "{event}");
}

/// Programs that bring their own way of writing stacks, and preloads of their own.
#[test]
fn the_programs_own_preloads_and_stack_traces_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.js");
    // Loaded into the thread that looks, or asked for the stack, it would end the service.
    let text = "\
        if (!require('worker_threads').isMainThread) process.kill(process.pid, 'SIGKILL');\n\
        Error.prepareStackTrace = () => process.kill(process.pid, 'SIGKILL');\n";
    fs::write(&own, text).unwrap();
    let options = format!("--require {}", own.display());
    let event = told_where(&["node", "server.js"], "/loop", &[("NODE_OPTIONS", &options)]);
    assert_eq!(event["where"]["function"], "still", "{event}");
}

#[test]
fn where_it_stands_still_is_not_known_without_threads_and_the_service_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.js");
    let text = "require('worker_threads').Worker = class { constructor() { throw new TypeError('none'); } };\n\
        setInterval(() => { const end = Date.now() + 900; while (Date.now() < end); }, 1500);\n";
    fs::write(&own, text).unwrap();
    let mut command = knee_run(&["--watch-every", "1s", "--", "node", own.to_str().unwrap()]);
    command.current_dir(dir.path());
    let event = told(command, |e| e["kind"] == "event_loop_blocked");
    let evidence = event["evidence"].as_str().unwrap();
    assert!(evidence.contains(", where is not known: "), "{evidence}");
    assert_eq!(event["where"], serde_json::Value::Null);
}

/// Opens a descriptor 40 times a second and closes none, up to its limit.
const LEAK: &str = "\
import os, socket, time
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
kept = []
while len(kept) < 1900:
    kept.append(os.open('/dev/null', os.O_RDONLY)); time.sleep(0.025)
time.sleep(60)
";

#[test]
fn descriptors_that_leak_are_told_before_a_fifth_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("leak.py"), LEAK).unwrap();
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text = format!("ulimit -n 2000; exec {program} --watch-every 500ms -- python3 leak.py");
    let mut command = crate::support::command("sh");
    command.args(["-c", &text]).current_dir(dir.path()).stdin(Stdio::null());
    let event = told(command, |event| event["kind"] == "descriptor_leak");
    let evidence = event["evidence"].as_str().unwrap();
    let (before, _) = evidence.split_once(" % of its head-room").unwrap();
    let share: f64 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((12.0..20.0).contains(&share), "{evidence}");
}

/// Keeps 200 kB of each request.
const KEEPING: &str = "\
const kept = [];
require('http').createServer((request, response) => {
  kept.push(Buffer.alloc(200000, 1));
  response.end();
}).listen(Number(process.env.PORT));
";

#[test]
fn memory_that_each_request_leaves_is_told_for_each_request() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("server.js"), KEEPING).unwrap();
    // A task of 512 MiB.
    let task = size::serve(|_| Some(size::answer(size::TASK)));
    let port = free_port();
    let mut command = knee_run(&["--watch-every", "500ms", "--", "node", "server.js"]);
    command.current_dir(dir.path()).env("PORT", port.to_string());
    command.env("ECS_CONTAINER_METADATA_URI_V4", format!("http://{task}/v4/ea32"));
    let event = asked(port, "/", 25, || told(command, |event| event["kind"] == "memory_leak"));
    let evidence = event["evidence"].as_str().unwrap();
    let (before, _) = evidence.split_once(" each request, z ").unwrap();
    let (kib, unit) = before.rsplit_once(' ').unwrap();
    let kib: f64 = kib.rsplit(' ').next().unwrap().parse().unwrap();
    // 195 KiB, and what the heap grows by as it warms up.
    assert!(unit == "KiB" && (150.0..300.0).contains(&kib), "{evidence}");
}

/// Two descriptors for each request, and the worker's number as the answer.
const LEAKING: &str = "\
import os
kept = []
def app(environ, start):
    kept.append(os.pipe())
    body = str(os.getpid()).encode()
    start('200 OK', [('Content-Length', str(len(body)))])
    return [body]
";

#[test]
fn workers_that_leak_are_replaced_and_no_request_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.py"), LEAKING).unwrap();
    let (own, port) = (free_port(), free_port());
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text = format!(
        "ulimit -n 2000; exec {program} --recycle --watch-every 300ms --metrics 127.0.0.1:{port} \
         --serve-for 0s -- gunicorn -w 2 -b 127.0.0.1:{own} --no-control-socket app:app"
    );
    let mut command = crate::support::command("sh");
    command.args(["-c", &text]).current_dir(dir.path()).stdin(Stdio::null()).stderr(Stdio::null());
    let talk = Talk::with(command);
    until("it answers", || TcpStream::connect(("127.0.0.1", own)).is_ok());
    let recycled = || {
        let page = page(port);
        let line = page.lines().find_map(|line| line.strip_prefix("knee_recycled_total "));
        line.and_then(|count| count.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let mut workers = std::collections::HashSet::new();
    until("both were replaced", || {
        for _ in 0..4 {
            let answer = page(own);
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "lost: {answer:?}");
            workers.insert(answer.rsplit("\r\n").next().unwrap().to_string());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        recycled() >= 2.0 && workers.len() >= 4
    });
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(0));
}
