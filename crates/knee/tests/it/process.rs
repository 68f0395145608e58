//! A program of `examples/` that runs, and how it is asked.
//!
//! An example runs from a copy and at ports of its own, so that the test disturbs nothing that
//! runs on the machine. `scripts/setup` brings the programs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A program that runs. Dropping it stops it with all that it started.
pub struct Process {
    child: Child,
    port: u16,
    folder: TempDir,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Process {
    /// The backend of the examples; 0 is any free port.
    pub fn backend(port: u16) -> Process {
        let mut child = command("node")
            .arg(root().join("examples/backend/server.js"))
            .env("PORT", port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node does not start: run scripts/setup");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("the backend does not listen; it says {line:?}"));
        Process { child, port, folder: tempfile::tempdir().unwrap() }
    }

    /// The example of that name, by the CMD of its Dockerfile, once it is ready.
    pub fn example(name: &str, backend: u16) -> Process {
        Process::example_with(name, backend, &[])
    }

    /// The same with these variables.
    pub fn example_with(name: &str, backend: u16, variables: &[(&str, &str)]) -> Process {
        let folder = tempfile::tempdir().unwrap();
        // FPM's and nginx's processes give up root and still have to get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let source = root().join("examples").join(name);
        let changes = changes(&source, folder.path(), port, backend);
        copy(&source, folder.path(), &changes);
        let argv = argv(folder.path());
        // A multi-stage build leaves its program in the folder; the others come from the PATH.
        let built = folder.path().join(&argv[0]);
        let program = if built.exists() { built } else { PathBuf::from(&argv[0]) };
        let child = command(program)
            .args(&argv[1..])
            .current_dir(folder.path())
            .env("PORT", port.to_string())
            .env("BACKEND_URL", format!("http://127.0.0.1:{backend}"))
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: `{}`: {e}; run scripts/setup", argv[0]));
        let mut process = Process { child, port, folder };
        process.wait_ready(name);
        process
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks for that path.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|e| panic!("GET {path}: {e}; {}", self.stderr()))
    }

    fn try_get(&self, path: &str) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        parse(&text).ok_or_else(|| std::io::Error::other(format!("is no answer: {text:?}")))
    }

    fn wait_ready(&mut self, name: &str) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.try_get("/health").is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{name} ended ({status}) before it was ready: {}", self.stderr());
            }
            assert!(Instant::now() < patience, "{name} is never ready: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // FPM's master leads a session of its own: a process group would miss it.
        let mut pids = vec![self.child.id()];
        for at in 0.. {
            let Some(pid) = pids.get(at) else { break };
            let path = format!("/proc/{pid}/task/{pid}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        let pids = pids.iter().map(u32::to_string);
        let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// The repository's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A command that finds what the set-up brought.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let venv = root().join("target/setup/venv/bin");
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:{path}:/usr/local/sbin:/usr/sbin:/sbin", venv.display()));
    command
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// What a copy of an example says instead, so that it needs no container: its ports and the
/// places that the Dockerfile copies to.
fn changes(source: &Path, folder: &Path, port: u16, backend: u16) -> Vec<(String, String)> {
    let task = fs::read_to_string(source.join("task-definition.json")).unwrap();
    let task: serde_json::Value = serde_json::from_str(&task).unwrap();
    let stated = &task["containerDefinitions"][0]["portMappings"][0]["containerPort"];
    let folder = folder.display();
    let own = |from: &str, to: String| (from.to_owned(), to);
    vec![
        own(&format!("127.0.0.1:{stated}"), format!("127.0.0.1:{port}")),
        own("127.0.0.1:9400", format!("127.0.0.1:{backend}")),
        own("/srv/orders", folder.to_string()),
        own("/run/php/orders.sock", format!("{folder}/orders.sock")),
        own("/run/nginx.pid", format!("{folder}/nginx.pid")),
        own("[www]", format!("[global]\nerror_log = {folder}/fpm.log\n[www]")),
        own("php-fpm8.2", format!("php-fpm8.2 --fpm-config {folder}/www.conf")),
        own("nginx -e", format!("nginx -c {folder}/nginx.conf -e")),
        own(r#""nginx", "-e""#, format!(r#""nginx", "-c", "{folder}/nginx.conf", "-e""#)),
    ]
}

/// Copies a folder without the runs that were made in it, and changes its texts.
pub fn copy(from: &Path, to: &Path, changes: &[(String, String)]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) =
            (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if source.is_dir() {
            if !source.ends_with(".knee") {
                copy(&source, &target, changes);
            }
        } else if let Ok(text) = fs::read_to_string(&source) {
            let change = |text: String, (from, to): &(String, String)| text.replace(from, to);
            fs::write(&target, changes.iter().fold(text, change)).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// The exec form of the last CMD.
fn argv(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("Dockerfile")).unwrap();
    let cmd = text.lines().rev().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    serde_json::from_str(cmd).unwrap()
}

/// A whole answer, its body as long as its header says.
fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    (length? == body.len()).then(|| Answer { status, body: body.to_owned() })
}
