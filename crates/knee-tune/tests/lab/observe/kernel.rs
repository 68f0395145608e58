//! CPU, memory, descriptors and kills: what the kernel tells of any program.

use super::*;
use knee_core::Bytes;

#[test]
fn cpu_and_the_quota_that_cuts_it() {
    let Some(lab) = lab() else { return };
    let mut launch = shell("(while :; do :; done) & while :; do :; done");
    launch.task.cpu = 0.25;
    let running = lab.start(&launch).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    let seen = |u: &Usage| u.throttled > 0.0 && u.cpu > 0.0 && u.processes == 2;
    let usage = usage(&observer, mark, "throttling of both", seen);
    assert!(usage.throttled <= 1.0 && usage.busiest > 0.0, "{usage:?}");
    assert_eq!(usage.threads, 2, "{usage:?}");
    assert!(observer.cost() > Duration::ZERO && observer.unheard().is_empty());
}

#[test]
fn a_file_that_is_read_is_not_the_services_memory() {
    let Some(lab) = lab() else { return };
    // It is read again and again: a kernel may take pages back that nobody asks for (DAMON_RECLAIM).
    let script = "dd if=/dev/zero of=/big bs=1M count=96 2>&1; sync /big; echo written; \
                  while :; do cat /big > /dev/null; sleep 0.1; done";
    let mut launch = shell(script);
    launch.task.memory = Bytes::mib(128);
    let running = lab.start(&launch).unwrap();
    until("the file", || running.log_tail(3).0.iter().any(|l| l.contains("written")));
    let observer = observe(&running);
    let usage = observer.usage_since(observer.mark());
    let counted = || running.subject().group.unwrap().memory().unwrap().counted;
    until("the file in its memory", || counted() > Bytes::mib(90));
    assert!(usage.memory > Bytes(0) && usage.memory < Bytes::mib(32), "{usage:?}");
}

#[test]
fn a_kill_for_memory_and_what_lives_on() {
    let Some(lab) = lab() else { return };
    // The kernel looks for another victim when a process asks for memory before the first has
    // given its own back. What lives on asks for none: it sleeps from before the kill.
    let hog = "exec python3 -c 'x = bytearray(400 << 20)'";
    let wait = "while [ ! -e /go ]; do sleep 0.1; done";
    let mut launch = shell(&format!("({wait}; {hog}) & exec sleep 60"));
    launch.task.memory = Bytes::mib(64);
    let running = lab.start(&launch).unwrap();
    let sleeps = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x0060\0")
    };
    until("sleep", || running.pids().iter().any(sleeps));
    let observer = observe(&running);
    let before = observer.mark();
    std::fs::write(running.host_path("/go".as_ref()), "").unwrap();
    let seen = usage(&observer, before, "the kill", |u| u.oom_kills > 0);
    assert!(seen.oom_kills == 1 && seen.memory <= Bytes::mib(64), "{seen:?}");
    let after = observer.mark();
    until("another look", || observer.usage_since(after).processes > 0);
    assert_eq!(observer.usage_since(after).oom_kills, 0, "it was before");
    running.alive().unwrap();
}

#[test]
fn descriptors_against_the_limit_that_the_process_has() {
    let Some(lab) = lab() else { return };
    let open = "import time; files = [open('/dev/null') for _ in range(500)]; time.sleep(60)";
    let mut launch = launch(vec![container(&["python3", "-c", open])]);
    launch.containers[0].nofile = Some((512, 1024));
    let running = lab.start(&launch).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    let usage = usage(&observer, mark, "open files", |u| u.descriptors >= 500);
    assert!(usage.descriptors < 512 && usage.nofile == Some(512), "{usage:?}");
    assert!(usage.pss > Bytes::mib(1) && usage.pss < Bytes::mib(64), "{usage:?}");
}

#[test]
fn shared_pages_count_once() {
    let Some(lab) = lab() else { return };
    let fork =
        "import os, time; x = b'x' * (64 << 20); [os.fork() for _ in range(2)]; time.sleep(60)";
    let running = lab.start(&launch(vec![container(&["python3", "-c", fork])])).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    let all = |u: &Usage| u.processes == 4 && u.pss > Bytes::mib(64);
    let usage = usage(&observer, mark, "four processes", all);
    assert!(usage.pss < Bytes::mib(128), "not 64 MiB for each: {usage:?}");
}

#[test]
fn unconfined_cpu_and_memory_come_from_the_processes() {
    let lab = unconfined();
    let running = lab.start(&shell("while :; do :; done")).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    let usage = usage(&observer, mark, "CPU", |u| u.cpu > 0.0);
    assert!(
        usage.memory == usage.pss && usage.pss > Bytes(0) && usage.throttled == 0.0,
        "{usage:?}"
    );
}

#[test]
fn a_service_that_ends_leaves_what_was_seen() {
    let Some(lab) = lab() else { return };
    let running = lab.start(&shell("exec sleep 60")).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    running.stop().unwrap();
    let usage = observer.usage_since(mark);
    assert!(usage.processes == 1 && usage.oom_kills == 0 && usage.cpu >= 0.0, "{usage:?}");
}
