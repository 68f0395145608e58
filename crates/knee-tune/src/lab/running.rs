//! A service that runs in the laboratory, until it is stopped or dropped.

use super::base::Base;
use super::cgroup::{self, Group};
use super::error::LabError;
use super::forker::Forker;
use super::log::{self, Tail};
use super::members::{self, Marks};
use super::process::Namespaces;
use super::ready::LINES;
use super::store::Store;
use super::warden::Warden;
use knee_core::Bytes;
use knee_core::launch::{Answer, Ask, Environment};
use knee_measure::observer::{Place, Source, Subject};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a service may take to end by itself; nothing is asked of it any more.
const GRACE: Duration = Duration::from_secs(1);
/// How long what a first process leaves behind may take to follow it.
const FOLLOW: Duration = Duration::from_millis(300);

/// The containers of one task. Dropping it kills them and removes every trace.
#[derive(Debug)]
pub struct Running {
    pub(super) containers: Vec<Started>,
    pub(super) group: Option<Group>,
    pub(super) marks: Marks,
    pub(super) namespaces: Option<Namespaces>,
    pub(super) limit: Bytes,
    pub(super) asks: Vec<Ask>,
    pub(super) confinement: String,
    pub(super) done: bool,
    // Dropped in this order, after what stands above: the warden finds nothing left to do.
    pub(super) store: Store,
    pub(super) _warden: Warden,
    pub(super) _base: Option<Arc<Base>>,
    pub(super) _forker: Arc<Forker>,
}

/// One container with its first process.
#[derive(Debug)]
pub(super) struct Started {
    pub name: String,
    pub pid: i32,
    pub child: Mutex<Child>,
    pub group: Option<Group>,
    pub log: PathBuf,
    pub env: Environment,
}

impl Started {
    fn ended(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().ok().flatten()
    }

    fn pids(&self) -> Vec<i32> {
        match &self.group {
            Some(group) => group.pids(),
            None => members::pids(&Marks {
                roots: vec![self.pid],
                logs: vec![self.log.clone()],
                ..Marks::default()
            }),
        }
    }

    fn oom_kills(&self) -> u64 {
        self.group.as_ref().map_or(0, Group::oom_kills)
    }
}

impl Running {
    /// Says whether every container's first process lives.
    ///
    /// # Errors
    /// It ended, was killed for memory, or left others behind and went; each with its last
    /// lines of output.
    pub fn alive(&self) -> Result<(), LabError> {
        for container in &self.containers {
            if let Some(status) = container.ended() {
                return Err(self.obituary(container, status));
            }
        }
        Ok(())
    }

    fn obituary(&self, container: &Started, status: ExitStatus) -> LabError {
        let name = container.name.clone();
        let log = log::tail(&container.log, LINES, &container.env);
        if container.oom_kills() > 0 {
            return LabError::OutOfMemory { container: name, limit: self.limit, log };
        }
        let started = Instant::now();
        let mut left = container.pids().len();
        while left > 0 && started.elapsed() < FOLLOW {
            thread::sleep(Duration::from_millis(10));
            left = container.pids().len();
        }
        let status = words(status);
        if left > 0 {
            return LabError::ForkedAway { container: name, status, left, log };
        }
        LabError::Exited { container: name, status, log }
    }

    /// Processes of the task that the kernel killed for memory since its start.
    pub fn oom_kills(&self) -> u64 {
        self.group.as_ref().map_or(0, Group::oom_kills)
    }

    /// All processes of the task.
    pub fn pids(&self) -> Vec<i32> {
        match &self.group {
            Some(group) => group.pids(),
            None => members::pids(&self.marks),
        }
    }

    /// The last `n` lines that the containers wrote, secrets masked; with several containers
    /// each line begins with the container's name.
    pub fn log_tail(&self, n: usize) -> Tail {
        let mut all = Vec::new();
        for container in &self.containers {
            let lines = log::tail(&container.log, n, &container.env).0;
            if self.containers.len() == 1 {
                return Tail(lines);
            }
            all.extend(lines.into_iter().map(|line| format!("{}: {line}", container.name)));
        }
        Tail(all)
    }

    /// What its runtimes can be asked, with paths as the service sees them: see
    /// [`Running::host_path`].
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// The host's path of what the service sees at `path`: through its root, so that overlays,
    /// folders made later and unix sockets are found alike. Good while the service lives.
    pub fn host_path(&self, path: &Path) -> PathBuf {
        match self.containers.first() {
            Some(first) if self.namespaces.is_some() => {
                let root = PathBuf::from(format!("/proc/{}/root", first.pid));
                root.join(path.strip_prefix("/").unwrap_or(path))
            }
            _ => path.into(),
        }
    }

    /// CPU that the task has used so far, seconds; None where it has no cgroup.
    pub fn cpu(&self) -> Option<f64> {
        self.group.as_ref()?.task_group().cpu().ok().map(|cpu| cpu.used)
    }

    /// Seconds for which the quota has stopped the task so far; None where it has no cgroup.
    pub fn stopped(&self) -> Option<f64> {
        Some(self.group.as_ref()?.task_group().cpu().ok()?.throttling?.time)
    }

    /// What an observer looks at.
    pub fn subject(&self) -> Subject {
        let (group, marks) = (self.group.clone(), self.marks.clone());
        Subject {
            group: self.group.as_ref().map(Group::task_group),
            pids: Box::new(move || match &group {
                Some(group) => group.pids(),
                None => members::pids(&marks),
            }),
            sources: self.asks.iter().filter_map(|ask| self.source(ask)).collect(),
        }
    }

    /// Where an answer is found on the host.
    fn source(&self, ask: &Ask) -> Option<Source> {
        let at = |listen: &str| match listen.starts_with('/') {
            true => self.host_path(Path::new(listen)).to_string_lossy().into_owned(),
            false => listen.into(),
        };
        let place = match &ask.how {
            Answer::FastCgi { listen, page } => {
                Place::FastCgi { listen: at(listen), page: page.clone() }
            }
            Answer::Script { listen, script } => {
                Place::Script { listen: at(listen), script: script.clone() }
            }
            Answer::Folder(path) => Place::Folder(self.host_path(path)),
            Answer::Stderr(container) => Place::Lines(self.containers.get(*container)?.log.clone()),
        };
        Some(Source { runtime: ask.runtime, place })
    }

    /// How the task is imitated, in a sentence.
    pub fn confinement(&self) -> String {
        self.confinement.clone()
    }

    /// Ends the service and removes every trace of it. It is asked to end first, and killed
    /// when it does not within a second.
    ///
    /// # Errors
    /// A process that does not die or a cgroup that cannot be removed.
    pub fn stop(mut self) -> Result<(), LabError> {
        self.end(GRACE)
    }

    fn end(&mut self, grace: Duration) -> Result<(), LabError> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(());
        }
        self.ask_to_end(grace);
        let killed = match &self.group {
            Some(group) => group.kill(),
            None => cgroup::empty(|| members::pids(&self.marks), self.store.path()),
        };
        for container in &self.containers {
            let mut child = container.child.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = child.kill();
            let _ = child.wait();
        }
        self.namespaces = None;
        killed.and_then(|()| self.group.as_ref().map_or(Ok(()), Group::remove))
    }

    fn ask_to_end(&self, grace: Duration) {
        if grace.is_zero() {
            return;
        }
        for container in self.containers.iter().filter(|c| c.ended().is_none()) {
            if let Some(pid) = rustix::process::Pid::from_raw(container.pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        let started = Instant::now();
        while started.elapsed() < grace && self.containers.iter().any(|c| c.ended().is_none()) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end(Duration::ZERO);
    }
}

/// Signals that end services, by number (signal(7)).
const SIGNALS: [(i32, &str); 10] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGTERM, "SIGTERM"),
];

/// `exit status 1` or `signal 9 (SIGKILL)`.
fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => {
            let name = SIGNALS.iter().find(|(number, _)| *number == signal);
            format!("signal {signal}{}", name.map_or(String::new(), |(_, n)| format!(" ({n})")))
        }
        _ => status.to_string(),
    }
}
