//! What the command finds in its environment, and what is said of it.

use crate::support::knee_run;
use std::path::Path;
use std::process::{Command, Stdio};

/// Standard output and error.
fn said(command: &mut Command) -> (String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn a_value_reaches_the_program_with_a_line_about_it() {
    let code = "console.log(process.env.UV_THREADPOOL_SIZE, require('os').constants ? 'ran' : '')";
    let set = [("UV_THREADPOOL_SIZE", "9"), ("WEB_CONCURRENCY", "")];
    let (out, err) = said(knee_run(&["--", "node", "-e", code]).envs(set));
    assert_eq!(out, "9 ran\n", "{err}");
    assert!(err.contains("knee-run: cpu "), "{err}");
    let (out, _) = said(&mut knee_run(&["--dry-run", "--", "gunicorn", "app:app"]));
    assert!(out.contains("workers ") && out.contains("(WEB_CONCURRENCY): 2 × CPU + 1"), "{out}");
    let (out, _) = said(&mut knee_run(&["--dry-run", "--", "gunicorn", "-w", "3", "app:app"]));
    assert!(out.contains("gunicorn: nothing was left open"), "{out}");
}

#[test]
fn gunicorn_starts_as_many_workers_as_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.py"), "def app(e, s): pass\n").unwrap();
    let words = ["--", "gunicorn", "--print-config", "app:app"];
    let (config, err) = said(knee_run(&words).current_dir(dir.path()));
    let told = err.lines().find_map(|l| l.strip_prefix("knee-run: workers ")).unwrap();
    let workers = told.split(' ').next().unwrap();
    let line = config.lines().find(|line| line.starts_with("workers ")).unwrap();
    assert!(line.ends_with(&format!("= {workers}")), "{line}");
}

#[test]
fn a_go_program_is_known_by_what_it_carries() {
    let orders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/go/orders");
    assert!(orders.exists(), "scripts/setup builds {}", orders.display());
    let (out, _) = said(&mut knee_run(&["--dry-run", "--", orders.to_str().unwrap()]));
    assert!(out.contains("GOMAXPROCS "), "{out}");
    let set = ("GOMAXPROCS", "3");
    let mut command = knee_run(&["--dry-run", "--", orders.to_str().unwrap()]);
    let (out, _) = said(command.env(set.0, set.1));
    assert!(!out.contains("GOMAXPROCS "), "{out}");
}

#[test]
fn open_files_are_raised_to_the_hard_limit() {
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text = format!("ulimit -Sn 64; exec {program} -- sh -c 'ulimit -Sn; ulimit -Hn'");
    let (out, err) = said(Command::new("sh").args(["-c", &text]));
    let limits: Vec<&str> = out.lines().collect();
    assert_ne!(limits[0], "64");
    assert!(limits[0] == limits[1] || limits[0] == "1048576", "{limits:?}");
    assert!(err.contains(", was 64: what the hard limit allows"), "{err}");
}
