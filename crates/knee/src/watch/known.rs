//! What is known of a service before it is looked at: asked of the rooms that know.

use knee_core::{Bytes, Origin, Settings, Sourced, Task};
use knee_probe::{limits, machine};
use knee_run::seen;
use knee_watch::{Found, Known};
use std::path::Path;

/// Collects it. A task's size that the user names counts before what can be seen.
pub fn known(found: Found, others: &[i32], task: Option<Task>) -> Known {
    let root = Path::new("/");
    let host = machine::read(root).unwrap_or_default();
    let mut limits = limits::of(root, &found.root.to_string()).unwrap_or_default();
    if let Some(task) = task {
        let flag = || Origin::Flag { name: "--task".into() };
        limits.cpu = Some(Sourced::new(task.cpu, flag()));
        limits.memory = Some(Sourced::new(task.memory, flag()));
    }
    let settings = found.runtime.map_or_else(Settings::default, |r| seen::settings(r, found.root));
    let sources = found.runtime.map_or_else(Vec::new, |r| seen::sources(r, found.root));
    Known {
        found,
        settings,
        limits,
        host: (host.cpus, Bytes(host.memory)),
        sources,
        others: others.to_vec(),
    }
}
