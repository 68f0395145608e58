//! The CPU quota and the memory limit that apply to this process: the least on the way from its
//! own cgroup up to the topmost one that can be seen.
//!
//! On ECS they sit on the task's cgroup, above the container's. Under cgroup v1 the kernel still
//! tells the memory limit from below (`hierarchical_memory_limit`); a quota above what is mounted,
//! and under v2 both, cannot be seen from inside a container: nothing found is then no proof
//! that there is none.
//!
//! Sources: the kernel's Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst and
//! scheduler/sched-bwc.rst. `memory.high` slows a process down and kills none: it is not read.

use crate::cgroup::{TaskGroup, own_folder, own_path};
use crate::error::{ProbeError, counter, shown, text};
use crate::mounts::{self, Mount};
use knee_core::{Bytes, Origin, Sourced};
use std::path::{Path, PathBuf};

/// v1 writes no limit as the most pages that it can count, a little less than 2^63 bytes.
const NONE_V1: u64 = 1 << 62;

/// What applies to a process, with the file that says so; None where nothing that can be seen does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// CPU quota, cores.
    pub cpu: Option<Sourced<f64>>,
    /// Memory limit.
    pub memory: Option<Sourced<Bytes>>,
}

/// Reads them for this process. `root` is `/`, or the folder of a recorded tree.
///
/// # Errors
/// `/proc/self/cgroup` or `mountinfo` cannot be read, or a limit is no limit. A file that is
/// absent limits nothing.
pub fn read(root: &Path) -> Result<Limits, ProbeError> {
    of(root, "self")
}

/// The same for another process, by its number, as far as this one sees its cgroups.
///
/// # Errors
/// As for [`read`]; the process may have ended ([`ProbeError::is_absent`]).
pub fn of(root: &Path, process: &str) -> Result<Limits, ProbeError> {
    let cgroups = text(&root.join("proc").join(process).join("cgroup"))?;
    let mounts = mounts::parse(&text(&root.join("proc/self/mountinfo"))?);
    let mut limits = Limits::default();
    let cpu = Way::find(root, &mounts, &cgroups, "cpu");
    let memory = Way::find(root, &mounts, &cgroups, "memory");
    for folder in cpu.iter().flat_map(Way::folders) {
        let quota = if cpu.as_ref().is_some_and(|w| w.v1) { quota_v1 } else { quota_v2 };
        keep(&mut limits.cpu, quota(&folder)?, root);
    }
    for folder in memory.iter().flat_map(Way::folders) {
        let limit = if memory.as_ref().is_some_and(|w| w.v1) { memory_v1 } else { memory_v2 };
        keep(&mut limits.memory, limit(&folder)?, root);
    }
    Ok(limits)
}

/// The cgroup whose limits a process lives under, to be watched: for each controller the folder
/// that has the limit, else the process's own. None where no limit can be seen: what is counted
/// there may be the whole host's.
pub fn group(root: &Path, process: &str) -> Option<TaskGroup> {
    let cgroups = text(&root.join("proc").join(process).join("cgroup")).ok()?;
    let mounts = mounts::parse(&text(&root.join("proc/self/mountinfo")).ok()?);
    let limits = of(root, process).ok()?;
    let way = |controller: &str| Way::find(root, &mounts, &cgroups, controller);
    let (quota, memory) = (folder_of(root, limits.cpu), folder_of(root, limits.memory));
    if quota.is_none() && memory.is_none() {
        return None;
    }
    let cpu = way("cpu")?;
    if !cpu.v1 {
        return Some(TaskGroup::V2 { path: quota.or(memory)? });
    }
    let group = quota.unwrap_or_else(|| cpu.own.clone());
    // Often the same folder, and else, as every engine makes them, one of the same path.
    let beside = |way: Way| Some(way.top.join(group.strip_prefix(&cpu.top).ok()?));
    let cpuacct = way("cpuacct").and_then(beside)?;
    let memory = memory.or_else(|| Some(way("memory")?.own))?;
    Some(TaskGroup::V1 { cpu: group, cpuacct, memory })
}

/// The folder of the file that a limit stands in.
fn folder_of<T>(root: &Path, limit: Option<Sourced<T>>) -> Option<PathBuf> {
    let Origin::File { path, .. } = limit?.origin else { return None };
    let path = Path::new(&path);
    Some(root.join(path.strip_prefix("/").unwrap_or(path)).parent()?.to_path_buf())
}

/// A limit and where it stands.
type Found<T> = Option<(T, PathBuf, usize)>;

/// Keeps the lesser; of equals the one nearer to the process.
fn keep<T: PartialOrd>(least: &mut Option<Sourced<T>>, found: Found<T>, root: &Path) {
    let Some((value, path, line)) = found else { return };
    if least.as_ref().is_none_or(|l| value < l.value) {
        let seen = Path::new("/").join(path.strip_prefix(root).unwrap_or(&path));
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        *least = Some(Sourced::from_file(value, seen.to_string_lossy(), line));
    }
}

/// From a process's own cgroup to the top of what is mounted.
struct Way {
    own: PathBuf,
    top: PathBuf,
    v1: bool,
}

impl Way {
    /// None where the controller is nowhere mounted.
    fn find(root: &Path, mounts: &[Mount], cgroups: &str, controller: &str) -> Option<Way> {
        let v1 = |m: &&Mount| m.kind == "cgroup" && m.has(controller);
        let way = |mount: &Mount, controller: &str| {
            let path = own_path(cgroups, controller)?;
            let inside = |p: PathBuf| root.join(p.strip_prefix("/").unwrap_or(&p));
            let (own, top) = (inside(own_folder(mount, path)), inside(mount.at.clone()));
            Some(Way { own, top, v1: !controller.is_empty() })
        };
        match mounts.iter().find(v1) {
            Some(mount) => way(mount, controller),
            None => way(mounts.iter().find(|m| m.kind == "cgroup2")?, ""),
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let up = self.own.ancestors().take_while(|f| f.starts_with(&self.top));
        up.map(Path::to_path_buf).collect()
    }
}

/// The text of a file that need not be there.
fn optional(path: &Path) -> Result<Option<String>, ProbeError> {
    match text(path) {
        Err(error) if error.is_absent() => Ok(None),
        text => text.map(Some),
    }
}

/// `cpu.cfs_quota_us` of -1 is no quota.
fn quota_v1(folder: &Path) -> Result<Found<f64>, ProbeError> {
    let path = folder.join("cpu.cfs_quota_us");
    let Some(quota) = optional(&path)? else { return Ok(None) };
    if quota.trim() == "-1" {
        return Ok(None);
    }
    let beside = folder.join("cpu.cfs_period_us");
    let cores = cores(&path, quota.trim(), &beside, text(&beside)?.trim())?;
    Ok(Some((cores, path, 1)))
}

/// `cpu.max`: `max 100000` or `25000 100000`.
fn quota_v2(folder: &Path) -> Result<Found<f64>, ProbeError> {
    let path = folder.join("cpu.max");
    let Some(text) = optional(&path)? else { return Ok(None) };
    let (quota, period) = text.trim().split_once(' ').unwrap_or((text.trim(), "100000"));
    if quota == "max" {
        return Ok(None);
    }
    let cores = cores(&path, quota, &path, period)?;
    Ok(Some((cores, path, 1)))
}

fn cores(path: &Path, quota: &str, beside: &Path, period: &str) -> Result<f64, ProbeError> {
    let number = |path: &Path, text: &str| {
        let micros = text.parse::<u64>().ok().filter(|n| *n > 0);
        let wrong = || format!("`{}` is no length of time in µs", shown(text));
        micros.ok_or_else(|| ProbeError::form(path, 1, wrong()))
    };
    Ok(number(path, quota)? as f64 / number(beside, period)? as f64)
}

/// Its own limit, and the least of all above it, which the kernel tells even where those cannot
/// be seen.
fn memory_v1(folder: &Path) -> Result<Found<Bytes>, ProbeError> {
    let path = folder.join("memory.limit_in_bytes");
    let own = optional(&path)?.map(|text| bytes(&path, text.trim())).transpose()?;
    let stat = folder.join("memory.stat");
    let all = match optional(&stat)? {
        Some(text) => counter(&stat, &text, "hierarchical_memory_limit")?,
        None => None,
    };
    let own = own.map(|n| (Bytes(n), path, 1));
    let all = all.map(|(n, line)| (Bytes(n), stat, line));
    let real = |found: &(Bytes, PathBuf, usize)| found.0.0 < NONE_V1;
    // The least; its own file where both say the same.
    let found =
        own.into_iter().chain(all).filter(real).reduce(|a, b| if b.0 < a.0 { b } else { a });
    Ok(found)
}

fn memory_v2(folder: &Path) -> Result<Found<Bytes>, ProbeError> {
    let path = folder.join("memory.max");
    match optional(&path)?.as_deref().map(str::trim) {
        None | Some("max") => Ok(None),
        Some(text) => Ok(Some((Bytes(bytes(&path, text)?), path, 1))),
    }
}

fn bytes(path: &Path, text: &str) -> Result<u64, ProbeError> {
    let wrong = || ProbeError::form(path, 1, format!("`{}` is no number of bytes", shown(text)));
    text.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/limits").join(name)
    }

    /// `0.25 /sys/…:1` and `536870912 /sys/…:1`, or `-`.
    fn said(name: &str) -> [String; 2] {
        let limits = read(&tree(name)).unwrap();
        let cpu = limits.cpu.map(|s| format!("{} {}", s.value, s.origin));
        let memory = limits.memory.map(|s| format!("{} {}", s.value.0, s.origin));
        [cpu, memory].map(|said| said.unwrap_or("-".into()))
    }

    #[test]
    fn v1_the_least_on_the_way_up() {
        assert_eq!(
            said("v1-host"),
            [
                "0.25 /sys/fs/cgroup/cpu/ecs/task/cpu.cfs_quota_us:1",
                "67108864 /sys/fs/cgroup/memory/ecs/task/container-0/memory.stat:21"
            ]
        );
    }

    #[test]
    fn v1_from_inside_a_container_the_kernel_tells_the_tasks_memory_only() {
        assert_eq!(said("v1-container"), ["-", "67108864 /sys/fs/cgroup/memory/memory.stat:21"]);
    }

    #[test]
    fn v2_the_least_on_the_way_up() {
        assert_eq!(
            said("v2-host"),
            [
                "0.5 /sys/fs/cgroup/ecstasks.slice/task.slice/cpu.max:1",
                "536870912 /sys/fs/cgroup/ecstasks.slice/task.slice/app.scope/memory.max:1"
            ]
        );
        assert_eq!(said("v2-namespace"), ["-", "-"], "a namespace hides the task");
    }

    #[test]
    fn the_group_to_watch_is_the_one_with_the_limit() {
        let group = |name: &str| group(&tree(name), "self");
        let at = |name: &str, path: &str| tree(name).join("sys/fs/cgroup").join(path);
        let Some(TaskGroup::V1 { cpu, memory, .. }) = group("v1-host") else { panic!("no v1") };
        assert_eq!(cpu, at("v1-host", "cpu/ecs/task"));
        assert_eq!(memory, at("v1-host", "memory/ecs/task/container-0"), "as it tells it");
        let path = at("v2-host", "ecstasks.slice/task.slice");
        assert_eq!(group("v2-host"), Some(TaskGroup::V2 { path }));
        assert_eq!(group("v2-namespace"), None, "nothing limits, as far as can be seen");
        assert_eq!(group("absent"), None);
    }

    #[test]
    fn absent_and_broken() {
        assert!(read(&tree("absent")).unwrap_err().is_absent());
        assert_eq!(read(&tree("unmounted")).unwrap(), Limits::default());
        let error = |name: &str| {
            let text = read(&tree(name)).unwrap_err().to_string();
            text.rsplit_once("cgroup/").unwrap().1.to_string()
        };
        assert_eq!(error("v1-broken"), "cpu/cpu.cfs_period_us:1: `0` is no length of time in µs");
        assert_eq!(error("v2-broken"), "memory.max:1: `lots` is no number of bytes");
    }

    #[test]
    fn this_process_has_an_answer() {
        let limits = read(Path::new("/")).unwrap();
        assert!(limits.cpu.as_ref().is_none_or(|c| c.value > 0.0), "{limits:?}");
    }

    proptest! {
        #[test]
        fn any_file_is_a_limit_or_an_error(quota in ".{0,20}", memory in ".{0,20}") {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("cpu.max"), &quota).unwrap();
            std::fs::write(dir.path().join("memory.max"), &memory).unwrap();
            if let Ok(Some((cores, ..))) = quota_v2(dir.path()) {
                prop_assert!(cores > 0.0 && cores.is_finite());
            }
            let _ = memory_v2(dir.path());
        }
    }
}
