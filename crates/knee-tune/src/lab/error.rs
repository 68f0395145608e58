//! What can go wrong in the laboratory, in words for the person who asked.

use super::log::Tail;
use knee_core::Bytes;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a service could not be started, or did not stay.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A privilege for the task's limits or namespaces is missing.
    #[error(
        "a task's limits need privileges that are missing: {}; run knee as root, or in a delegated cgroup: `systemd-run --user --scope -p Delegate=yes knee ...`, or without limits: `--unconfined`",
        missing.join("; ")
    )]
    Unprivileged {
        /// What could not be done, each with its reason.
        missing: Vec<String>,
    },
    /// A cgroup file or folder.
    #[error("cgroup {}: cannot {action}: {source}", path.display())]
    Cgroup {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: String,
        /// Why not.
        source: io::Error,
    },
    /// A file or folder of the laboratory's own, or a copy that was to be put in place.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Namespaces or mounts of a container.
    #[error("container `{container}`: cannot {step}: {source}")]
    Confine {
        /// Name of the container.
        container: String,
        /// The step that failed.
        step: String,
        /// Why not.
        source: io::Error,
    },
    /// The program does not start at all.
    #[error("container `{container}`: cannot start `{program}`: {source}{hint}")]
    Start {
        /// Name of the container.
        container: String,
        /// First word of its command.
        program: String,
        /// Why not.
        source: io::Error,
        /// What to look at.
        hint: String,
    },
    /// A launch that no laboratory could start.
    #[error("container `{container}`: {what}")]
    Launch {
        /// Name of the container.
        container: String,
        /// What is wrong with it.
        what: String,
    },
    /// The service ended.
    #[error("container `{container}` ended with {status}{log}")]
    Exited {
        /// Name of the container.
        container: String,
        /// `exit status 1`, `signal 11 (SIGSEGV)`.
        status: String,
        /// What it wrote last.
        log: Tail,
    },
    /// The kernel killed it for memory.
    #[error("container `{container}` was killed for memory: the task has {limit}{log}")]
    OutOfMemory {
        /// Name of the container.
        container: String,
        /// The task's limit.
        limit: Bytes,
        /// What it wrote last.
        log: Tail,
    },
    /// Its first process ended and left others behind.
    #[error(
        "container `{container}`: its first process ended ({status}) and left {left} running: a container's command must stay in the foreground; for example nginx `-g 'daemon off;'`, php-fpm `-F`, gunicorn without `--daemon`{log}"
    )]
    ForkedAway {
        /// Name of the container.
        container: String,
        /// How the first process ended.
        status: String,
        /// How many processes remain.
        left: usize,
        /// What it wrote last.
        log: Tail,
    },
    /// It did not answer in time.
    #[error("not ready after {:.1} s: {seen}{log}", waited.as_secs_f64())]
    NeverReady {
        /// How long was waited.
        waited: Duration,
        /// What was seen last.
        seen: String,
        /// What it wrote last.
        log: Tail,
    },
    /// It answers, but not with success.
    #[error(
        "{url} answers {answer}; name a path that answers below 400 with `ready = \"/...\"`{log}"
    )]
    BadAnswer {
        /// What was asked for.
        url: String,
        /// The status, or that it was no HTTP.
        answer: String,
        /// What it wrote last.
        log: Tail,
    },
    /// Somebody else listens on its port.
    #[error(
        "port {port} is already taken by {holder}; stop it, or let the service listen elsewhere"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// `nginx (pid 42)`, as far as can be seen.
        holder: String,
    },
    /// The caller said stop.
    #[error("interrupted")]
    Stopped,
}

impl LabError {
    pub(super) fn cgroup(
        path: impl Into<PathBuf>,
        action: impl Into<String>,
    ) -> impl FnOnce(io::Error) -> LabError {
        let (path, action) = (path.into(), action.into());
        move |source| LabError::Cgroup { path, action, source }
    }

    pub(super) fn file(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> LabError {
        let path = path.into();
        move |source| LabError::File { path, action, source }
    }
}
