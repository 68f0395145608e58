//! A service below knee-run in a task of 512 MiB, and what knee-run tells of it.

use crate::Failure;
use knee_probe::process::with_descendants;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_knee-run");
/// The shortest interval that there is; 5 s is the usual one.
const EVERY: &str = "100ms";
/// A limit that leaks reach soon.
const NOFILE: u32 = 20_000;
const TASK: &str = r#"{"Limits":{"CPU":2,"Memory":512}}"#;
const READY: Duration = Duration::from_secs(60);

/// What is left behind at each request, if anything.
#[derive(Clone, Copy)]
pub struct Leak {
    pub what: &'static str,
    pub amount: u32,
    /// The trouble that it is.
    pub kind: &'static str,
}

/// A service that runs; it ends with this.
pub struct Running {
    pub port: u16,
    child: Child,
    /// Its troubles, as they are told.
    pub told: Receiver<serde_json::Value>,
}

impl Running {
    pub fn start(service: &str, leak: Option<Leak>, folder: &Path) -> Result<Running, Failure> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let own = |name: &str| folder.join(name).display().to_string();
        let words: String = match service {
            "gunicorn" => format!(
                "gunicorn -w 2 -b 127.0.0.1:{port} --no-control-socket --chdir {} app:app",
                folder.display()
            ),
            "node" => format!("node {}", own("server.js")),
            _ => own("leaking"),
        };
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!(
            "ulimit -n {NOFILE}; exec {PROGRAM} --watch-every {EVERY} --serve-for 0s -- {words}"
        ));
        command.env("PORT", port.to_string()).env_remove("LEAK");
        command.env("ECS_CONTAINER_METADATA_URI_V4", metadata()?);
        if let Some(leak) = leak {
            command.env("LEAK", leak.what).env("AMOUNT", leak.amount.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
        let (sender, told) = channel();
        std::thread::spawn(move || {
            let events = lines.map_while(Result::ok).filter_map(|l| serde_json::from_str(&l).ok());
            for event in events {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let running = Running { port, child, told };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > READY {
                return Err(format!("{service} does not listen").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for pid in with_descendants(&[self.child.id().cast_signed()]) {
            // SAFETY: a plain call.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let _ = self.child.wait();
    }
}

/// The programs that leak, in that folder.
pub fn prepare(folder: &Path) -> Result<(), Failure> {
    for (name, text) in [
        ("server.js", include_str!("server.js")),
        ("app.py", include_str!("app.py")),
        ("main.go", include_str!("main.go")),
    ] {
        fs::write(folder.join(name), text)?;
    }
    let built = Command::new("go")
        .args(["build", "-o", "leaking", "main.go"])
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .status()?;
    if built.success() { Ok(()) } else { Err("the program in Go cannot be built".into()) }
}

/// The task's metadata, which says how much memory there is.
fn metadata() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let length = TASK.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{TASK}");
        }
    });
    Ok(format!("http://{at}/v4"))
}
