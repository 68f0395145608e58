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
    let Some(delegated) = delegate() else {
        eprintln!("skipped: no cgroup that can be given to another user");
        return;
    };
    let result = std::panic::catch_unwind(|| as_nobody("helper_delegated", &delegated));
    let gone = delegated.iter().all(|folder| fs::remove_dir(folder).is_ok());
    result.unwrap();
    assert!(gone, "something is left below {delegated:?}");
}

/// Folders that belong to nobody, as systemd or a container engine delegates them: one in each of
/// v1's hierarchies, or one of v2 with the files that cgroups(7) names.
fn delegate() -> Option<Vec<PathBuf>> {
    let top = Path::new("/sys/fs/cgroup");
    let v2 = top.join("cgroup.subtree_control").exists();
    let (hierarchies, files): (Vec<PathBuf>, &[&str]) = match v2 {
        true => (vec![top.into()], &["cgroup.procs", "cgroup.subtree_control"]),
        false => (["cpu", "cpuacct", "memory", "pids"].map(|c| top.join(c)).into(), &[]),
    };
    if v2 {
        fs::write(top.join("cgroup.subtree_control"), "+cpu +memory").ok()?;
    }
    let give = |path: &Path| std::os::unix::fs::chown(path, Some(65534), Some(65534)).ok();
    let delegated = hierarchies.iter().map(|hierarchy| {
        let folder = hierarchy.join("test-of-delegation");
        let _ = fs::create_dir(&folder);
        give(&folder)?;
        files.iter().try_for_each(|file| give(&folder.join(file)))?;
        Some(folder)
    });
    delegated.collect()
}

#[test]
fn helper_delegated() {
    if !is_nobody() {
        return;
    }
    let lab = Lab::new(LabOptions::default()).unwrap();
    check_files(&lab);
    let script =
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; id -u";
    let lines = output(&lab, &shell(script));
    assert!(lines[0] == "-1" || lines[0] == "max 100000", "{lines:?}");
    assert_eq!(lines[1], USER);
    let both = launch(vec![container(&["sleep", "60"]), container(&["sleep", "61"])]);
    let running = lab.start(&both).unwrap();
    until("both", || running.pids().len() == 2);
    running.stop().unwrap();
    assert_eq!(traces(std::process::id()), Vec::<PathBuf>::new());
    // On cgroup v2 knee moved aside: it goes back, and its own cgroup is empty again.
    drop(lab);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    if let Some(path) = own.strip_prefix("0::") {
        let folder = Path::new("/sys/fs/cgroup").join(path.trim().trim_start_matches('/'));
        assert_eq!(knee_probe::cgroup::children(&folder), Vec::<PathBuf>::new());
    }
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
