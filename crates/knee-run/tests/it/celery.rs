//! A Celery worker with a real Redis: as many processes as there is CPU for, a stop that loses no task, and
//! workers that are replaced.

use crate::support::{Ended, Talk, free_port, knee_run, until};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tasks that take a while, and note that they have ended.
const TASKS: &str = "\
import os, time
from celery import Celery
app = Celery('tasks', broker=os.environ['BROKER'], backend=None)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
@app.task(acks_late=True)
def slow(number):
    time.sleep(1)
    with open(os.environ['DONE'], 'a') as done: done.write(f'{number} {os.getpid()}\\n')
";

/// Redis on a port of its own.
fn redis(folder: &Path, port: u16) -> Ended {
    let redis = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("scripts/setup installs redis-server");
    until("Redis listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Ended(redis)
}

#[test]
fn a_stop_loses_no_task_and_begins_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tasks.py"), TASKS).unwrap();
    let port = free_port();
    let _redis = redis(dir.path(), port);
    let broker = format!("redis://127.0.0.1:{port}/0");
    let done = dir.path().join("done");
    let worker = || {
        let mut command = knee_run(&["--", "celery", "-A", "tasks", "worker"]);
        command.current_dir(dir.path()).env("BROKER", &broker).env("DONE", &done);
        command.env("C_FORCE_ROOT", "1").stderr(Stdio::piped());
        command
    };
    let send = "from tasks import slow; [slow.delay(n) for n in range(12)]";
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/setup/venv/bin/python");
    let sent = Command::new(python)
        .args(["-c", send])
        .current_dir(dir.path())
        .env("BROKER", &broker)
        .status();
    assert!(sent.unwrap().success());
    let ended = || fs::read_to_string(&done).unwrap_or_default();
    let mut talk = Talk::with(worker());
    until("tasks have ended", || ended().lines().count() > 0);
    talk.signal(libc::SIGTERM);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut talk.child.stderr.take().unwrap(), &mut said).unwrap();
    let (code, out) = talk.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("knee-run: concurrency "), "{said}");
    assert!(out.contains("Warm shutdown"), "{out}");
    let first = ended().lines().count();
    assert!(first < 12, "it began more after the signal: {first}");
    // Each of them ends, and none twice: what was begun was finished, the rest is still there.
    let talk = Talk::with(worker());
    until("all have ended", || ended().lines().count() >= 12);
    talk.signal(libc::SIGTERM);
    talk.end();
    let mut numbers: Vec<u32> =
        ended().lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
}
