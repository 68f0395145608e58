//! `knee tune` of a real service, short, and what it says when it cannot begin.

use crate::cli::{knee, run};
use crate::process::{self, Process};
use crate::schema;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A copy of `examples/gunicorn` at ports of its own, and the backend it waits for.
struct Example {
    folder: tempfile::TempDir,
    _backend: Process,
}

impl Example {
    fn new() -> Example {
        let backend = Process::backend(0);
        let folder = tempfile::tempdir().unwrap();
        let port = process::free_port();
        let changes = [
            ("127.0.0.1:8081".to_owned(), format!("127.0.0.1:{port}")),
            ("\"containerPort\": 8081".to_owned(), format!("\"containerPort\": {port}")),
            ("127.0.0.1:9400".to_owned(), format!("127.0.0.1:{}", backend.port())),
        ];
        let source = process::root().join("examples/gunicorn");
        process::copy(&source, folder.path(), &changes);
        Example { folder, _backend: backend }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// knee in this folder, with the runtimes of the set-up on its PATH.
    fn knee(&self) -> Command {
        let mut command = process::command(assert_cmd::cargo::cargo_bin("knee"));
        command.arg("-C").arg(self.path());
        command
    }

    fn run(&self) -> PathBuf {
        self.path().join(".knee/runs/1")
    }

    /// The files of the service, without knee's own.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

/// Everything on this machine whose name says that the knee of that number made it: temporary
/// folders, cgroups and processes that hold them.
pub fn traces(pid: u32) -> Vec<String> {
    let prefix = format!("knee-{pid}-");
    let script = format!(
        "ls -d /tmp/{prefix}* /var/tmp/{prefix}* 2>/dev/null
         find /sys/fs/cgroup -maxdepth 6 -name '{prefix}*' 2>/dev/null
         ps -eo args | grep -F '{prefix}' | grep -v grep"
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| !line.starts_with("bash -c")).map(Into::into).collect()
}

/// One service at a time: two would measure each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static HOUSE: Mutex<()> = Mutex::new(());
    HOUSE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_service_goes_in_and_measured_settings_come_out() {
    let _alone = alone();
    let example = Example::new();
    let before = example.files();
    let flags = ["tune", "--quick", "--trials", "2", "--json"];
    let output = example.knee().args(flags).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code().unwrap();
    // On a busy machine a short run may be inconclusive; it is never silent about it.
    assert!([0, 1, 4].contains(&code), "{code}: {err}");
    let out = String::from_utf8(output.stdout).unwrap();
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    schema::check("tune-1", &document);
    assert_eq!(document["service"], "orders-gunicorn");
    assert_eq!(document["baseline"]["settings"]["workers"], 5);
    assert_eq!(document["task"]["value"]["cpu"], 0.5);
    assert!(document["calibration"]["cpu"].as_f64() > Some(0.0), "{out}");
    assert!(err.contains("read command: gunicorn"), "{err}");
    assert_eq!(example.files(), before, "the user's files stay as they are");
    for file in ["events.jsonl", "summary.json", "report.html", "asked.json"] {
        assert!(example.run().join(file).is_file(), "{file}");
    }
    assert_eq!(fs::read_to_string(example.run().join("summary.json")).unwrap(), out);
}

#[test]
fn ctrl_c_leaves_nothing_behind_and_the_run_can_be_resumed() {
    let _alone = alone();
    let example = Example::new();
    for (number, signal, expected) in [(1, "INT", 130), (2, "TERM", 143)] {
        // Steps as long as this goal needs: it does not end by itself meanwhile.
        let mut child = start(example.knee().args(["tune", "--goal", "p99<9s"]));
        let pid = child.id();
        until("the service is started", &mut child, || !traces(pid).is_empty());
        until("load is sent", &mut child, || {
            let log = example.path().join(format!(".knee/runs/{number}/events.jsonl"));
            fs::read_to_string(log).is_ok_and(|log| log.contains("\"calibrated\""))
        });
        // Twice: the second one must not cut the undoing short.
        for _ in 0..2 {
            let kill = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
            assert!(kill.unwrap().success());
        }
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{err}");
        assert!(
            err.contains(&format!("everything was undone; go on with: knee resume {number}")),
            "{err}"
        );
        assert_eq!(traces(pid), [""; 0], "left behind after SIG{signal}");
    }
    let (code, out, _) = run(knee().arg("-C").arg(example.path()).args(["report", "1"]));
    assert_eq!(code, 4);
    assert!(out.contains("trial 1: trying"), "{out}");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_and_everything_is_undone() {
    let _alone = alone();
    let example = Example::new();
    let mut child = start(example.knee().args(["tune", "--quick"]));
    let pid = child.id();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(!err.contains("error"), "{err}");
    assert_eq!(traces(pid), [""; 0]);
}

pub fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn until(what: &str, child: &mut Child, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before {what}: {ended:?}");
        assert!(began.elapsed() < Duration::from_secs(120), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    folder
}

fn tune(folder: &tempfile::TempDir, flags: &[&str]) -> (i32, String, String) {
    run(knee().arg("-C").arg(folder.path()).arg("tune").args(flags))
}

#[test]
fn an_empty_folder_is_told_what_is_missing() {
    let folder = folder(&[]);
    let (code, out, err) = tune(&folder, &[]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    for part in ["missing:", "--command", "--task", "--request", "for example"] {
        assert!(err.contains(part), "no `{part}`: {err}");
    }
    assert!(!folder.path().join(".knee").exists(), "nothing was begun");
    let started = ["--command", "gunicorn -b 127.0.0.1:8000 app:app", "--task", "0.5,1GB"];
    let mut command = process::command(assert_cmd::cargo::cargo_bin("knee"));
    let output = command.arg("-C").arg(folder.path()).arg("tune").args(started).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("for example --request") && !err.contains("for example --task"), "{err}");
}

#[test]
fn all_mistakes_in_knee_toml_have_their_places() {
    let text = "[goal]\np99 = 250\nlatensy = 3\n\n[task]\ncpu = \"half\"\n";
    let folder = folder(&[("knee.toml", text)]);
    let (code, _, err) = tune(&folder, &[]);
    assert_eq!(code, 2, "{err}");
    let places = [
        "error: knee.toml:2:7: `goal.p99` takes a length of time",
        "\nknee.toml:3:1: `goal.latensy` is unknown",
        "\nknee.toml:6:7: `task.cpu` takes a number of vCPU",
    ];
    assert!(places.iter().all(|place| err.contains(place)), "{err}");
}

#[test]
fn a_task_that_fargate_does_not_offer_names_the_nearest() {
    let (code, _, err) = tune(&folder(&[]), &["--task", "0.5,512MB"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("the nearest are 0.25,512MiB and 0.5,1GiB"), "{err}");
}

#[test]
fn a_service_that_does_not_run_is_told_with_its_own_words() {
    let folder = folder(&[]);
    let port = process::free_port();
    let fails = format!("gunicorn --bind 127.0.0.1:{port} nosuch:app");
    let mut command = process::command(assert_cmd::cargo::cargo_bin("knee"));
    command.arg("-C").arg(folder.path()).args(["tune", "--command", &fails]);
    command.args(["--task", "0.25,512MB", "--request", "/", "--port", &port.to_string()]);
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("No module named 'nosuch'"), "{err}");
}
