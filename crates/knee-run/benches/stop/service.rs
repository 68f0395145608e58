//! The example services, each started on a port of its own, bare or by knee-run.

use crate::Failure;
use knee_probe::process::with_descendants;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_knee-run");
/// How long a service may take until it answers, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    NoStop,
    Bare,
    KneeRun,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::NoStop, Kind::Bare, Kind::KneeRun];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::NoStop => "no stop",
            Kind::Bare => "bare",
            Kind::KneeRun => "knee-run",
        })
    }
}

#[derive(Clone, Copy)]
pub struct Service(&'static str);

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A process that ends with this.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A started service.
pub struct Started {
    pub port: u16,
    process: Child,
    /// All of the container when the signal came: PHP-FPM leaves its group, and outlives a bare nginx.
    members: Vec<i32>,
}

impl Started {
    /// The stop signal, as ECS sends it to the container's first process.
    pub fn signal(&mut self) {
        let pid = self.process.id().cast_signed();
        self.members.extend(with_descendants(&[pid]));
        kill(pid, "-TERM");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.members.is_empty() {
            self.signal();
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // With what they have started meanwhile; parents first, or a master replaces its workers.
        let mut left = with_descendants(&self.members);
        left.sort_unstable();
        for pid in left {
            kill(pid, "-KILL");
        }
        let _ = self.process.wait();
    }
}

fn kill(pid: i32, signal: &str) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

impl Service {
    pub const ALL: [Service; 5] = [
        Service("gunicorn"),
        Service("uvicorn"),
        Service("node"),
        Service("go"),
        Service("php-fpm"),
    ];

    pub fn named(name: &str) -> Result<Service, Failure> {
        let known = Self::ALL.into_iter().find(|service| service.0 == name);
        let names = Self::ALL.map(|service| service.0).join(", ");
        Ok(known.ok_or(format!("no service `{name}`; there are {names}"))?)
    }

    /// What has to be made once.
    pub fn prepare(&self, scratch: &Path) -> Result<(), Failure> {
        if self.0 != "go" {
            return Ok(());
        }
        let status = Command::new("go")
            .args(["build", "-o", scratch.join("orders").to_str().ok_or("no UTF-8")?, "."])
            .current_dir(examples().join("go"))
            .env("CGO_ENABLED", "0")
            .status()?;
        if status.success() { Ok(()) } else { Err("the Go example cannot be built".into()) }
    }

    /// Starts it as one of the two that take turns, and waits until it answers.
    pub fn start(&self, kind: Kind, scratch: &Path, role: &str) -> Result<Started, Failure> {
        let port = free_port()?;
        let knee = kind == Kind::KneeRun;
        let bind = format!("127.0.0.1:{port}");
        let mut words: Vec<String> = match self.0 {
            "gunicorn" => ["gunicorn", "-b", &bind, "-w", "5", "--no-control-socket", "app:app"]
                .map(String::from)
                .into(),
            "uvicorn" => ["gunicorn", "-b", &bind, "-k", "uvicorn_worker.UvicornWorker", "app:app"]
                .map(String::from)
                .into(),
            "node" => vec!["node".into(), "server.js".into()],
            "go" => vec![scratch.join("orders").display().to_string()],
            _ => self.php(scratch, role, port, knee)?,
        };
        if knee && self.0 != "php-fpm" {
            words = [PROGRAM, "--keep", "--"].map(String::from).into_iter().chain(words).collect();
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(examples().join(self.0));
        command.env("PORT", port.to_string()).env_remove("ECS_CONTAINER_METADATA_URI_V4");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
        let mut started = Started { port, process, members: vec![] };
        until_ready(port).map_err(|error| format!("{self}, {kind}: {error}"))?;
        match started.process.try_wait()? {
            None => Ok(started),
            Some(status) => Err(format!("{self}, {kind}: it has ended: {status}").into()),
        }
    }

    /// nginx and PHP-FPM of one container: the example's files with ports and sockets of their own.
    fn php(
        &self,
        scratch: &Path,
        role: &str,
        port: u16,
        knee: bool,
    ) -> Result<Vec<String>, Failure> {
        // FPM refuses scripts by paths with `..` in them.
        let (from, to) = (examples().join("php-fpm").canonicalize()?, scratch.join(role));
        fs::create_dir_all(&to)?;
        let own = |name: &str| to.join(name).display().to_string();
        let text = |name: &str| -> Result<String, Failure> {
            Ok(fs::read_to_string(from.join(name))?
                .replace("127.0.0.1:8085", &format!("127.0.0.1:{port}"))
                .replace("/run/php/orders.sock", &own("orders.sock"))
                .replace("/run/nginx.pid", &own("nginx.pid"))
                .replace("/srv/orders", &from.display().to_string()))
        };
        // Whoever FPM and nginx run as has to reach what lies here.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(scratch, open)?;
        fs::write(own("nginx.conf"), text("nginx.conf")?)?;
        fs::write(
            own("fpm.conf"),
            format!("[global]\nerror_log = /dev/stderr\n{}", text("www.conf")?),
        )?;
        let fpm = format!("php-fpm8.2 --nodaemonize --fpm-config {}", own("fpm.conf"));
        let nginx = format!("nginx -e stderr -c {} -g 'daemon off;'", own("nginx.conf"));
        if !knee {
            return Ok(vec!["sh".into(), "-c".into(), format!("{fpm} & exec {nginx}")]);
        }
        fs::write(own("table"), format!("fpm (listens): {fpm}\nnginx: {nginx}\n"))?;
        Ok([PROGRAM, "--keep", "--processes", &own("table")].map(String::from).into())
    }
}

/// A port that nobody listens on, and that nobody was given before: where several services start at once
/// one has not taken its own yet, and another that answers there would be loaded in its place.
pub fn free_port() -> Result<u16, Failure> {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(vec![]);
    let mut given = GIVEN.lock().map_err(|error| error.to_string())?;
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if !given.contains(&port) {
            given.push(port);
            return Ok(port);
        }
    }
}

/// Waits until a request for /health gets its answer.
pub fn until_ready(port: u16) -> Result<(), Failure> {
    let began = Instant::now();
    while !answers(port) {
        if began.elapsed() > PATIENCE {
            return Err(format!("nothing answers on port {port}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let sent = stream.write_all(request).is_ok() && stream.read_to_string(&mut answer).is_ok();
    sent && answer.starts_with("HTTP/1.1 200")
}
