//! The laboratory with real programs, cgroups and mounts. Needs root; says so when it is not.

mod support;

mod ends;
mod failures;
mod folders;
mod limits;
mod observe;
mod unprivileged;

use knee_core::launch::{Bind, Environment};
use std::fs;
use std::path::{Path, PathBuf};
use support::*;

#[test]
fn a_container_misreads_its_size_as_in_production() {
    let Some(lab) = lab() else { return };
    let script = "nproc; grep -c knee- /proc/self/cgroup; \
        cat /sys/fs/cgroup/cpu*/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null | sort -u";
    let lines = output(&lab, &shell(script));
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap().matches("processor\t").count();
    assert_eq!(lines[0], cpus.to_string());
    assert_eq!(lines[1], "0", "its own cgroup is the root that it sees");
    assert!(lines[2] == "-1" || lines[2].starts_with("max"), "{lines:?}");
}

#[test]
fn files_are_overlaid_and_the_users_stay_as_they_are() {
    let Some(lab) = lab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("a project, with: separators");
    fs::create_dir(&project).unwrap();
    fs::write(project.join("app.ini"), "old").unwrap();
    fs::write(project.join("main.txt"), "main").unwrap();
    let own = dir.path().join("own.conf");
    fs::write(&own, "old").unwrap();
    let mut launch = shell(
        "cat app.ini main.txt $OWN /run/knee/new.txt /etc/knee-one; echo changed > main.txt; \
         echo x > /etc/knee-test-file; rm $OWN; mkdir /run/knee/status; echo; pwd",
    );
    launch.containers[0].env.set("OWN", own.to_str().unwrap());
    launch.containers[0].workdir = "/srv/knee-test/app".into();
    launch.binds = vec![
        Bind { host: project.clone(), container: "/srv/knee-test/app".into() },
        Bind { host: project.join("main.txt"), container: "/etc/knee-one".into() },
    ];
    launch.files = vec![
        ("/srv/knee-test/app/app.ini".into(), b"new ".to_vec()),
        (own.clone(), b" own ".to_vec()),
        ("/run/knee/new.txt".into(), b"made ".to_vec()),
    ];
    assert_eq!(output(&lab, &launch), ["new main own made main", "/srv/knee-test/app"]);
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    assert_eq!(
        (read(project.join("app.ini")), read(project.join("main.txt"))),
        ("old".into(), "main".into())
    );
    assert_eq!(read(own), "old");
    let made = ["/etc/knee-one", "/etc/knee-test-file", "/srv/knee-test"];
    for path in made.into_iter().chain(["/run/knee/new.txt", "/run/knee/status"]) {
        assert!(!Path::new(path).exists(), "{path} reached the host");
    }
}

#[test]
fn environment_descriptors_and_missing_programs() {
    let Some(lab) = lab() else { return };
    let mut launch =
        launch(vec![container(&["/bin/sh", "-c", "ulimit -Sn; ulimit -Hn; env | sort"])]);
    launch.containers[0].env =
        Environment(vec![("A".into(), "1".into()), ("B".into(), "x y".into())]);
    launch.containers[0].nofile = Some((512, 1024));
    let lines = output(&lab, &launch);
    assert_eq!(lines[..2], ["512", "1024"]);
    let own = |l: &&String| !l.starts_with("PWD=") && !l.starts_with("_=");
    assert_eq!(lines[2..].iter().filter(own).collect::<Vec<_>>(), ["A=1", "B=x y"]);
    launch.containers[0].argv = vec!["knee-no-such-program".into()];
    let error = lab.start(&launch).unwrap_err().to_string();
    assert!(
        error.starts_with("container `app`: cannot start `knee-no-such-program`: No such file"),
        "{error}"
    );
}

#[test]
fn a_service_is_ready_when_it_answers() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let running = lab.start(&python(port)).unwrap();
    assert_eq!(ready(&running, None, None).unwrap(), port, "found by itself");
    assert_eq!(ready(&running, Some(port), Some("/")).unwrap(), port);
    assert_eq!(running.listening(), [port]);
    let error = ready(&running, Some(port), Some("/no/such")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("http://127.0.0.1:{port}/no/such answers 404")), "{error}");
    running.stop().unwrap();
}
