//! The processes of a task that has no cgroup: found by kinship, session and mount namespace.

use super::identity::namespace_inode;
use knee_probe::process;
use std::fs;
use std::path::{Path, PathBuf};

/// What tells a task's processes from others.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// The first process of each container, each the leader of a session.
    pub roots: Vec<i32>,
    /// Mount namespaces made for the task.
    pub namespaces: Vec<u64>,
    /// Files that the containers write to as standard output: a process that left its session
    /// without a namespace to know it by still has them open.
    pub logs: Vec<PathBuf>,
}

struct Process {
    pid: i32,
    session: i32,
}

/// The processes that live now, without zombies.
pub(super) fn pids(marks: &Marks) -> Vec<i32> {
    let processes = all();
    let marked = |p: &Process| {
        marks.roots.contains(&p.pid)
            || marks.roots.contains(&p.session)
            || is_in(p.pid, &marks.namespaces)
            || writes_to(p.pid, &marks.logs)
    };
    let marked: Vec<i32> = processes.iter().filter(|p| marked(p)).map(|p| p.pid).collect();
    process::with_descendants(&marked)
}

fn is_in(pid: i32, namespaces: &[u64]) -> bool {
    !namespaces.is_empty()
        && namespace_inode(Path::new(&format!("/proc/{pid}/ns/mnt")))
            .is_some_and(|n| namespaces.contains(&n))
}

fn writes_to(pid: i32, logs: &[PathBuf]) -> bool {
    !logs.is_empty()
        && [1, 2].iter().any(|fd| {
            fs::read_link(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|target| logs.contains(&target))
        })
}

/// All processes that live, with their sessions.
fn all() -> Vec<Process> {
    let living = |pid: i32| {
        let stat = process::Process::new(pid).stat().ok().filter(|s| !s.is_dead())?;
        Some(Process { pid, session: stat.session })
    };
    process::all().into_iter().filter_map(living).collect()
}
