//! What the command finds in its environment, and what is said of it.

use crate::support::{self, knee_run};
use std::os::unix::fs::PermissionsExt;
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

/// A folder with PHP-FPM's files as they are packaged.
fn fpm() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let main = support::fpm(folder.path());
    (folder, main)
}

#[test]
fn a_packaged_pool_is_sized_by_a_file_that_comes_last() {
    let (folder, main) = fpm();
    // With -tt it says what it has read, and ends.
    let words = ["--", "php-fpm8.2", "--fpm-config", &main, "-tt"];
    let (_, err) = said(&mut knee_run(&words));
    assert!(err.contains("pm = static"), "{err}");
    let told = err.lines().find_map(|l| l.strip_prefix("knee-run: pm.max_children ")).unwrap();
    let children = told.split(' ').next().unwrap();
    assert!(err.contains(&format!("\tpm.max_children = {children}\n")), "{err}");
    let pool = folder.path().join("pool.d");
    let left = || std::fs::read_dir(&pool).unwrap().count();
    assert_eq!(left(), 1, "what was written goes with the service");
    let (out, _) = said(&mut knee_run(&["--dry-run", "--", "php-fpm8.2", "-y", &main]));
    assert!(out.contains("zzz-knee.conf): ") && left() == 1, "{out}");
    // FPM reads them in the order of their names: before `www.conf` this would set nothing.
    std::fs::write(pool.join("x.conf"), "[www]\npm.max_children = 7\n").unwrap();
    let (_, err) = said(&mut knee_run(&words));
    assert!(err.contains("PHP-FPM: nothing was left open"), "{err}");
}

#[test]
fn a_script_that_starts_fpm_and_nginx_is_understood() {
    let (folder, main) = fpm();
    let script = folder.path().join("start.sh");
    let text = format!("#!/bin/sh\nphp-fpm8.2 -y {main} -tt\nexec true nginx\n");
    std::fs::write(&script, text).unwrap();
    let (_, err) = said(&mut knee_run(&["--", "sh", script.to_str().unwrap()]));
    assert!(err.contains("\tpm = static\n"), "{err}");
    assert!(err.contains("worker_processes stays as it is, as "), "{err}");
}

#[test]
fn a_pool_folder_that_takes_no_file_is_named_and_the_service_starts() {
    let (folder, main) = fpm();
    // A folder in the place of the file: it cannot be written, whoever asks.
    std::fs::create_dir(folder.path().join("pool.d/zzz-knee.conf")).unwrap();
    let (_, err) = said(&mut knee_run(&["--", "php-fpm8.2", "-y", &main, "-tt"]));
    assert!(err.contains("pm.max_children stays as it is, as ") && err.contains("pool.d"), "{err}");
    assert!(err.contains("\tpm.max_children = 5\n"), "{err}");
}

#[test]
fn nginx_gets_a_copy_of_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let path = folder.path().join("nginx.conf");
    let text = format!(
        "worker_processes auto;\npid {at}/pid;\nerror_log stderr;\nevents {{ worker_connections 100; }}\n\
         http {{ include types; access_log off; server {{ listen unix:{at}/nginx.sock; }} }}\n"
    );
    std::fs::write(&path, &text).unwrap();
    std::fs::write(folder.path().join("types"), "types { text/html html; }\n").unwrap();
    let words = ["--", "nginx", "-T", "-e", "stderr", "-c", path.to_str().unwrap()];
    let (out, err) = said(&mut knee_run(&words));
    let copy = format!("{at}/knee-nginx.conf");
    assert!(
        out.contains(&format!("# configuration file {copy}:\nworker_processes ")),
        "{out} {err}"
    );
    assert!(out.contains("text/html html") && !out.contains("worker_processes auto"), "{out}");
    assert!(out.contains("worker_connections 100;") && !Path::new(&copy).exists(), "{out}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn uvicorn_and_celery_start_what_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tasks.py"), TASKS).unwrap();
    let words = ["--", "celery", "-A", "tasks", "worker", "-Q", "none"];
    let (out, err) = said(knee_run(&words).current_dir(folder.path()).env("C_FORCE_ROOT", "1"));
    let told = err.lines().find_map(|l| l.strip_prefix("knee-run: concurrency ")).unwrap();
    let tasks = told.split(' ').next().unwrap();
    assert!(out.contains(&format!("concurrency: {tasks} (prefork)")), "{out} {err}");
    std::fs::write(folder.path().join("app.py"), APP).unwrap();
    let words = ["--serve-for", "0s", "--", "uvicorn", "--port", "0", "app:app"];
    let (out, err) = said(knee_run(&words).current_dir(folder.path()));
    let told = err.lines().find_map(|l| l.strip_prefix("knee-run: workers ")).unwrap();
    assert!(told.starts_with(out.lines().next().unwrap()), "{out} {err}");
}

/// Says in one piece, as its siblings do the same, how many it was told; and has itself ended.
const APP: &str = "\
import os
os.write(1, (os.environ['WEB_CONCURRENCY'] + chr(10)).encode())
os.kill(os.getppid(), 15)
async def app(scope, receive, send): pass
";

/// A worker without a broker, which ends as soon as it is ready.
const TASKS: &str = "\
import os
from celery import Celery, signals
app = Celery('tasks', broker='memory://')
@signals.worker_ready.connect
def ready(**_): os.kill(os.getpid(), 15)
";

/// A profile as `knee plan --lock` writes it: 3 ms of CPU and 57 ms of waiting, 20 MiB a process.
fn lock(runtime: &str) -> String {
    let estimate = |value: f64| {
        format!(r#"{{"value":{value},"deviation":0,"origin":{{"kind":"observed","by":"run 5"}}}}"#)
    };
    let demand = |mean| format!(r#"{{"mean":{},"shape":"constant"}}"#, estimate(mean));
    let (cpu, wait, none) = (demand(0.003), demand(0.057), demand(0.0));
    let (zero, shared, each) = (estimate(0.0), estimate(1e7), estimate(20.0 * 1048576.0));
    format!(
        r#"{{"version":1,"service":"orders","runtime":"{runtime}","classes":[{{"name":"GET /","weight":1,
        "cpu":{cpu},"wait":{wait},"blocking":{none},"offloaded":{none},"calls":1}}],"background":{zero},
        "contention":{zero},"crowding":{zero},"memory":{{"shared":{shared},"per_process":{each},
        "per_request":{zero}}},"start":{zero},"heap":null,"measured":null}}"#
    )
}

#[test]
fn a_lock_sizes_by_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("knee.lock");
    let dry = |words: &[&str]| {
        let mut command = knee_run(&[words, &["--", "gunicorn", "app:app"]].concat());
        said(command.current_dir(folder.path())).0
    };
    std::fs::write(&path, lock("gunicorn")).unwrap();
    let out = dry(&["--dry-run"]);
    assert!(out.contains("at 3.00 ms of CPU and 57.0 ms of waiting"), "{out}");
    // Also beside others, whose profile it is not.
    let table = folder.path().join("processes");
    std::fs::write(&table, "nginx: nginx\nweb: gunicorn app:app\n").unwrap();
    let words = ["--dry-run", "--processes", "processes"];
    let (out, _) = said(knee_run(&words).current_dir(folder.path()));
    assert!(out.contains("at 3.00 ms of CPU") && !out.contains("is a profile of"), "{out}");
    std::fs::write(&path, lock("node")).unwrap();
    let out = dry(&["--dry-run"]);
    assert!(out.contains("knee.lock is a profile of node, which does not start here"), "{out}");
    assert!(out.contains("2 × CPU + 1"), "{out}");
    std::fs::write(&path, "{\n  \"version\": 2").unwrap();
    let out = dry(&["--dry-run"]);
    assert!(out.contains("knee.lock:2:") && out.contains("`knee plan --lock`"), "{out}");
    // Without a user's numbers in its namespace not even root reads what nobody may.
    std::fs::write(&path, lock("gunicorn")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = support::command("unshare");
    command.args([
        "--user",
        env!("CARGO_BIN_EXE_knee-run"),
        "--dry-run",
        "--",
        "gunicorn",
        "app:app",
    ]);
    let (out, err) = said(command.current_dir(folder.path()));
    assert!(out.contains("knee.lock: Permission denied"), "{out} {err}");
    assert!(out.contains("2 × CPU + 1"), "{out} {err}");
    let out = dry(&["--dry-run", "--lock", "other.lock"]);
    assert!(out.contains("other.lock: No such file") && out.contains("2 × CPU + 1"), "{out}");
}

#[test]
fn a_pipe_among_the_words_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody ever writes into it: whoever opens it waits for ever.
    let (out, err) = said(&mut knee_run(&["--", "sh", "-c", "echo started", &pipe]));
    assert_eq!(out, "started\n", "{err}");
}
