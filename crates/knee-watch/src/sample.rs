//! What was seen of one service over an interval. Nouns only.

use knee_core::observe::{Limit, Stall, Usage};
use knee_core::{Bytes, Sourced};
use serde::Serialize;

/// One service over one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Its name: the runtime's, or the program's.
    pub name: String,
    /// The runtime's id, where one is recognised.
    pub runtime: Option<&'static str>,
    /// Whether it stands in front of what serves.
    pub front: bool,
    /// Its first process.
    pub pid: i32,
    /// Where it listens.
    pub listens: Vec<String>,
    /// Length of the interval, seconds.
    pub seconds: f64,
    /// How it serves, in words.
    pub model: String,
    /// Processes that serve.
    pub workers: usize,
    /// Requests that it can serve at once; None where only memory limits it, or it is not known.
    pub slots: Option<u32>,
    /// Requests in service; None where connections cannot be seen.
    pub busy: Option<Busy>,
    /// CPU of its own processes, cores.
    pub cpu: f64,
    /// Memory of its processes that no file backs: what a leak fills.
    pub anonymous: Bytes,
    /// What its task used where the task's cgroup can be seen, else what its own processes used.
    pub usage: Usage,
    /// Whether `usage` is the task's.
    pub whole_task: bool,
    /// The CPU that it may use at most; None where no quota can be seen.
    pub cpu_limit: Option<Sourced<f64>>,
    /// The memory that it may use at most; None where no limit can be seen.
    pub memory_limit: Option<Sourced<Bytes>>,
    /// What limits it now.
    pub limit: Limit,
    /// The longest that its event loop stood still, and where; None where nobody tells of half a second or
    /// more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall: Option<Stall>,
    /// What rises or falls.
    pub trends: Vec<Trend>,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
}

/// Requests in service over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Busy {
    /// In the mean of all looks.
    pub mean: f64,
    /// Most at one look.
    pub most: u32,
}

/// A course over the last samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// `memory` in bytes, `descriptors`, `cpu` in cores.
    pub of: &'static str,
    /// Units per minute.
    pub per_minute: f64,
    /// Over how many seconds.
    pub seconds: f64,
    /// Whether chance alone hardly ever looks like this.
    pub sure: bool,
}

/// Something that could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What would show it.
    pub remedy: String,
}
