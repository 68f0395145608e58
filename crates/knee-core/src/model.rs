//! A program under some settings as a network of stations. Each runtime maps its settings to
//! one; bounds, closed forms and the simulator read it.
//!
//! What lives here: what the settings allow. What never does: what a request takes, which is
//! measured, and the host, which is the task's.

use serde::{Deserialize, Serialize};

/// How a program serves: like processes behind one listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Processes that serve requests; each costs the memory of one worker.
    pub processes: u32,
    /// What each of them does.
    pub process: Process,
    /// How requests come to a process.
    pub intake: Intake,
    /// Why a process computes on as many lanes as it does; names the resource when that binds.
    pub serial: Serial,
    /// Processes that are replaced after a number of requests.
    pub recycling: Option<Recycling>,
    /// A garbage collector that is paced by settings.
    pub collector: Option<Collector>,
    /// What more processes than CPUs usually cost: growth of the CPU per request with each e-fold of
    /// them, as a share.
    pub crowding: f64,
    /// CPU that a request takes more than on one lane where it is handed between several: threads
    /// that sleep are woken on other CPUs; seconds.
    pub handing: f64,
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Requests in service at once; None where only memory limits it (event loops, goroutines).
    pub slots: Option<u32>,
    /// Accepted requests that may wait inside the process for a slot (gthread).
    pub queue: u32,
    /// Threads that run the program's own code at once: one in a single-threaded worker, under a
    /// GIL or in an event loop, GOMAXPROCS in Go.
    pub lanes: u32,
    /// Seconds after which what computes lets something that waits compute; None where it
    /// runs to completion.
    pub turn: Option<f64>,
    /// Threads beside the lanes to which a program may hand computing (libuv's pool).
    pub helpers: u32,
}

/// How requests come to a process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intake {
    /// Connections that wait in the kernel's queue to be accepted.
    pub backlog: u32,
    /// What becomes of a connection for which that queue has no room.
    pub full: Full,
    /// Which process takes which request.
    pub spread: Spread,
    /// Whether every idle process wakes for each new connection, and all but one in vain.
    pub herd: bool,
}

/// What becomes of a connection for which the kernel's queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Full {
    /// TCP: its SYN is dropped, and sent again after 1 s, 2 s, 4 s and so on.
    Dropped,
    /// A unix socket: the one who connects is told at once.
    Refused,
    /// There is no queue to speak of: whichever process wakes accepts it, one without room as well, and
    /// closes it then.
    Closed,
}

/// Which process takes which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// A connection per request: whichever process is free takes the next.
    Free,
    /// Kept connections; each belongs to the process that woke first when it came, an idle one
    /// if there is one.
    Woken,
    /// Kept connections, dealt out in turn (Node's cluster).
    InTurn,
    /// Kept connections, dealt out by a hash of their address (SO_REUSEPORT).
    Hashed,
}

/// Processes are replaced after this many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recycling {
    /// Requests after which a process ends.
    pub after: u32,
    /// Most requests that are added to it, drawn anew for each process.
    pub jitter: u32,
}

/// The pace of a garbage collector that marks beside the program.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collector {
    /// Growth of the live heap until the next collection: 1.0 is GOGC=100.
    pub growth: f64,
    /// Memory at which it collects earlier than that, bytes; None where there is no limit.
    pub limit: Option<f64>,
}

impl Collector {
    /// Bytes that are allocated from one collection to the next, `live` bytes being alive after each:
    /// up to GOGC's share more than that, for a small heap up to Go's least of 4 MiB at GOGC=100, less
    /// where the limit comes first (<https://go.dev/doc/gc-guide#GOGC>).
    pub fn room(&self, live: f64) -> f64 {
        let least = LEAST_HEAP * self.growth;
        let goal = (live * (1.0 + self.growth)).max(least);
        let limited = self.limit.map_or(goal, |limit| goal.min(limit));
        (limited - live).max(LEAST_GROWTH * live).max(LEAST_ROOM)
    }

    /// Whether the limit comes before the growth.
    pub fn limits(&self, live: f64) -> bool {
        self.limit.is_some_and(|limit| limit < live * (1.0 + self.growth))
    }
}

/// Go's least heap at GOGC=100, bytes.
const LEAST_HEAP: f64 = 4.0 * (1 << 20) as f64;
/// Stacks, which pace a collection too, and what is allocated while it marks leave at least so much:
/// about what examples/go showed at GOGC=25.
const LEAST_ROOM: f64 = 0.75 * (1 << 20) as f64;
/// Growth that is left to a heap at its limit, a guess that keeps collections finite.
const LEAST_GROWTH: f64 = 0.05;

/// What keeps a process to its lanes.
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

/// Workers that take one request at a time hardly notice each other.
const WORKERS: f64 = 0.02;
/// An event loop that shares its CPU finds fewer events at a time, and compiles for itself: measured
/// on Node.js (0.15) and uvicorn (0.08), see BENCHMARKS.md.
const LOOPS: f64 = 0.12;

impl Network {
    /// Processes that serve one request at a time and take the next when they are free.
    pub const fn workers(count: u32, backlog: u32) -> Network {
        Network {
            processes: count,
            process: Process { slots: Some(1), queue: 0, lanes: 1, turn: None, helpers: 0 },
            intake: Intake { backlog, full: Full::Dropped, spread: Spread::Free, herd: false },
            serial: Serial::Worker,
            recycling: None,
            collector: None,
            crowding: WORKERS,
            handing: 0.0,
        }
    }

    /// Processes with one event loop each.
    pub const fn event_loops(count: u32, spread: Spread, helpers: u32, backlog: u32) -> Network {
        Network {
            processes: count,
            process: Process { slots: None, queue: 0, lanes: 1, turn: None, helpers },
            intake: Intake { backlog, full: Full::Dropped, spread, herd: false },
            serial: Serial::EventLoop,
            recycling: None,
            collector: None,
            crowding: LOOPS,
            handing: 0.0,
        }
    }

    /// Requests that one process serves at once, or computes where it may serve any number.
    pub fn at_once(&self) -> u32 {
        self.process.slots.unwrap_or(self.process.lanes)
    }

    /// The same, told as far as bounds need it.
    pub fn concurrency(&self) -> Concurrency {
        Concurrency {
            processes: self.processes,
            slots: self.process.slots.map(|slots| slots.saturating_mul(self.processes)),
            cores: f64::from(self.process.lanes) * f64::from(self.processes),
            serial: self.serial,
        }
    }
}

/// How much a program can do at once under some settings, as far as bounds need it.
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
