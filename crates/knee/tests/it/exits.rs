//! Runs that end otherwise than with a verdict: the words, the exit code, and nothing left over.
//! What only the library is needed for stands in knee-tune's `tests/tune`.

use crate::process;
use crate::tune::{alone, folder, start, traces, until};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// A service with a knob, which behaves as its first argument says and by the path asked for.
const ODD: &str = include_str!("../../../knee-tune/tests/tune/odd.py");
const KNOB: &str = "[knobs.POOL_SIZE]\nenv = \"POOL_SIZE\"\nrange = \"1..64\"\ndefault = 1\n\n[task]\ncpu = 0.25\nmemory = \"512MB\"\n";

struct Odd {
    folder: tempfile::TempDir,
    port: u16,
}

impl Odd {
    fn new() -> Odd {
        let folder = folder(&[("odd.py", ODD), ("knee.toml", KNOB)]);
        Odd { folder, port: process::free_port() }
    }

    fn knee(&self, verb: &str) -> Command {
        let mut command = process::command(assert_cmd::cargo::cargo_bin("knee"));
        command.arg("-C").arg(self.folder.path()).arg(verb);
        command
    }

    /// `knee tune` with this before the program, of this path.
    fn tune(&self, before: &str, path: &str) -> Command {
        let mut knee = self.knee("tune");
        knee.args(["--quick", "--command", &self.line(before)]);
        knee.args(["--request", path, "--port", &self.port.to_string()]);
        knee
    }

    fn line(&self, before: &str) -> String {
        format!("{before}python3 -u odd.py serves {}", self.port)
    }
}

/// Exit code, standard output, standard error.
fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs to the end and leaves nothing.
fn run(command: &mut Command) -> (i32, String, String) {
    let child = start(command);
    let pid = child.id();
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(traces(pid), [""; 0], "{}", ended.2);
    ended
}

#[test]
fn a_path_that_is_not_there() {
    let _alone = alone();
    let (code, _, err) = run(&mut Odd::new().tune("", "/missing"));
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("GET /missing answers 404; its last lines:\n  manner: serves"), "{err}");
    assert!(err.contains("--request 'GET /path'"), "{err}");
}

#[test]
fn a_port_that_is_taken() {
    let _alone = alone();
    let odd = Odd::new();
    let _holder = TcpListener::bind(("127.0.0.1", odd.port)).unwrap();
    let (code, _, err) = run(&mut odd.tune("", "/ok"));
    assert_eq!(code, 3, "{err}");
    let holder = format!("port {} is already taken by ", odd.port);
    assert!(
        err.contains(&holder) && err.contains(&format!("(pid {})", std::process::id())),
        "{err}"
    );
}

#[test]
fn a_rate_that_no_generator_makes() {
    let _alone = alone();
    let goal = ["--goal", "p99<9s,rate>=9000000"];
    let (code, _, err) = run(Odd::new().tune("", "/ok").args(goal));
    assert_eq!(code, 4, "{err}");
    assert!(
        err.contains("the goal asks for 9000000 requests/s") && err.contains("help: "),
        "{err}"
    );
}

#[test]
fn two_knees_at_once_do_not_disturb_each_other() {
    let _alone = alone();
    let odd = Odd::new();
    let mut first = start(&mut odd.tune("", "/ok"));
    until("the first one sends load", &mut first, || {
        let log = odd.folder.path().join(".knee/runs/1/events.jsonl");
        fs::read_to_string(log).is_ok_and(|log| log.contains("\"calibrated\""))
    });
    let (code, _, err) = run(&mut odd.tune("", "/ok"));
    assert_eq!(code, 3, "{err}");
    assert!(err.contains(&format!("port {} is already taken by python3", odd.port)), "{err}");
    assert!(odd.folder.path().join(".knee/runs/2/events.jsonl").is_file(), "a run of its own");
    assert_eq!(first.try_wait().unwrap(), None, "the first one goes on");
    let pid = first.id();
    assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
    let (code, _, err) = ended(first.wait_with_output().unwrap());
    assert_eq!(code, 130, "{err}");
    assert!(err.contains("go on with: knee resume 1"), "{err}");
    assert_eq!(traces(pid), [""; 0]);
}

#[test]
fn what_the_command_assigns_is_in_no_file_and_no_output() {
    let _alone = alone();
    let odd = Odd::new();
    let secret = "API_TOKEN='correct horse battery' ";
    let (code, out, err) = run(&mut odd.tune(secret, "/secret"));
    assert_eq!(code, 3, "{err}");
    // The service itself says it; it stands in what knee shows of that.
    assert!(err.contains("the token is ***"), "{err}");
    assert!(out.contains("read command: API_TOKEN=… python3 -u odd.py serves"), "{out}");
    let resumed = run(&mut odd.knee("resume"));
    assert_eq!(resumed.0, 2, "{}", resumed.2);
    assert!(resumed.2.contains("the values of its variables are not kept"), "{}", resumed.2);
    assert!(resumed.2.contains("knee resume 1 --command '…'"), "{}", resumed.2);
    let again = run(odd.knee("resume").args(["--command", &odd.line(secret)]));
    assert_eq!(again.0, 3, "it goes on to where it failed before: {}", again.2);
    assert!(again.2.contains("the token is ***"), "{}", again.2);
    let mut texts = vec![out, err, resumed.1, resumed.2, again.1, again.2];
    read_all(&odd.folder.path().join(".knee"), &mut texts);
    assert!(texts.len() > 7, "the run's files are among them");
    assert!(texts.iter().all(|text| !text.contains("horse")), "{texts:#?}");
}

fn read_all(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            read_all(&entry, texts);
        } else {
            texts.push(String::from_utf8_lossy(&fs::read(&entry).unwrap()).into_owned());
        }
    }
}
