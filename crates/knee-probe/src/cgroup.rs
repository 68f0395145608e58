//! A task's cgroup, v1 or v2, as far as it is read.

use std::path::PathBuf;

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
