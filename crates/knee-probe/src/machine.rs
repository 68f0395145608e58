//! The host: what a measurement was made on.

use crate::error::{ProbeError, counter, text};
use crate::mounts;
use knee_core::Bytes;
use knee_core::event::Machine;
use std::path::Path;

/// Arm's servers do not write a name: implementer and part of those that AWS runs.
/// Source: Arm's MIDR_EL1 part numbers, as in Linux's arch/arm64/include/asm/cputype.h.
const ARM: [(&str, &str); 4] = [
    ("0xd08", "Arm Cortex-A72 (Graviton)"),
    ("0xd0c", "Arm Neoverse-N1 (Graviton2)"),
    ("0xd40", "Arm Neoverse-V1 (Graviton3)"),
    ("0xd4f", "Arm Neoverse-V2 (Graviton4)"),
];

/// Reads it. `root` is `/`, or the folder of a recorded tree.
///
/// # Errors
/// A file below `/proc` is absent or not as the kernel writes it.
pub fn read(root: &Path) -> Result<Machine, ProbeError> {
    let proc = root.join("proc");
    let cpus = text(&proc.join("cpuinfo"))?;
    Ok(Machine {
        cpu: model(&cpus),
        cpus: values(&cpus, "processor").count().try_into().unwrap_or(u32::MAX),
        memory: memory(&proc.join("meminfo"), "MemTotal:")?.0,
        kernel: text(&proc.join("sys/kernel/osrelease"))?.trim().into(),
        cgroup: cgroup_version(&text(&proc.join("self/mountinfo"))?),
    })
}

/// The values of a key in cpuinfo, one per CPU.
fn values<'a>(cpuinfo: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(move |(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

fn model(cpuinfo: &str) -> String {
    if let Some(name) = values(cpuinfo, "model name").find(|name| !name.is_empty()) {
        return name.into();
    }
    let Some(part) = values(cpuinfo, "CPU part").next() else { return "unknown".into() };
    let known = ARM.iter().find(|(number, _)| *number == part);
    known.map_or_else(|| format!("Arm part {part}"), |(_, name)| (*name).into())
}

/// Memory that new programs can have without others losing theirs.
///
/// # Errors
/// As [`read`].
pub fn available_memory(root: &Path) -> Result<Bytes, ProbeError> {
    memory(&root.join("proc/meminfo"), "MemAvailable:")
}

/// What the host's CPUs have done since its start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy {
    /// CPU time of all programs, and what the hypervisor gave to others, seconds.
    pub seconds: f64,
    /// What the hypervisor gave to others, seconds.
    pub stolen: f64,
    /// CPUs online.
    pub cpus: u32,
}

/// Reads it. Source: proc(5), stat: the line `cpu` has user, nice, system, idle, iowait, irq,
/// softirq and steal in clock ticks; steal is time that the host was not given, and counts as used.
///
/// # Errors
/// As [`read`].
pub fn busy(root: &Path) -> Result<Busy, ProbeError> {
    let path = root.join("proc/stat");
    let text = text(&path)?;
    let wrong = || ProbeError::form(&path, 1, "no line `cpu` of at least eight numbers");
    let line = text.lines().next().and_then(|l| l.strip_prefix("cpu ")).ok_or_else(wrong)?;
    let ticks: Vec<u64> =
        line.split_whitespace().map_while(|word| word.parse().ok()).take(8).collect();
    let [user, nice, system, _, _, irq, softirq, steal] =
        <[u64; 8]>::try_from(ticks).map_err(|_| wrong())?;
    let ticks = [user, nice, system, irq, softirq, steal].iter().sum::<u64>();
    let numbered = |l: &&str| l.starts_with("cpu") && !l.starts_with("cpu ");
    let seconds = |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Ok(Busy {
        seconds: seconds(ticks),
        stolen: seconds(steal),
        cpus: text.lines().filter(numbered).count().try_into().unwrap_or(u32::MAX),
    })
}

/// `MemTotal:       24683656 kB`
fn memory(path: &Path, name: &str) -> Result<Bytes, ProbeError> {
    let text = text(path)?.replace(" kB", "");
    let found = counter(path, &text, name)?;
    let (kib, _) = found.ok_or_else(|| ProbeError::form(path, 1, format!("no line `{name}`")))?;
    Ok(Bytes(kib.saturating_mul(1024)))
}

/// 1 where v1 has the cpu controller, else 2 where v2 is mounted, else 0.
fn cgroup_version(mountinfo: &str) -> u8 {
    let mounts = mounts::parse(mountinfo);
    if mounts.iter().any(|m| m.kind == "cgroup" && m.has("cpu")) {
        1
    } else if mounts.iter().any(|m| m.kind == "cgroup2") {
        2
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(name: &str) -> Result<Machine, ProbeError> {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/machine").join(name))
    }

    #[test]
    fn recorded_machines() {
        let expected = Machine {
            cpu: "AMD EPYC".into(),
            cpus: 2,
            memory: 24_683_656 << 10,
            kernel: "6.18.44".into(),
            cgroup: 1,
        };
        assert_eq!(recorded("amd").unwrap(), expected);
        let amd = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/machine/amd");
        assert!(available_memory(&amd).unwrap() < Bytes(expected.memory));
        let arm = recorded("graviton").unwrap();
        assert_eq!((arm.cpu.as_str(), arm.cpus, arm.cgroup), ("Arm Neoverse-N1 (Graviton2)", 4, 2));
    }

    #[test]
    fn busy_is_what_is_not_idle() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let stat = root.path().join("proc/stat");
        std::fs::write(&stat, "cpu  100 20 30 9000 500 1 2 7 0 0\ncpu0 1\n").unwrap();
        assert_eq!(busy(root.path()).unwrap(), Busy { seconds: 1.6, stolen: 0.07, cpus: 1 });
        std::fs::write(&stat, "cpu  100 20\n").unwrap();
        assert!(busy(root.path()).unwrap_err().to_string().contains("proc/stat:1"));
        assert!(busy(Path::new("/")).unwrap().cpus > 0);
    }

    #[test]
    fn absent_and_broken() {
        assert!(recorded("absent").unwrap_err().is_absent());
        let error = recorded("broken").unwrap_err().to_string();
        assert!(error.ends_with("broken/proc/meminfo:1: `much` is no number"), "{error}");
    }

    #[test]
    fn this_machine() {
        let machine = read(Path::new("/")).unwrap();
        assert!(machine.cpus > 0 && machine.memory > 1 << 26 && !machine.kernel.is_empty());
    }
}
