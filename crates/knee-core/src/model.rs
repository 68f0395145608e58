//! A concurrency model as far as bounds need it. Each runtime maps its settings to one.

use serde::{Deserialize, Serialize};

/// How much a program can do at once under some settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Processes that serve requests; each costs the memory of one worker.
    pub processes: u32,
    /// Requests in service at once, all processes together; None where only memory limits it
    /// (event loops, goroutines).
    pub slots: Option<u32>,
    /// Most cores that it can keep busy at once: one per process under a GIL or an event
    /// loop or in a single-threaded worker, GOMAXPROCS in Go.
    pub cores: f64,
    /// Why `cores` is what it is; names the resource when that bound binds.
    pub serial: Serial,
}

/// What keeps a process to its cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serial {
    /// A worker that serves one request at a time.
    Worker,
    /// Threads that take turns under Python's global interpreter lock.
    Gil,
    /// One event loop, run to completion.
    EventLoop,
    /// Threads in parallel up to a stated number.
    Threads,
}
