//! Everything that sizing rests on, as it is seen from here: for a bug report. No secrets: of the
//! environment names only, of the metadata limits only, of a process no arguments.

use crate::size;
use knee_core::runtimes;
use knee_core::settings::Site;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Files that say it in full.
const FILES: [&str; 6] = [
    "/proc/self/cgroup",
    "/proc/self/limits",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/net/core/somaxconn",
    "/sys/devices/system/cpu/online",
    "/sys/fs/cgroup/cgroup.controllers",
];
/// Files that stand in each folder of a cgroup.
const GROUP: [&str; 10] = [
    "cpu.max",
    "cpu.weight",
    "cpu.stat",
    "memory.max",
    "memory.high",
    "memory.current",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.shares",
    "memory.limit_in_bytes",
];

/// The text.
pub fn report() -> String {
    let size = size::look_here();
    let mut text = format!("knee-run {}\n", env!("CARGO_PKG_VERSION"));
    let memory = size.memory.map_or("no limit was seen".into(), |m| m.to_string());
    let _ = writeln!(text, "cpu: {}\nmemory: {memory}", size.cpu);
    for line in size.problems.iter().chain(&size.seen) {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "process {}, affinity {} CPUs", std::process::id(), size::affinity());
    let _ = writeln!(text, "set in the environment: {}", set());
    let groups = ["", "cpu", "memory", "cpu,cpuacct"].iter().flat_map(|controller| {
        GROUP.map(|file| Path::new("/sys/fs/cgroup").join(controller).join(file))
    });
    let files = FILES.iter().map(|path| Path::new(path).to_path_buf());
    for path in files.chain(groups) {
        if let Ok(content) = fs::read_to_string(&path) {
            let _ = writeln!(text, "\n{}", path.display());
            content.lines().for_each(|line| {
                let _ = writeln!(text, "  {line}");
            });
        }
    }
    let _ = writeln!(text, "\nmounts of cgroups");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in mounts.lines().filter(|line| line.contains(" - cgroup")) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// The variables that some runtime reads, by name.
fn set() -> String {
    let knobs = runtimes::all().iter().flat_map(|runtime| (runtime.knobs)());
    let name = |site: Site| match site {
        Site::Environment { name } | Site::EnvironmentFlag { name, .. } => Some(name),
        _ => None,
    };
    let mut names: Vec<String> = knobs
        .flat_map(|knob| knob.sites)
        .filter_map(name)
        .filter(|name| std::env::var_os(name.as_ref()).is_some())
        .map(Into::into)
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() { "nothing that a runtime reads".into() } else { names.join(", ") }
}
