//! A task's cgroup and the containers' below it, as ECS builds them: quota and memory limit on
//! the task, none on the containers.
//!
//! What never lives here: where knee may create them (see `base`).

use super::base::{BOTH, SUBTREE};
use super::error::LabError;
use knee_core::Task;
use knee_probe::cgroup::{TaskGroup, children, pids_below};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// ECS's period of the CPU quota, microseconds (amazon-ecs-agent, `ECS_CGROUP_CPU_PERIOD`).
const PERIOD: u64 = 100_000;
/// The least quota that the kernel takes, microseconds.
const LEAST_QUOTA: u64 = 1_000;
/// A task's weight among the host's other programs, in units of v2's `cpu.weight`, where 100 is
/// everybody's. The load generator, outside of the task, has to go first all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The generator's thread weighs nine times as much (nice -20: 88761 of 1024 as of
    /// `sched_prio_to_weight` in the kernel's sched/core.c): the task can have what ECS reserves for
    /// it, whatever else runs on the host.
    Reserved = 1000,
    /// Nothing makes the generator go first but a task that comes last.
    Least = 1,
}

impl Weight {
    /// Before anything runs: what this process's rights allow.
    pub fn here() -> Weight {
        if knee_measure::may_go_first() { Weight::Reserved } else { Weight::Least }
    }

    /// The same in cgroup v1's `cpu.shares`, where 1024 is everybody's.
    fn shares(self) -> u32 {
        self as u32 * 1024 / 100
    }
}

/// How long processes may take to die, and cgroups to empty.
const PATIENCE: Duration = Duration::from_secs(10);

/// One cgroup: a folder in each of cgroup v1's hierarchies, or a single one of v2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Group {
    V1 { cpu: PathBuf, cpuacct: PathBuf, memory: PathBuf, pids: Option<PathBuf> },
    V2 { path: PathBuf },
}

impl Group {
    /// The cgroup of that name below this one; nothing is created.
    pub fn below(&self, name: &str) -> Group {
        match self {
            Group::V1 { cpu, cpuacct, memory, pids } => Group::V1 {
                cpu: cpu.join(name),
                cpuacct: cpuacct.join(name),
                memory: memory.join(name),
                pids: pids.as_ref().map(|p| p.join(name)),
            },
            Group::V2 { path } => Group::V2 { path: path.join(name) },
        }
    }

    /// What of it is read.
    pub fn task_group(&self) -> TaskGroup {
        match self {
            Group::V1 { cpu, cpuacct, memory, .. } => {
                TaskGroup::V1 { cpu: cpu.clone(), cpuacct: cpuacct.clone(), memory: memory.clone() }
            }
            Group::V2 { path } => TaskGroup::V2 { path: path.clone() },
        }
    }

    /// Its folders, each once: cpu and cpuacct are often the same.
    pub fn folders(&self) -> Vec<&Path> {
        match self {
            Group::V1 { cpu, cpuacct, memory, pids } => {
                let mut all = vec![cpu.as_path(), memory.as_path()];
                all.extend((cpuacct != cpu).then_some(cpuacct.as_path()));
                all.extend(pids.as_deref());
                all
            }
            Group::V2 { path } => vec![path],
        }
    }

    /// Creates the folders.
    pub fn create(&self) -> Result<(), LabError> {
        for folder in self.folders() {
            fs::create_dir(folder).map_err(LabError::cgroup(folder, "create it"))?;
        }
        Ok(())
    }

    /// Gives a task's cgroup its quota and memory limit, without swap, and its weight.
    pub fn limit(&self, task: Task, weight: Weight) -> Result<(), LabError> {
        let quota = ((task.cpu * PERIOD as f64).round() as u64).max(LEAST_QUOTA);
        let bytes = task.memory.0.to_string();
        match self {
            Group::V1 { cpu, memory, .. } => {
                write(&cpu.join("cpu.cfs_period_us"), &PERIOD.to_string())?;
                write(&cpu.join("cpu.cfs_quota_us"), &quota.to_string())?;
                write(&cpu.join("cpu.shares"), &weight.shares().to_string())?;
                write(&memory.join("memory.limit_in_bytes"), &bytes)?;
                // Memory and swap together: absent where the kernel does not count swap.
                write_if_there(&memory.join("memory.memsw.limit_in_bytes"), &bytes)?;
                write_if_there(&memory.join("memory.swappiness"), "0")
            }
            Group::V2 { path } => {
                write(&path.join("cpu.max"), &format!("{quota} {PERIOD}"))?;
                write(&path.join("cpu.weight"), &(weight as u32).to_string())?;
                write(&path.join("memory.max"), &bytes)?;
                write_if_there(&path.join("memory.swap.max"), "0")?;
                // One worker is killed, as in production, not the whole task.
                write_if_there(&path.join("memory.oom.group"), "0")?;
                // The containers' cgroups have the files, with nothing set in them.
                write(&path.join(SUBTREE), BOTH)
            }
        }
    }

    /// Where a process writes `0` to move itself here.
    pub fn doors(&self) -> Vec<PathBuf> {
        self.folders().iter().map(|f| f.join("cgroup.procs")).collect()
    }

    /// All processes here and below.
    pub fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self.folders().into_iter().flat_map(pids_below).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Processes that the kernel killed for memory, here and below; 0 where it does not tell.
    pub fn oom_kills(&self) -> u64 {
        self.task_group().oom_kills().unwrap_or(0)
    }

    /// Kills every process here and below, and waits until none is left.
    pub fn kill(&self) -> Result<(), LabError> {
        if let Group::V1 { pids: Some(folder), .. } = self {
            // No new processes: a fork storm cannot outrun the killing.
            let _ = fs::write(folder.join("pids.max"), "0");
        }
        if let Group::V2 { path } = self {
            let _ = fs::write(path.join("cgroup.kill"), "1");
        }
        empty(|| self.pids(), self.folders()[0])
    }

    /// Kills what is in it and removes it with all that is below.
    pub fn remove(&self) -> Result<(), LabError> {
        self.kill()?;
        self.folders().into_iter().try_for_each(remove_folder)
    }
}

/// Kills the processes that a look shows until it shows none.
pub(super) fn empty(look: impl Fn() -> Vec<i32>, named: &Path) -> Result<(), LabError> {
    let started = Instant::now();
    loop {
        let pids = look();
        if pids.is_empty() {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            let left = io::Error::other(format!("{pids:?} do not die"));
            return Err(LabError::cgroup(named, "empty it")(left));
        }
        pids.into_iter().for_each(kill);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends SIGKILL; a process that is gone already is as well.
pub(super) fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Removes a cgroup folder and those below; the kernel may need a moment after the last
/// process of it died.
pub(super) fn remove_folder(folder: &Path) -> Result<(), LabError> {
    for child in children(folder) {
        remove_folder(&child)?;
    }
    let started = Instant::now();
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(e) => return Err(LabError::cgroup(folder, "remove it")(e)),
        }
    }
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), LabError> {
    fs::write(file, text).map_err(LabError::cgroup(file, format!("write `{text}`")))
}

fn write_if_there(file: &Path, text: &str) -> Result<(), LabError> {
    if file.exists() { write(file, text) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::Bytes;

    const TASK: Task = Task { cpu: 0.25, memory: Bytes::mib(512) };

    fn read(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn v2_gets_the_files_that_the_kernel_knows() {
        let tree = tempfile::tempdir().unwrap();
        let task = Group::V2 { path: tree.path().into() }.below("knee-1");
        task.create().unwrap();
        let path = tree.path().join("knee-1");
        for optional in ["memory.swap.max", "memory.oom.group"] {
            fs::write(path.join(optional), "max").unwrap();
        }
        task.limit(TASK, Weight::Least).unwrap();
        let written = |name: &str| read(path.join(name));
        assert_eq!(written("cpu.max"), "25000 100000");
        assert_eq!(written("memory.max"), "536870912");
        assert_eq!(
            (written("memory.swap.max"), written("memory.oom.group")),
            ("0".into(), "0".into())
        );
        assert_eq!(written("cpu.weight"), "1");
        assert_eq!(written("cgroup.subtree_control"), "+cpu +memory");
        let container = task.below("app");
        assert_eq!(container.doors(), [path.join("app/cgroup.procs")]);
    }

    #[test]
    fn v1_gets_a_folder_in_each_hierarchy() {
        let tree = tempfile::tempdir().unwrap();
        let at = |name: &str| tree.path().join(name);
        for name in ["cpu,cpuacct", "memory", "pids"] {
            fs::create_dir(at(name)).unwrap();
        }
        let base = Group::V1 {
            cpu: at("cpu,cpuacct"),
            cpuacct: at("cpu,cpuacct"),
            memory: at("memory"),
            pids: Some(at("pids")),
        };
        let task = base.below("knee-1");
        task.create().unwrap();
        task.limit(TASK, Weight::Reserved).unwrap();
        assert_eq!(task.folders().len(), 3, "cpu and cpuacct are one");
        assert_eq!(read(at("cpu,cpuacct/knee-1/cpu.cfs_quota_us")), "25000");
        assert_eq!(read(at("cpu,cpuacct/knee-1/cpu.cfs_period_us")), "100000");
        assert_eq!(read(at("cpu,cpuacct/knee-1/cpu.shares")), "10240");
        assert_eq!(read(at("memory/knee-1/memory.limit_in_bytes")), "536870912");
        assert!(!at("memory/knee-1/memory.memsw.limit_in_bytes").exists(), "no swap is counted");
        let error = task.create().unwrap_err().to_string();
        assert!(error.contains("cpu,cpuacct/knee-1: cannot create it: File exists"), "{error}");
    }

    /// The kernel's own v2, even where it has no controllers: creating, entering, killing and
    /// removing are the same.
    #[test]
    fn v2_is_killed_and_removed_for_real() {
        let mounts = knee_probe::mounts::of_this_process().unwrap();
        let mount = mounts.into_iter().find(|m| m.kind == "cgroup2");
        let name = format!("test-{}", std::process::id());
        let task = mount.map(|m| Group::V2 { path: m.at.join(name) });
        let Some(task) = task.filter(|t| t.create().is_ok()) else {
            eprintln!("skipped: no cgroup v2 that this user may write");
            return;
        };
        let container = task.below("container-0");
        container.create().unwrap();
        let script = "echo 0 > \"$1\"; sleep 60 & sleep 61 & wait";
        let mut shell = std::process::Command::new("sh");
        let mut child =
            shell.args(["-c", script, "sh"]).arg(&container.doors()[0]).spawn().unwrap();
        let started = Instant::now();
        while task.pids().len() < 3 && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(task.pids().len(), 3);
        task.remove().unwrap();
        assert!(!task.folders()[0].exists());
        assert!(!child.wait().unwrap().success());
    }
}
