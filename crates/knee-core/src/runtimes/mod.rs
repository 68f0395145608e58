//! The runtimes: one folder each, pure knowledge. It teaches every verb at once.
//!
//! To add one: a folder here with a `pub static RUNTIME: Runtime`, its line in [`all`], and a
//! folder in `examples/`. The contract suite below runs over every entry.

use crate::model::Concurrency;
use crate::observe::Reading;
use crate::settings::{Knob, Settings, Value};

/// A runtime is knowledge, not behaviour: statics and pure functions.
pub struct Runtime {
    /// Short, stable: `php-fpm`, `gunicorn`, `node`, `go`, `nginx`.
    pub id: &'static str,
    /// As its makers write it.
    pub title: &'static str,
    /// Whether it stands in front of what serves: its model counts only where nothing that is
    /// known stands behind it.
    pub front: bool,
    /// Whether a command starts it; the reason for people if so.
    pub recognise: fn(&Evidence) -> Option<String>,
    /// What may be turned.
    pub knobs: fn() -> Vec<Knob>,
    /// What a knob is when nothing sets it.
    pub default: fn(knob: &str, &Surroundings) -> Option<Value>,
    /// Settings that follow from others or exclude each other, made consistent
    /// (spare servers within max_children; threads only with gthread).
    pub settle: fn(&Settings) -> Settings,
    /// The settings as a concurrency model; None where it is not the one that serves (nginx in front).
    pub model: fn(&Settings, &Surroundings) -> Option<Concurrency>,
    /// Signal that stops it gracefully, as a number.
    pub stop: i32,
    /// Signal that makes it read its configuration again, if there is one.
    pub reload: Option<i32>,
    /// What it can say of itself and how to ask.
    pub status: Status,
    /// Decodes one answer of its status.
    pub decode: fn(&[u8]) -> Result<Vec<Reading>, DecodeError>,
}

/// What a runtime is recognised by: one command and what the folder holds.
pub struct Evidence<'a> {
    /// Program and arguments, a shell's `-c` text already split.
    pub argv: &'a [String],
    /// The file name of the program, without its folder.
    pub program: &'a str,
    /// Text of a file below the service's root, for example `package.json`, `go.mod`.
    pub file: &'a dyn Fn(&str) -> Option<String>,
}

/// What a runtime sees around it, and what it should have seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surroundings {
    /// CPUs that the process sees: the host's, on ECS.
    pub visible_cpus: u32,
    /// vCPU of the task.
    pub task_cpu: f64,
    /// Memory of the task, bytes.
    pub task_memory: u64,
}

/// How a runtime's status is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has none.
    None,
    /// The page at `pm.status_path`, over FastCGI.
    FastCgi,
    /// Lines that knee's preload writes into a file named by an environment variable.
    NodePreload,
    /// Lines on standard error when `GODEBUG=gctrace=1` is set.
    GoTrace,
}

/// A status that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{runtime} status: {problem}")]
pub struct DecodeError {
    /// The runtime's id.
    pub runtime: &'static str,
    /// What is wrong with the text.
    pub problem: String,
}

/// Every runtime, in the order in which recognition is tried.
pub fn all() -> &'static [&'static Runtime] {
    &[]
}

/// The runtime of that id.
pub fn by_id(id: &str) -> Option<&'static Runtime> {
    all().iter().copied().find(|r| r.id == id)
}
