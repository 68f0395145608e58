//! Services that do not come up: each is told in words, with its own last lines.

use super::support::*;
use knee_tune::lab::LabError;
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn a_crash_at_start_shows_the_last_lines_without_secrets() {
    let Some(lab) = lab() else { return };
    let mut launch = shell("echo connecting with $DB_PASSWORD; echo 'no such table' >&2; exit 3");
    launch.containers[0].env.set("DB_PASSWORD", "correct-horse");
    let running = lab.start(&launch).unwrap();
    let error = ready(&running, Some(free_port()), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "container `app` ended with exit status 3; its last lines:\n  connecting with ***\n  no such table"
    );
    let running =
        lab.start(&shell("DB_PASSWORD='correct horse'; echo $DB_PASSWORD; exit 3")).unwrap();
    let error = ended(&running).to_string();
    assert!(error.ends_with("its last lines:\n  ***"), "{error}");
    let running = lab.start(&shell("kill -SEGV $$")).unwrap();
    let error = ended(&running).to_string();
    assert!(error.contains("signal 11 (SIGSEGV); it wrote nothing"), "{error}");
}

#[test]
fn somebody_elses_port_is_named_with_its_holder() {
    let Some(lab) = lab() else { return };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let me = format!("(pid {})", std::process::id());
    for launch in [python(port), shell("exec sleep 60")] {
        let running = lab.start(&launch).unwrap();
        let error = ready(&running, Some(port), None).unwrap_err();
        assert!(
            matches!(&error, LabError::PortTaken { holder, .. } if holder.ends_with(&me)),
            "{error}"
        );
    }
    assert!(knee_tune::lab::port_holder(port).unwrap().ends_with(&me));
    assert_eq!(knee_tune::lab::port_holder(free_port()), None);
}

#[test]
fn never_ready_says_what_was_seen() {
    let Some(lab) = lab() else { return };
    let (port, other) = (free_port(), free_port());
    let short = Duration::from_millis(1500);
    let running = lab.start(&shell("echo thinking; exec sleep 60")).unwrap();
    let error = running.wait_ready(None, None, short, &|| false).unwrap_err().to_string();
    assert!(error.contains("it listens on no TCP port; its last lines:\n  thinking"), "{error}");
    let error = running.wait_ready(Some(port), None, short, &|| true).unwrap_err();
    assert!(matches!(error, LabError::Stopped));
    let running = lab.start(&python(other)).unwrap();
    ready(&running, None, None).unwrap();
    let error = running.wait_ready(Some(port), None, short, &|| false).unwrap_err().to_string();
    let expected = format!("nothing listens on port {port}; the service listens on {other}");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_daemon_is_told_to_stay_in_the_foreground() {
    let Some(lab) = lab() else { return };
    let running = lab.start(&shell("(setsid sleep 60 &); exit 0")).unwrap();
    let error = ready(&running, Some(free_port()), None).unwrap_err();
    assert!(matches!(&error, LabError::ForkedAway { left: 1, .. }), "{error}");
    assert!(error.to_string().contains("daemon off"), "{error}");
}

#[test]
fn garbage_is_no_answer() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let script = format!(
        "import socket\ns = socket.create_server(('127.0.0.1', {port}))\nwhile True:\n c, _ = s.accept()\n c.recv(99)\n c.sendall(b'SSH-2.0-x\\r\\n')\n c.close()"
    );
    let running = lab.start(&launch(vec![container(&["python3", "-c", &script])])).unwrap();
    let error = ready(&running, Some(port), Some("/")).unwrap_err();
    assert!(matches!(&error, LabError::BadAnswer { .. }), "{error}");
    assert!(error.to_string().contains("something that is no HTTP"), "{error}");
}

#[test]
fn what_cannot_be_started_is_refused_with_the_reason() {
    let Some(lab) = lab_alone() else { return };
    let refused = |change: &dyn Fn(&mut knee_core::launch::Launch)| {
        let mut launch = shell("true");
        change(&mut launch);
        lab.start(&launch).unwrap_err().to_string()
    };
    let error = refused(&|l| l.containers[0].argv.clear());
    assert_eq!(error, "container `app`: its command is empty");
    let error = refused(&|l| l.containers[0].workdir = "/etc/passwd".into());
    assert!(error.contains("/etc/passwd"), "{error}");
    let error = refused(&|l| l.containers[0].nofile = Some((2, 1)));
    assert_eq!(
        error,
        "container `app`: cannot set the limit of open files: Invalid argument (os error 22)"
    );
    let error = refused(&|l| {
        let bind = knee_core::launch::Bind { host: "/no/such".into(), container: "/app".into() };
        l.binds.push(bind);
    });
    assert!(error.starts_with("/no/such: cannot read it: No such file"), "{error}");
    assert_eq!(traces(std::process::id()).len(), 0);
}
