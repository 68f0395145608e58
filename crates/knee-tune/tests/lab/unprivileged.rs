//! Without root: what is missing is said, a delegated cgroup suffices, and without either the
//! service runs unconfined. Root runs these again as another user.

use super::support::*;
use knee_core::launch::Bind;
use knee_tune::lab::{Lab, LabError, LabOptions};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `nobody`.
const USER: &str = "65534";

/// Runs a test of this file as another user, in cgroups of its own where some are given.
fn as_nobody(test: &str, cgroups: &[PathBuf]) {
    let root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    if !root || !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("skipped: needs root and setpriv");
        return;
    }
    let enter: String =
        cgroups.iter().map(|c| format!("echo $$ > {}/cgroup.procs; ", c.display())).collect();
    let script = format!("{enter}exec setpriv --reuid {USER} --regid {USER} --clear-groups \"$@\"");
    let exe = std::env::current_exe().unwrap();
    let result = Command::new("sh")
        .args(["-ec", &script, "sh"])
        .arg(exe)
        .args(["--exact", &format!("unprivileged::{test}"), "--nocapture"])
        .env("KNEE_TEST_USER", "1")
        .env("HOME", "/")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&result.stdout),
        String::from_utf8_lossy(&result.stderr)
    );
    if said.contains("setpriv: failed to execute") {
        eprintln!("skipped: the test's program cannot be read by another user: {said}");
        return;
    }
    assert!(result.status.success() && said.contains("1 passed"), "{said}");
}

fn is_nobody() -> bool {
    std::env::var_os("KNEE_TEST_USER").is_some()
}

#[test]
fn another_user_is_told_what_is_missing_and_can_go_on_unconfined() {
    as_nobody("helper_unconfined", &[]);
}

#[test]
fn helper_unconfined() {
    if !is_nobody() {
        return;
    }
    let error = Lab::new(LabOptions::default()).unwrap_err();
    assert!(matches!(&error, LabError::Unprivileged { .. }));
    assert!(
        error.to_string().contains("cannot create a cgroup in")
            && error.to_string().contains("systemd-run"),
        "{error}"
    );
    let lab = Lab::new(LabOptions { unconfined: true }).unwrap();
    check_files(&lab);
    let running =
        lab.start(&shell("(setsid sleep 61 &); (sleep 62 &); echo up; exec sleep 60")).unwrap();
    until("three processes", || running.pids().len() == 3);
    let pids = running.pids();
    running.stop().unwrap();
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
    assert_eq!(traces(std::process::id()), Vec::<PathBuf>::new());
}

#[test]
fn a_delegated_cgroup_suffices() {
    let Some(_lab) = lab() else { return };
    let controllers =
        ["cpu", "cpuacct", "memory", "pids"].map(|c| Path::new("/sys/fs/cgroup").join(c));
    if !controllers.iter().all(|c| c.join("cgroup.procs").exists()) {
        eprintln!("skipped: needs cgroup v1 with a folder for each controller");
        return;
    }
    let delegated = controllers.map(|c| c.join("test-of-delegation"));
    for folder in &delegated {
        let _ = fs::create_dir(folder);
        std::os::unix::fs::chown(folder, Some(65534), Some(65534)).unwrap();
    }
    let result = std::panic::catch_unwind(|| as_nobody("helper_delegated", &delegated));
    let gone = delegated.iter().all(|folder| fs::remove_dir(folder).is_ok());
    result.unwrap();
    assert!(gone, "something is left below {delegated:?}");
}

#[test]
fn helper_delegated() {
    if !is_nobody() {
        return;
    }
    let lab = Lab::new(LabOptions::default()).unwrap();
    check_files(&lab);
    let lines = output(&lab, &shell("cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us; id -u"));
    assert_eq!(lines, ["-1", USER]);
    let both = launch(vec![container(&["sleep", "60"]), container(&["sleep", "61"])]);
    let running = lab.start(&both).unwrap();
    until("both", || running.pids().len() == 2);
    running.stop().unwrap();
    assert_eq!(traces(std::process::id()), Vec::<PathBuf>::new());
}

/// Changed files, new ones where the user may not write, and a folder shown at another path.
fn check_files(lab: &Lab) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.ini"), "old").unwrap();
    let mut launch =
        shell("cat app.ini extra.ini /etc/hostname /run/knee/new.txt; ls -d /usr/bin/env");
    launch.containers[0].workdir = "/knee-test/app".into();
    launch.binds = vec![Bind { host: dir.path().into(), container: "/knee-test/app".into() }];
    launch.files = vec![
        ("/knee-test/app/app.ini".into(), b"new ".to_vec()),
        ("/knee-test/app/extra.ini".into(), b"extra ".to_vec()),
        ("/etc/hostname".into(), b"host ".to_vec()),
        ("/run/knee/new.txt".into(), b"made\n".to_vec()),
    ];
    assert_eq!(output(lab, &launch), ["new extra host made", "/usr/bin/env"]);
    assert_eq!(fs::read_to_string(dir.path().join("app.ini")).unwrap(), "old");
    assert!(!dir.path().join("extra.ini").exists());
}
