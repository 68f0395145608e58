//! A task's cgroup as ECS makes it: the quota on it, the container's below it without one. Removed
//! with this.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The task's.
pub struct Group {
    task: PathBuf,
    v1: bool,
}

impl Group {
    /// None where this process may make none.
    pub fn new() -> Option<Group> {
        let v1 = Path::new("/sys/fs/cgroup/cpu/cpu.shares").exists();
        let hierarchy = if v1 { "/sys/fs/cgroup/cpu" } else { "/sys/fs/cgroup" };
        if !v1 {
            // systemd hands the controller on only where a unit of its own needs it.
            fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu").ok()?;
        }
        let task = Path::new(hierarchy).join(format!("knee-run-{}", std::process::id()));
        fs::create_dir(&task).ok()?;
        let group = Group { task, v1 };
        fs::create_dir(group.task.join("container")).ok()?;
        Some(group)
    }

    /// The task's folder.
    pub fn path(&self) -> &Path {
        &self.task
    }

    /// Limits it to quarters of a CPU.
    pub fn quota(&self, quarters: u32) {
        let micros = quarters * 25_000;
        let written = match self.v1 {
            true => fs::write(self.task.join("cpu.cfs_quota_us"), micros.to_string()),
            false => fs::write(self.task.join("cpu.max"), format!("{micros} 100000")),
        };
        written.unwrap();
    }

    /// Starts a command in the container.
    pub fn join(&self, command: &mut Command) {
        let procs = self.task.join("container/cgroup.procs");
        // SAFETY: one write; the path was made before the fork.
        unsafe { command.pre_exec(move || fs::write(&procs, "0")) };
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.task.join("container"));
        let _ = fs::remove_dir(&self.task);
    }
}
