//! Leaks of each kind, of real services, found by the program: large ones at short intervals. Those of memory and
//! descriptors stand in `watch`; `make soak` tries all of them under load that comes and goes.

use crate::size;
use crate::support::{self, Talk, free_port, knee_run, until};
use crate::watch::{asked, page, told, told_perhaps, value};
use knee_probe::fastcgi;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A service that leaks in the way that its variables say.
const GO: &str = include_str!("../../benches/leaks/main.go");
const NODE: &str = include_str!("../../benches/leaks/server.js");

/// A service in a task of 512 MiB, with a sample every 300 ms.
fn service(words: &[&str], folder: &Path, port: u16, leak: (&str, u32)) -> Command {
    let task = size::serve(|_| Some(size::answer(size::TASK)));
    let mut command = knee_run(&[&["--watch-every", "300ms", "--"], words].concat());
    command.current_dir(folder).env("PORT", port.to_string());
    command.env("LEAK", leak.0).env("AMOUNT", leak.1.to_string());
    command.env("ECS_CONTAINER_METADATA_URI_V4", format!("http://{task}/v4/ea32"));
    command
}

/// Share of the head-room that its evidence tells, per cent.
fn share(event: &serde_json::Value) -> f64 {
    let evidence = event["evidence"].as_str().unwrap();
    let (before, _) = evidence.split_once(" % of its head-room").unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

fn go_program(folder: &Path) -> String {
    fs::write(folder.join("main.go"), GO).unwrap();
    let built = Command::new("go")
        .args(["build", "-o", "leaking", "main.go"])
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .status();
    assert!(built.unwrap().success());
    folder.join("leaking").display().to_string()
}

#[test]
fn goroutines_that_leak_are_told_by_pprof_that_nobody_has_named() {
    let dir = tempfile::tempdir().unwrap();
    let (program, port) = (go_program(dir.path()), free_port());
    let command = service(&[&program], dir.path(), port, ("goroutine", 40));
    let event = asked(port, "/", 20, || told(command, |event| event["kind"] == "goroutine_leak"));
    assert!((12.0..20.0).contains(&share(&event)), "{event}");
    assert!(event["evidence"].as_str().unwrap().contains(" goroutines in "), "{event}");
}

#[test]
fn gos_heap_and_goroutines_are_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let (program, own, port) = (go_program(dir.path()), free_port(), free_port());
    let at = format!("127.0.0.1:{port}");
    let words = ["--watch-every", "300ms", "--metrics", &at, "--serve-for", "0s", "--", &program];
    let mut command = knee_run(&words);
    command.env("PORT", own.to_string()).stderr(std::process::Stdio::null());
    let talk = Talk::with(command);
    until("goroutines", || value(&page(port), "go_goroutine_count") > Some(1.0));
    let page = page(port);
    let [used, goal] = ["knee_go_memory_heap_used_bytes", "go_memory_gc_goal_bytes"]
        .map(|name| value(&page, name).unwrap_or_else(|| panic!("no {name}: {page}")));
    assert!(used > 1e5 && goal > used / 2.0, "{page}");
    talk.signal(libc::SIGTERM);
    talk.end();
}

#[test]
fn an_event_loop_that_gets_ever_later_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("server.js"), NODE).unwrap();
    // On a machine that stands still for longer than the loop drifts it is seen at another try.
    let attempt = |_| {
        let port = free_port();
        let command = service(&["node", "server.js"], dir.path(), port, ("timer", 12));
        let drifts = |event: &serde_json::Value| event["kind"] == "event_loop_drift";
        asked(port, "/", 50, || told_perhaps(command, drifts).ok())
    };
    let event = (0..5).find_map(attempt).expect("a drift that is told");
    assert!(share(&event) >= 12.0, "{event}");
    assert!(event["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{event}");
}

/// A script that is deployed again and again over its old place: each time OPcache keeps the old one, too.
#[test]
fn opcaches_waste_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let main = support::fpm(dir.path());
    let script = dir.path().join("index.php");
    let functions: String = (0..60)
        .map(|n| format!("function f{n}() {{ return ['a' => {n}, 'b' => __LINE__]; }}\n"))
        .collect();
    let mut command = knee_run(&["--watch-every", "300ms", "--"]);
    command.args(["php-fpm8.2", "--nodaemonize", "--fpm-config", &main]);
    for setting in [
        "opcache.memory_consumption=32",
        "opcache.validate_timestamps=1",
        "opcache.revalidate_freq=0",
        "opcache.file_update_protection=0",
    ] {
        command.args(["-d", setting]);
    }
    let socket = dir.path().join("fpm.sock").display().to_string();
    let path = script.display().to_string();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let deploying = std::thread::spawn(move || {
        let mut time = std::time::SystemTime::now();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            // Seconds of its time of change are what OPcache compares.
            time -= Duration::from_secs(1);
            fs::write(&script, format!("<?php\n{functions}echo 'done';\n")).unwrap();
            fs::File::options().write(true).open(&script).unwrap().set_modified(time).unwrap();
            let _ = fastcgi::get(&socket, &path, "", Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let event = told(command, |event| event["kind"] == "opcache_waste");
    drop(stop);
    deploying.join().unwrap();
    assert!(share(&event) >= 12.0, "{event}");
    assert!(event["evidence"].as_str().unwrap().starts_with("grew by "), "{event}");
}
