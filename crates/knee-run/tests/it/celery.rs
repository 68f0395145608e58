//! A Celery worker with a real Redis: as many processes as the task has CPU for, and a stop that loses no
//! task and begins none.

use crate::size;
use crate::support::{Ended, Talk, free_port, knee_run, packages, until};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tasks that note that they have begun, wait for a file, and note that they have ended.
const TASKS: &str = "\
import os, time
from celery import Celery
app = Celery('tasks', broker=os.environ['BROKER'], backend=None)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
def note(name, number):
    with open(name, 'a') as file: file.write(f'{number}\\n')
@app.task(acks_late=True)
def slow(number):
    note('begun', number)
    while not os.path.exists('go'): time.sleep(0.05)
    note('done', number)
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
    // A task of 0.25 vCPU: one process, whatever this machine has.
    let task = size::serve(|_| Some(size::answer(size::TASK)));
    let worker = || {
        let mut command = knee_run(&["--", "celery", "-A", "tasks", "worker"]);
        command.current_dir(dir.path()).env("BROKER", &broker).env("C_FORCE_ROOT", "1");
        command.env("ECS_CONTAINER_METADATA_URI_V4", format!("http://{task}/v4/ea32"));
        command.stderr(Stdio::piped());
        command
    };
    let send = "from tasks import slow; [slow.delay(n) for n in range(12)]";
    let sent = Command::new(packages().join("bin/python"))
        .args(["-c", send])
        .current_dir(dir.path())
        .env("BROKER", &broker)
        .status();
    assert!(sent.unwrap().success());
    let noted = |name: &str| -> Vec<u32> {
        let text = fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    };
    let mut talk = Talk::with(worker());
    until("a task has begun", || !noted("begun").is_empty());
    talk.signal(libc::SIGTERM);
    until("it shuts down", || talk.line().contains("Warm shutdown"));
    fs::write(dir.path().join("go"), "").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut talk.child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(talk.end().0, Some(0), "{said}");
    assert!(said.contains("knee-run: concurrency 1 "), "{said}");
    assert_eq!((noted("begun").len(), noted("done").len()), (1, 1), "no more after the signal");
    // Each of them ends, and none twice: what was begun was finished, the rest is still there.
    let talk = Talk::with(worker());
    until("all have ended", || noted("done").len() >= 12);
    talk.signal(libc::SIGTERM);
    talk.end();
    let mut done = noted("done");
    done.sort_unstable();
    assert_eq!(done, (0..12).collect::<Vec<_>>());
}
