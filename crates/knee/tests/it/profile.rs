//! `knee watch --profile` on real processes: what is drawn, and that they go on as before.

use crate::cli::{knee, run};
use crate::process::{Process, command, free_port};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Computes in `hot`, most of the time.
const HOT: &str = "\
const { pbkdf2Sync } = require('crypto');
function hot() { pbkdf2Sync('a-secret', 'salt', 40000, 64, 'sha512'); }
setInterval(hot, 5);
console.log('runs');
";

/// One of two workers computes.
const CLUSTER: &str = "\
const cluster = require('cluster');
if (cluster.isPrimary) {
  cluster.setupPrimary({ inspectPort: 0 });
  cluster.fork({ IDLE: 1 }).on('online', () => cluster.fork());
} else if (process.env.IDLE) {
  setInterval(() => {}, 1000);
} else require('./hot.js');
";

/// Computes in `hot`, and serves pprof.
const GO: &str = "\
package main
import (
	\"crypto/sha256\"
	\"fmt\"
	\"net/http\"
	_ \"net/http/pprof\"
	\"os\"
)
func hot(text []byte) [32]byte { return sha256.Sum256(text) }
func main() {
	go func() { for text := make([]byte, 4096); ; { sum := hot(text); text[0] = sum[0] } }()
	fmt.Println(\"runs\")
	http.ListenAndServe(\"127.0.0.1:\"+os.Getenv(\"PORT\"), nil)
}
";

/// A program that runs, in a folder of its own. It ends with the test.
struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Node.js with these words, and its inspector's port where it is opened.
    fn node(words: &[&str], options: &str) -> Program {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hot.js"), HOT).unwrap();
        fs::write(folder.path().join("cluster.js"), CLUSTER).unwrap();
        let mut node = command("node");
        node.args(words).env("NODE_OPTIONS", options);
        Program::start(node, folder)
    }

    fn start(mut command: Command, folder: TempDir) -> Program {
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert_eq!(line, "runs\n");
        Program { child, folder }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    fn drawing(&self) -> PathBuf {
        self.folder.path().join("drawn.svg")
    }

    /// Exit code, what it said and its errors; and it still runs.
    fn profile(&mut self) -> (i32, String, String) {
        let mut knee = knee();
        knee.args(["watch", "--profile", "1s", "--pid", &self.pid(), "--svg"]).arg(self.drawing());
        let said = run(&mut knee);
        assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {said:?}");
        said
    }

    /// What is said of each call in the drawing.
    fn drawn(&self) -> Vec<String> {
        let text = fs::read_to_string(self.drawing()).unwrap();
        assert!(!text.contains("a-secret"), "no values");
        let document = roxmltree::Document::parse(&text).unwrap();
        let titles = document.descendants().filter(|node| node.has_tag_name("title"));
        titles.filter_map(|title| title.text().map(String::from)).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for pid in knee_probe::process::with_descendants(&[self.child.id().cast_signed()]) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let _ = self.child.wait();
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The share of the function in the first line, per cent.
fn share(said: &str) -> f64 {
    let first = said.lines().nth(1).unwrap();
    first.trim().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn node_is_opened_drawn_and_closed_again() {
    let port = free_port();
    let mut program = Program::node(&["hot.js"], &format!("--inspect-port={port}"));
    let (code, said, error) = program.profile();
    assert_eq!(code, 0, "{said}{error}");
    assert!(said.starts_with(&format!("node (pid {}), ", program.pid())), "{said}");
    assert!(said.contains("from hot ") && said.contains("hot.js:2"), "{said}");
    assert!(share(&said) > 50.0, "{said}");
    assert!(!said.contains("note: ") && !listens(port), "closed: {said}");
    let drawn = program.drawn();
    assert!(
        drawn.iter().any(|t| t.starts_with("hot at ") && t.contains("hot.js:2: ")),
        "{drawn:?}"
    );
    assert!(drawn.iter().any(|t| t.starts_with("pbkdf2Sync at node:")), "{drawn:?}");
}

#[test]
fn an_inspector_that_is_open_stays_open() {
    let port = free_port();
    let mut program = Program::node(&[&format!("--inspect=127.0.0.1:{port}"), "hot.js"], "");
    let (code, said, error) = program.profile();
    assert!(code == 0 && said.contains("from hot "), "{said}{error}");
    assert!(listens(port), "it was open before");
}

#[test]
fn of_a_cluster_the_busiest_worker_is_looked_at() {
    let mut program = Program::node(&["cluster.js"], &format!("--inspect-port={}", free_port()));
    let (code, said, error) = program.profile();
    assert!(code == 0 && said.contains(", the busiest of 2 processes, "), "{said}{error}");
    assert!(said.contains("from hot "), "{said}");
}

#[test]
fn a_port_that_is_taken_is_said_with_who_has_it() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut program = Program::node(&["hot.js"], &format!("--inspect-port={port}"));
    let (code, said, error) = program.profile();
    assert_eq!((code, said.as_str()), (2, ""), "{error}");
    let holder = std::process::id();
    let expected = format!("error: port {port}, where process {} would", program.pid());
    assert!(error.contains(&expected) && error.contains(&format!("(pid {holder})")), "{error}");
    assert!(error.contains("--inspect-port=N"), "{error}");
    assert!(!program.drawing().exists());
}

#[test]
fn who_cannot_be_asked_keeps_nobody_from_the_others() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = |port| format!("--inspect-port={port}");
    let first = Program::node(&["hot.js"], &port(taken.local_addr().unwrap().port()));
    let other = Program::node(&["hot.js"], &port(free_port()));
    let folder = tempfile::tempdir().unwrap();
    let mut knee = knee();
    knee.args(["watch", "--profile", "1s", "--pid", &first.pid(), "--pid", &other.pid()]);
    let (code, said, error) = run(knee.current_dir(&folder));
    let expected = format!("where process {} would open its inspector, is taken", first.pid());
    assert!(code == 2 && error.contains(&expected), "{said}{error}");
    let drawn = format!("node-{}.svg", other.pid());
    assert!(said.contains(&format!("drawn: {drawn}\n")), "{said}{error}");
    assert!(folder.path().join(drawn).exists());
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anybody_is_looked_at() {
    let program = Program::node(&["hot.js"], "");
    let mut knee = knee();
    knee.args(["watch", "--profile", "1s", "--pid", &program.pid(), "--svg", "/no/where.svg"]);
    let (code, said, error) = run(&mut knee);
    assert!(code == 2 && error.contains("/no/where.svg: cannot write it"), "{said}{error}");
    assert!(!error.contains("looking for"), "{error}");
}

#[test]
fn ctrl_c_ends_it_and_closes_what_it_opened() {
    let port = free_port();
    let mut program = Program::node(&["hot.js"], &format!("--inspect-port={port}"));
    let mut watch = command(assert_cmd::cargo::cargo_bin("knee"));
    watch.args(["watch", "--profile", "200s", "--pid", &program.pid(), "--svg"]);
    let mut watch = watch.arg(program.drawing()).stderr(Stdio::null()).spawn().unwrap();
    while !listens(port) {
        assert!(watch.try_wait().unwrap().is_none(), "it opens the inspector first");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = watch.id().to_string();
    // Where the test runs in the background SIGINT is ignored.
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(watch.wait().unwrap().code(), Some(143));
    assert!(!listens(port) && !program.drawing().exists());
    assert!(program.child.try_wait().unwrap().is_none(), "the program goes on");
}

/// Stands still again and again.
const STILL: &str = "\
function still() { for (const end = Date.now() + 900; Date.now() < end; ); }
setInterval(still, 1500);
console.log('runs');
";

#[test]
fn where_an_event_loop_stands_still_is_seen_in_what_knee_run_started() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("still.js"), STILL).unwrap();
    let mut knee_run = command(assert_cmd::cargo::cargo_bin("knee"));
    knee_run.args(["run", "--serve-for", "0s", "--", "node", "still.js"]);
    let program = Program::start(knee_run, folder);
    let pid = program.pid();
    let words = ["--pid", pid.as_str()];
    let place = |d: &Value| d["services"][0]["stall"]["place"].clone();
    let (_, document) = crate::watch::until(&words, |d| place(d).is_object());
    let place = place(&document);
    assert_eq!((&place["file"], &place["line"]), (&"still.js".into(), &1.into()), "{document}");
    assert_eq!(place["function"], "still", "{document}");
    let told = || run(knee().args(["watch", "--once", "--interval", "2s"]).args(words)).1;
    let said =
        std::iter::repeat_with(told).take(10).find(|said| said.contains("it stood still for "));
    assert!(said.unwrap().contains(" ms at still.js:1 (still)"));
}

#[test]
fn go_is_asked_at_its_own_pprof() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.go"), GO).unwrap();
    let mut build = command("go");
    build.args(["build", "-o", "hot", "main.go"]).current_dir(folder.path());
    assert!(build.status().unwrap().success());
    let port = free_port();
    let mut hot = command(folder.path().join("hot"));
    hot.env("PORT", port.to_string());
    let mut program = Program::start(hot, folder);
    while !listens(port) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (code, said, error) = program.profile();
    assert_eq!(code, 0, "{said}{error}");
    let words = ["watch", "--once", "--interval", "500ms", "--pid", &program.pid()];
    let shown = run(knee().args(words)).1;
    assert!(shown.contains("\n  goroutines  ") && shown.contains("\n  Go's heap   "), "{shown}");
    assert!(shown.contains(" in use or not collected yet, collected at "), "{shown}");
    assert!(said.starts_with("go hot (pid ") && said.contains(": it used "), "{said}");
    assert!(share(&said) > 50.0, "{said}");
    let drawn = program.drawn();
    assert!(drawn.iter().any(|t| t.starts_with("crypto/sha256.Sum256 at ")), "{drawn:?}");
    assert!(
        drawn.iter().any(|t| t.starts_with("main.hot at ") && t.contains("main.go:9: ")),
        "{drawn:?}"
    );
}

#[test]
fn who_cannot_be_asked_is_named_with_what_could() {
    let backend = Process::backend(0);
    let go = Process::example("go", backend.port());
    let profile = |pid: u32| {
        let (code, said, error) =
            run(knee().args(["watch", "--profile", "1s", "--pid", &pid.to_string()]));
        assert_eq!((code, said.as_str()), (3, ""), "{error}");
        error
    };
    let error = profile(go.pid());
    let asked = format!("does not serve net/http/pprof (asked at 127.0.0.1:{}", go.port());
    assert!(error.contains(&asked) && error.contains("KNEE_GO_PPROF"), "{error}");
    let gunicorn = Process::example("gunicorn", backend.port());
    let error = profile(gunicorn.pid());
    let pid = gunicorn.pid();
    assert!(error.contains(&format!("here is gunicorn (pid {pid})")), "{error}");
    assert!(error.contains(&format!("py-spy record --pid {pid}")), "{error}");
    let (code, _, error) = run(knee().args(["watch", "--profile", "0s"]));
    assert!(code == 2 && error.contains("from 1 s to 300 s"), "{error}");
}

#[test]
fn another_users_process_is_left_alone() {
    let program = Program::node(&["hot.js"], "");
    // Where anybody may write.
    let file = std::env::temp_dir().join(format!("knee-{}.svg", program.pid()));
    let pid = program.pid();
    let words = ["watch", "--profile", "1s", "--pid", &pid, "--svg"];
    let Some((said, error)) =
        crate::watch::as_nobody(&[&words[..], &[file.to_str().unwrap()]].concat())
    else {
        return;
    };
    assert_eq!(said, "");
    let expected = format!("process {} belongs to another user", program.pid());
    assert!(error.contains(&expected) && error.contains("help: run knee as root"), "{error}");
}
