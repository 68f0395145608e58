//! Stops under load, of the real runtimes: a load balancer routes on for a while after the signal,
//! and no request may be lost. Nothing here asserts a time.

use crate::support::{Talk, free_port, knee_run, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers after 100 ms, and knows nothing of signals.
const NODE: &str = "\
const at = Number(process.argv[1]);
require('http').createServer((q, r) => setTimeout(() => r.end('done'), 100)).listen(at, '127.0.0.1');";

const WSGI: &str = "\
import time
def app(environ, start):
    time.sleep(0.1)
    start('200 OK', [('Content-Length', '4')])
    return [b'done']
";

/// One request on a connection of its own: true for a whole answer.
fn ask(at: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(at) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let sent = stream.write_all(request).is_ok() && stream.read_to_string(&mut answer).is_ok();
    sent && answer.starts_with("HTTP/1.1 200") && answer.contains("done")
}

/// A load balancer with some clients, until it no longer routes.
struct Load {
    routes: Arc<AtomicBool>,
    clients: Vec<std::thread::JoinHandle<()>>,
    /// Answered and lost.
    counts: Arc<Mutex<(u32, u32)>>,
}

impl Load {
    fn on(at: SocketAddr) -> Load {
        let (routes, counts) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new((0, 0))));
        let client = |_| {
            let (routes, counts) = (routes.clone(), counts.clone());
            std::thread::spawn(move || {
                while routes.load(Ordering::Relaxed) {
                    let answered = ask(at);
                    let mut counts = counts.lock().unwrap();
                    if answered {
                        counts.0 += 1
                    } else {
                        counts.1 += 1
                    }
                    drop(counts);
                    std::thread::sleep(Duration::from_millis(20));
                }
            })
        };
        let clients = (0..6).map(client).collect();
        Load { routes, clients, counts }
    }

    /// Routes on for a while, and returns what was answered and lost.
    fn end(self, after: Duration) -> (u32, u32) {
        std::thread::sleep(after);
        self.routes.store(false, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        *self.counts.lock().unwrap()
    }
}

/// Starts it, sends the signal under load while the balancer routes for another second, and returns
/// answered, lost, exit code and what was said.
fn stop(command: &mut Command, port: u16, signal: i32) -> (u32, u32, Option<i32>, String) {
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    command.stderr(Stdio::piped());
    let mut talk = Talk::with(std::mem::replace(command, Command::new("true")));
    until("it answers", || ask(at));
    let load = Load::on(at);
    until("load is on", || load.counts.lock().unwrap().0 > 10);
    talk.signal(signal);
    let (answered, lost) = load.end(Duration::from_secs(1));
    let mut said = String::new();
    talk.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (answered, lost, talk.end().0, said)
}

/// The words of knee-run before the command; the balancer routes for a second of these.
const WORDS: [&str; 6] = ["--keep", "--serve-for", "2500ms", "--stop-timeout", "40s", "--"];

fn entry(words: &[&str]) -> Command {
    knee_run(&[&WORDS[..], words].concat())
}

#[test]
fn a_bare_node_process_loses_nothing() {
    let port = free_port();
    let at = port.to_string();
    let node = ["node", "-e", NODE, &at];
    let (answered, lost, code, said) = stop(&mut entry(&node), port, libc::SIGTERM);
    assert!(answered > 10 && lost == 0, "{answered} {lost} {said}");
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("serving for 2.5 s more") && said.contains("none cut"), "{said}");
    // The same without: it is the entrypoint that makes the difference.
    let (_, lost, ..) = stop(Command::new("node").args(&node[1..]), port, libc::SIGTERM);
    assert!(lost > 0);
}

#[test]
fn gunicorn_loses_nothing_whatever_stop_signal_comes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.py"), WSGI).unwrap();
    for (class, signal) in [("sync", libc::SIGTERM), ("gthread", libc::SIGQUIT)] {
        let port = free_port();
        let bind = format!("127.0.0.1:{port}");
        let words =
            ["gunicorn", "--bind", &bind, "--workers", "2", "--worker-class", class, "app:app"];
        let mut command = entry(&words);
        command.current_dir(dir.path()).env("GUNICORN_CMD_ARGS", "--no-control-socket");
        let (answered, lost, code, said) = stop(&mut command, port, signal);
        assert!(answered > 10 && lost == 0, "{class}: {answered} {lost} {said}");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("gunicorn ended with 0"), "{said}");
    }
}

#[test]
fn a_go_program_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let source = "package main\nimport (\"net/http\"; \"os\"; \"time\")\nfunc main() {\n\
        http.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) { time.Sleep(100*time.Millisecond); w.Write([]byte(\"done\")) })\n\
        http.ListenAndServe(\"127.0.0.1:\"+os.Args[1], nil)\n}\n";
    std::fs::write(dir.path().join("main.go"), source).unwrap();
    let program = dir.path().join("served");
    let built = Command::new("go")
        .args(["build", "-o", program.to_str().unwrap(), "main.go"])
        .current_dir(dir.path())
        .env("CGO_ENABLED", "0")
        .status()
        .unwrap();
    assert!(built.success());
    let port = free_port();
    let words = [program.to_str().unwrap(), &port.to_string()];
    let (answered, lost, code, said) = stop(&mut entry(&words), port, libc::SIGTERM);
    assert!(answered > 10 && lost == 0, "{answered} {lost} {said}");
    assert_eq!(code, Some(143), "{said}");
}

#[test]
fn what_ignores_every_signal_is_killed_in_time() {
    let text = "import signal, time\n\
        for n in range(1, 32):\n    if n not in (9, 19, 17): signal.signal(n, signal.SIG_IGN)\n\
        print('ready', flush=True)\nwhile True: time.sleep(1)";
    let mut command = knee_run(&["--keep", "--stop-timeout", "2s", "--", "python3", "-c", text]);
    command.stderr(Stdio::piped());
    let mut talk = Talk::with(command);
    assert_eq!(talk.line(), "ready");
    talk.signal(libc::SIGTERM);
    let mut said = String::new();
    talk.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(talk.end().0, Some(137));
    assert!(said.contains("killed as its time was over"), "{said}");
}

#[test]
fn what_runs_beside_a_command_ends_with_it() {
    let text = "sleep 1000 & exec python3 -c 'import signal; print(1, flush=True); signal.pause()'";
    let mut talk = Talk::with(knee_run(&["--keep", "--", "sh", "-c", text]));
    assert_eq!(talk.line(), "1");
    let members = knee_probe::process::with_descendants(&[talk.pid()]);
    assert_eq!(members.len(), 3);
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(143));
    let lives = |pid: &&i32| {
        knee_probe::process::Process::new(**pid).stat().is_ok_and(|stat| !stat.is_dead())
    };
    assert_eq!(members.iter().filter(lives).count(), 0);
}
