//! A task's cgroup, v1 or v2, as far as it is read.
//!
//! Sources: the kernel's Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst and
//! scheduler/sched-bwc.rst.

use crate::error::{ProbeError, counter, number, text};
use crate::mounts::Mount;
use knee_core::Bytes;
use std::fs;
use std::path::{Path, PathBuf};

/// The cgroup on which a task's quota and memory limit sit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskGroup {
    /// A folder in each of cgroup v1's hierarchies.
    V1 {
        /// With `cpu.stat`.
        cpu: PathBuf,
        /// With `cpuacct.usage`; often the same folder.
        cpuacct: PathBuf,
        /// With `memory.usage_in_bytes`.
        memory: PathBuf,
    },
    /// The one folder of cgroup v2.
    V2 {
        /// With `cpu.stat` and `memory.current`.
        path: PathBuf,
    },
}

/// CPU of a cgroup and all below it, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Seconds.
    pub used: f64,
    /// How the quota stopped it; None where the cpu controller is not there.
    pub throttling: Option<Throttling>,
}

/// How a quota stopped a cgroup, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throttling {
    /// Periods in which something wanted to run.
    pub periods: u64,
    /// Those in which the quota ran out.
    pub throttled: u64,
    /// Seconds that it was stopped: in v1 and v2 summed over CPUs.
    pub time: f64,
}

/// Memory of a cgroup and all below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What the limit is held against: `memory.usage_in_bytes` (v1, exact to some pages per CPU)
    /// or `memory.current` (v2). Both count file cache, kernel memory and tmpfs.
    pub counted: Bytes,
    /// File cache that was not used lately: `total_inactive_file` (v1) or `inactive_file` (v2) of
    /// `memory.stat`. The kernel drops it before it kills.
    pub inactive_file: Bytes,
}

impl Memory {
    /// What cannot be dropped at once: counted less inactive file cache, as cAdvisor and the
    /// kubelet have it too. A verdict on memory that counted file cache would blame whoever
    /// read a large file.
    pub fn working_set(self) -> Bytes {
        Bytes(self.counted.0.saturating_sub(self.inactive_file.0))
    }
}

impl TaskGroup {
    /// CPU used, and how the quota stopped it.
    ///
    /// # Errors
    /// A file that is absent or not as the kernel writes it; so of all readers here.
    pub fn cpu(&self) -> Result<Cpu, ProbeError> {
        match self {
            TaskGroup::V1 { cpu, cpuacct, .. } => {
                let used = number(&cpuacct.join("cpuacct.usage"))? as f64 / 1e9;
                let path = cpu.join("cpu.stat");
                let throttling = throttling(&path, &text(&path)?, "throttled_time", 1e9)?;
                Ok(Cpu { used, throttling })
            }
            TaskGroup::V2 { path } => {
                let path = path.join("cpu.stat");
                let text = text(&path)?;
                let used = demand(&path, &text, "usage_usec")? as f64 / 1e6;
                Ok(Cpu { used, throttling: throttling(&path, &text, "throttled_usec", 1e6)? })
            }
        }
    }

    /// Memory as the limit counts it.
    ///
    /// # Errors
    /// As [`TaskGroup::cpu`].
    pub fn memory(&self) -> Result<Memory, ProbeError> {
        let (folder, counted, inactive) = match self {
            TaskGroup::V1 { memory, .. } => {
                (memory, "memory.usage_in_bytes", "total_inactive_file")
            }
            TaskGroup::V2 { path } => (path, "memory.current", "inactive_file"),
        };
        let counted = Bytes(number(&folder.join(counted))?);
        let stat = folder.join("memory.stat");
        let inactive_file = Bytes(demand(&stat, &text(&stat)?, inactive)?);
        Ok(Memory { counted, inactive_file })
    }

    /// Processes that the kernel killed for memory, here and below, since it was made.
    ///
    /// # Errors
    /// As [`TaskGroup::cpu`]; also on kernels before 4.13, which do not count them in v1.
    pub fn oom_kills(&self) -> Result<u64, ProbeError> {
        match self {
            // v1 counts a kill in the cgroup of the killed only.
            TaskGroup::V1 { memory, .. } => kills_below(memory),
            TaskGroup::V2 { path } => {
                let path = path.join("memory.events");
                demand(&path, &text(&path)?, "oom_kill")
            }
        }
    }
}

fn kills_below(folder: &Path) -> Result<u64, ProbeError> {
    let path = folder.join("memory.oom_control");
    let mut kills = demand(&path, &text(&path)?, "oom_kill")?;
    for child in children(folder) {
        kills += match kills_below(&child) {
            // It was removed since.
            Err(error) if error.is_absent() => 0,
            kills => kills?,
        };
    }
    Ok(kills)
}

fn throttling(
    path: &Path,
    text: &str,
    time: &str,
    per_second: f64,
) -> Result<Option<Throttling>, ProbeError> {
    let Some((periods, _)) = counter(path, text, "nr_periods")? else { return Ok(None) };
    let throttled = demand(path, text, "nr_throttled")?;
    let time = demand(path, text, time)? as f64 / per_second;
    Ok(Some(Throttling { periods, throttled, time }))
}

fn demand(path: &Path, text: &str, name: &str) -> Result<u64, ProbeError> {
    let found = counter(path, text, name)?;
    found.map(|(n, _)| n).ok_or_else(|| ProbeError::form(path, 1, format!("no line `{name}`")))
}

/// The processes in a cgroup folder and below.
pub fn pids_below(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = text.lines().filter_map(|l| l.parse().ok()).collect();
    pids.extend(children(folder).iter().flat_map(|c| pids_below(c)));
    pids
}

/// The cgroup folders directly below one.
pub fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    folders.map(|e| e.path()).collect()
}

/// The path in the line of a controller in `/proc/self/cgroup`; "" for v2.
pub fn own_path<'a>(self_cgroup: &'a str, controller: &str) -> Option<&'a str> {
    self_cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|c| c == controller).then_some(path)
    })
}

/// The folder of a cgroup path as this mount shows it. Inside a container the mount may show
/// only the container's own cgroup.
pub fn own_folder(mount: &Mount, path: &str) -> PathBuf {
    let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    if below.as_os_str().is_empty() { mount.at.clone() } else { mount.at.join(below) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(tree: &str) -> TaskGroup {
        let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(tree);
        TaskGroup::V1 {
            cpu: at.join("cpu"),
            cpuacct: at.join("cpuacct"),
            memory: at.join("memory"),
        }
    }

    fn v2(tree: &str) -> TaskGroup {
        TaskGroup::V2 { path: Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(tree) }
    }

    #[test]
    fn v1_in_nanoseconds_and_with_the_kills_of_its_containers() {
        let group = v1("cgroup-v1");
        let throttling = Some(Throttling { periods: 71, throttled: 67, time: 11.005_613_88 });
        assert_eq!(group.cpu().unwrap(), Cpu { used: 1.684_839_128, throttling });
        let memory = group.memory().unwrap();
        // A file of 16 MiB had been written.
        assert_eq!((memory.counted.0, memory.inactive_file.0), (17_772_544, 16_908_288));
        assert_eq!(memory.working_set(), Bytes(864_256));
        assert_eq!(group.oom_kills().unwrap(), 1);
    }

    #[test]
    fn v2_in_microseconds() {
        let group = v2("cgroup-v2");
        let throttling = Some(Throttling { periods: 120, throttled: 96, time: 8.25 });
        assert_eq!(group.cpu().unwrap(), Cpu { used: 3.018_122, throttling });
        assert_eq!(group.memory().unwrap().working_set(), Bytes(62_914_560 - 20_971_520));
        assert_eq!(group.oom_kills().unwrap(), 2);
        let plain = v2("cgroup-v2/no-controllers");
        assert_eq!(plain.cpu().unwrap(), Cpu { used: 0.003_345, throttling: None });
        assert!(plain.memory().unwrap_err().is_absent());
    }

    /// As Linux 6.1 wrote them: a task of 0.25 vCPU and 64 MiB, one of whose container's processes was
    /// killed for memory.
    #[test]
    fn v2_counts_for_the_task_what_its_container_does() {
        let (task, container) = (v2("cgroup-v2-task"), v2("cgroup-v2-task/app.scope"));
        let throttling = Throttling { periods: 643, throttled: 616, time: 52.45 };
        assert_eq!(task.cpu().unwrap().throttling, Some(throttling));
        let none = Some(Throttling::default());
        assert_eq!(container.cpu().unwrap().throttling, none, "no quota of its own");
        assert_eq!((task.oom_kills().unwrap(), container.oom_kills().unwrap()), (1, 1));
        assert_eq!(task.memory().unwrap().working_set(), Bytes(643_072 - 12_288));
    }

    #[test]
    fn absent_and_broken_files_are_named_with_their_place() {
        for group in [v1("absent"), v2("absent")] {
            assert!(group.cpu().unwrap_err().is_absent());
            assert!(group.memory().unwrap_err().is_absent());
            assert!(group.oom_kills().unwrap_err().is_absent());
        }
        let said = |error: ProbeError| {
            let text = error.to_string();
            text.rsplit_once("testdata/").unwrap().1.to_string()
        };
        let broken = v1("cgroup-broken");
        assert_eq!(
            said(broken.cpu().unwrap_err()),
            "cgroup-broken/cpuacct/cpuacct.usage:1: `many` is no number"
        );
        assert_eq!(
            said(broken.memory().unwrap_err()),
            "cgroup-broken/memory/memory.stat:1: no line `total_inactive_file`"
        );
        let broken = v2("cgroup-broken");
        assert_eq!(said(broken.cpu().unwrap_err()), "cgroup-broken/cpu.stat:2: `-5` is no number");
        assert_eq!(
            said(broken.oom_kills().unwrap_err()),
            "cgroup-broken/memory.events:1: no line `oom_kill`"
        );
    }
}
