//! The quota, the memory limit and the mode without either.

use super::support::*;
use knee_core::{Bytes, Task};
use knee_probe::cgroup::TaskGroup;
use knee_tune::lab::LabError;
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn the_task_is_throttled_to_its_quota() {
    let Some(lab) = lab() else { return };
    // Two loops want two cores; the task has a quarter of one.
    let mut launch = shell("(while :; do :; done) & while :; do :; done");
    launch.task.cpu = 0.25;
    let running = lab.start(&launch).unwrap();
    let task = running.subject().group.unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let (before, started) = (task.cpu().unwrap().used, Instant::now());
    std::thread::sleep(Duration::from_millis(2000));
    let used = (task.cpu().unwrap().used - before) / started.elapsed().as_secs_f64();
    // No lower bound: everything else on the host goes before the service.
    assert!(used < 0.4, "used {used} cores of 0.25");
    until("throttling", || task.cpu().unwrap().throttling.unwrap().throttled > 0);
    running.stop().unwrap();
}

#[test]
fn a_service_that_needs_too_much_memory_is_named_as_such() {
    let Some(lab) = lab() else { return };
    let mut launch = shell("echo filling; exec python3 -c 'x = bytearray(400 << 20)'");
    launch.task.memory = Bytes::mib(64);
    let running = lab.start(&launch).unwrap();
    let error = ended(&running);
    assert!(
        matches!(&error, LabError::OutOfMemory { limit: Bytes(n), .. } if *n == 64 << 20),
        "{error}"
    );
    assert!(
        error.to_string().contains("the task has 64 MiB; its last lines:\n  filling"),
        "{error}"
    );
    assert!(running.oom_kills() > 0);
}

#[test]
fn a_worker_killed_for_memory_is_counted_while_the_service_goes_on() {
    let Some(lab) = lab() else { return };
    let mut launch = shell("python3 -c 'x = bytearray(400 << 20)'; echo survived; exec sleep 60");
    launch.task.memory = Bytes::mib(64);
    let running = lab.start(&launch).unwrap();
    until("the kill", || running.oom_kills() > 0);
    until("going on", || running.log_tail(3).0.iter().any(|l| l.contains("survived")));
    running.alive().unwrap();
}

/// systemd does so when the last of its own units that asked for it ends.
#[test]
fn a_controller_that_was_taken_away_is_asked_for_again() {
    let Some(lab) = lab_alone() else { return };
    let running = lab.start(&shell("true")).unwrap();
    let Some(TaskGroup::V2 { path }) = running.subject().group else {
        eprintln!("skipped: cgroup v1 has its controllers everywhere");
        return;
    };
    running.stop().unwrap();
    if fs::write(path.parent().unwrap().join("cgroup.subtree_control"), "-cpu").is_err() {
        eprintln!("skipped: another cgroup of this machine hands the controller on");
        return;
    }
    let again = lab.start(&shell("exec sleep 60")).unwrap();
    assert!(again.subject().group.unwrap().cpu().unwrap().throttling.is_some());
}

#[test]
fn unconfined_there_is_no_limit_and_every_result_says_so() {
    let lab = unconfined();
    assert!(
        lab.confinement(TASK).starts_with("unconfined: no CPU quota"),
        "{}",
        lab.confinement(TASK)
    );
    assert!(lab.validity(TASK).caveats[0].contains("unconfined"));
    let mut launch = shell("(setsid sleep 61 &); (sleep 62 &); echo up; exec sleep 60");
    launch.task.memory = Bytes::mib(1);
    let running = lab.start(&launch).unwrap();
    until("three processes", || running.pids().len() == 3);
    let pids = running.pids();
    running.stop().unwrap();
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
}

#[test]
fn a_host_too_small_is_said_in_words() {
    let lab = unconfined();
    let huge = Task { cpu: 1024.0, memory: Bytes(1 << 50) };
    let invalid = lab.validity(huge).invalid;
    assert!(invalid[0].contains("too few for a task of 1024 vCPU"), "{invalid:?}");
    assert!(invalid[1].contains("too little for a task of"), "{invalid:?}");
    let small = Task { cpu: 0.25, memory: Bytes::mib(1) };
    assert!(lab.validity(small).is_valid(), "{:?}", lab.validity(small));
}
