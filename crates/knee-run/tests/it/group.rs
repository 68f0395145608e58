//! A task's cgroup as ECS makes it: the quota on it, the container's below it without one. Removed
//! with this.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The task's.
pub struct Group {
    task: PathBuf,
    /// Where v1 counts CPU, if that is a hierarchy of its own.
    counted: Option<PathBuf>,
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
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("knee-run-{}-{number}", std::process::id());
        let task = Path::new(hierarchy).join(&name);
        fs::create_dir_all(task.join("container")).ok()?;
        // Where both are one the folder is there by now.
        let counted = Path::new("/sys/fs/cgroup/cpuacct").join(&name);
        let own = v1 && counted.parent().is_some_and(Path::exists) && !counted.exists();
        let group = Group { task, counted: own.then_some(counted), v1 };
        if let Some(folder) = &group.counted {
            fs::create_dir_all(folder.join("container")).ok()?;
        }
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
        let folders = std::iter::once(&self.task).chain(&self.counted);
        for procs in folders.map(|folder| folder.join("container/cgroup.procs")) {
            // SAFETY: one write; the path was made before the fork.
            unsafe { command.pre_exec(move || fs::write(&procs, "0")) };
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in std::iter::once(&self.task).chain(&self.counted) {
            let _ = fs::remove_dir(folder.join("container"));
            let _ = fs::remove_dir(folder);
        }
    }
}
