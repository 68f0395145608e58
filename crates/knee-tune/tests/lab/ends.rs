//! Every way out leaves nothing: no process, cgroup, mount or temporary file.

use super::support::*;
use knee_tune::lab::{Lab, LabOptions};
use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A service of several processes, one of which left its session and ignores SIGTERM.
const STUBBORN: &str = "(trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 600; done' &) ; trap '' TERM; while :; do sleep 600; done";

type End = fn(knee_tune::lab::Running);

#[test]
fn stop_drop_and_panic_leave_nothing() {
    let Some(lab) = lab_alone() else { return };
    let ways: [(&str, End); 3] = [
        ("stop", |running| running.stop().unwrap()),
        ("drop", drop),
        ("panic", |running| {
            let gone = catch_unwind(AssertUnwindSafe(move || {
                let _kept = running;
                panic!("on purpose");
            }));
            assert!(gone.is_err());
        }),
    ];
    for (way, end) in ways {
        let running = lab.start(&shell(STUBBORN)).unwrap();
        until("the second process", || running.pids().len() >= 3);
        let pids = running.pids();
        let traces_before = traces(std::process::id());
        assert!(traces_before.len() >= 2, "{traces_before:?}");
        end(running);
        assert!(!pids.iter().any(|pid| lives(*pid)), "{way}: {pids:?}");
        assert_eq!(traces(std::process::id()), Vec::<PathBuf>::new(), "{way}");
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("knee-"), "{way}");
    }
}

#[test]
fn containers_of_one_task_share_files_and_limits_only() {
    let Some(lab) = lab() else { return };
    let mut both = launch(vec![
        container(&[
            "sh",
            "-c",
            "mkdir -p /run/knee-shared; echo from first > /run/knee-shared/a; exec sleep 60",
        ]),
        container(&[
            "sh",
            "-c",
            "until cat /run/knee-shared/a; do sleep 0.05; done; cat /sys/fs/cgroup/cpu*/cpu.cfs_quota_us | sort -u; exec sleep 60",
        ]),
    ]);
    both.containers[1].name = "second".into();
    let running = lab.start(&both).unwrap();
    let said = |line: &str| running.log_tail(9).0.iter().any(|l| l == line);
    until("the file", || said("second: from first"));
    let host = running.host_path("/run/knee-shared/a".as_ref());
    assert_eq!(fs::read_to_string(host).unwrap(), "from first\n");
    until("two in the task", || running.pids().len() == 2);
    running.stop().unwrap();
}

/// Not a test of its own: what the next one runs and kills.
#[test]
fn helper_that_is_killed() {
    if std::env::var_os("KNEE_TEST_HELPER").is_none() {
        return;
    }
    let lab = lab().unwrap();
    let running = lab.start(&shell(STUBBORN)).unwrap();
    until("the second process", || running.pids().len() >= 3);
    let pids: Vec<String> = running.pids().iter().map(i32::to_string).collect();
    println!("\npids {}", pids.join(" "));
    std::thread::sleep(SOON * 3);
}

/// A knee with a service, and the service's processes.
fn helper() -> (Child, Vec<i32>) {
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ends::helper_that_is_killed", "--nocapture"])
        .env("KNEE_TEST_HELPER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(helper.stdout.take().unwrap()).lines();
    let pids = lines.map_while(Result::ok).find_map(|l| l.strip_prefix("pids ").map(String::from));
    let pids: Vec<i32> = pids.unwrap().split(' ').map(|p| p.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| lives(*pid)));
    (helper, pids)
}

#[test]
fn a_killed_knee_leaves_nothing() {
    let Some(_lab) = lab() else { return };
    let (mut helper, pids) = helper();
    // A second knee beside it takes nothing from it.
    drop(Lab::new(LabOptions::default()).unwrap());
    assert!(pids.iter().all(|pid| lives(*pid)) && traces(helper.id()).len() >= 2);
    helper.kill().unwrap();
    helper.wait().unwrap();
    until("the end of the service", || !pids.iter().any(|pid| lives(*pid)));
    until("the removal", || traces(helper.id()).is_empty());
}

#[test]
fn what_a_killed_knee_and_its_warden_left_is_swept_by_the_next() {
    let Some(_lab) = lab() else { return };
    let (mut helper, pids) = helper();
    let warden = warden_of(helper.id());
    let kill = |pid: u32| Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(kill(warden).success());
    helper.kill().unwrap();
    helper.wait().unwrap();
    assert!(pids.iter().any(|pid| lives(*pid)) && traces(helper.id()).len() >= 2);
    drop(Lab::new(LabOptions::default()).unwrap());
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
    assert_eq!(traces(helper.id()), Vec::<PathBuf>::new());
}

fn warden_of(pid: u32) -> u32 {
    let is_warden = |e: &fs::DirEntry| {
        let command = fs::read_to_string(e.path().join("cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(e.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit_once(") ").and_then(|(_, r)| r.split(' ').nth(1)?.parse::<u32>().ok());
        command.contains("knee-warden") && parent == Some(pid)
    };
    let found = fs::read_dir("/proc").unwrap().flatten().find(is_warden).unwrap();
    found.file_name().to_str().unwrap().parse().unwrap()
}
