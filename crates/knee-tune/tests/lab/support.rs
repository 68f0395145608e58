//! What the laboratory's tests share: small launches, and a look at what is left over.

use knee_core::launch::{Container, Environment, Launch};
use knee_core::{Bytes, Task};
use knee_tune::lab::{Lab, LabError, LabOptions, Running};
use std::fs;
use std::net::TcpListener;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

pub const TASK: Task = Task { cpu: 0.5, memory: Bytes::mib(256) };
/// The task comes last on the host, which others may use, and which may be a guest (`make test-v2`).
pub const SOON: Duration = Duration::from_secs(180);

/// Tests that look for what is left over must be alone in this process.
static HOUSE: RwLock<()> = RwLock::new(());

/// A laboratory, and the others kept out or let in meanwhile.
pub struct Guarded<G> {
    lab: Lab,
    _guard: G,
}

impl<G> Deref for Guarded<G> {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// The laboratory with a task's limits, or None, said aloud, without the privileges.
pub fn lab() -> Option<Guarded<RwLockReadGuard<'static, ()>>> {
    let _guard = HOUSE.read().unwrap_or_else(PoisonError::into_inner);
    Some(Guarded { lab: confined()?, _guard })
}

/// The same, while no other test has one.
pub fn lab_alone() -> Option<Guarded<RwLockWriteGuard<'static, ()>>> {
    let _guard = HOUSE.write().unwrap_or_else(PoisonError::into_inner);
    Some(Guarded { lab: confined()?, _guard })
}

/// A laboratory without limits.
pub fn unconfined() -> Guarded<RwLockReadGuard<'static, ()>> {
    let _guard = HOUSE.read().unwrap_or_else(PoisonError::into_inner);
    Guarded { lab: Lab::new(LabOptions { unconfined: true }).unwrap(), _guard }
}

fn confined() -> Option<Lab> {
    match Lab::new(LabOptions::default()) {
        Ok(lab) => Some(lab),
        Err(error) => {
            assert!(std::env::var_os("KNEE_TEST_CONFINED").is_none(), "{error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

pub fn container(argv: &[&str]) -> Container {
    let mut env = Environment::default();
    env.set("PATH", std::env::var("PATH").unwrap());
    Container {
        name: "app".into(),
        argv: argv.iter().map(|a| a.to_string()).collect(),
        workdir: "/".into(),
        env,
        nofile: None,
    }
}

pub fn launch(containers: Vec<Container>) -> Launch {
    Launch { task: TASK, containers, binds: vec![], files: vec![], asks: vec![] }
}

pub fn shell(script: &str) -> Launch {
    launch(vec![container(&["sh", "-c", script])])
}

/// Waits for the service to end and returns its last lines.
pub fn output(lab: &Lab, launch: &Launch) -> Vec<String> {
    let running = lab.start(launch).unwrap();
    ended(&running);
    running.log_tail(50).0
}

pub fn ended(running: &Running) -> LabError {
    let started = Instant::now();
    loop {
        if let Err(error) = running.alive() {
            return error;
        }
        assert!(started.elapsed() < SOON, "still running: {}", running.log_tail(5));
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn ready(running: &Running, port: Option<u16>, path: Option<&str>) -> Result<u16, LabError> {
    running.wait_ready(port, path, SOON, &|| false)
}

/// A service that answers every path with what is in its folder.
pub fn python(port: u16) -> Launch {
    shell(&format!("exec python3 -u -m http.server --bind 127.0.0.1 {port}"))
}

/// Everything on this machine whose name says that this process (or `pid`) made it for a task:
/// cgroups and temporary folders. A mount lives in no other namespace than its container's. The
/// cgroup of v2 that knee itself may have moved to is the laboratory's, and goes with that.
pub fn traces(pid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let prefix = format!("knee-{pid}-");
    let mut folders = vec![std::env::temp_dir(), PathBuf::from("/var/tmp")];
    folders.extend(cgroup_folders(Path::new("/sys/fs/cgroup"), 0));
    for folder in folders {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let named = |e: &fs::DirEntry| {
            let name = e.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&prefix) && !name.ends_with("-self")
        };
        found.extend(entries.filter(named).map(|e| e.path()));
    }
    found
}

fn cgroup_folders(below: &Path, depth: usize) -> Vec<PathBuf> {
    let mut all = vec![below.to_path_buf()];
    if depth < 5 {
        let entries = fs::read_dir(below).into_iter().flatten().flatten();
        let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        all.extend(folders.flat_map(|e| cgroup_folders(&e.path(), depth + 1)));
    }
    all
}

/// Whether a process lives and is no zombie.
pub fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < SOON, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
