//! How large the task really is, and who says so.
//!
//! On ECS the CPU quota sits on the task's cgroup, above the container's own, and under cgroup v2
//! so does the memory limit: what runs inside sees the host. ECS's metadata knows both.

pub mod metadata;

use knee_core::{Bytes, Origin, Sourced};
use knee_probe::limits;
use metadata::{Documents, Metadata};
use std::path::Path;

/// What a container can use.
#[derive(Clone, Debug, PartialEq)]
pub struct Size {
    /// CPU, cores: the least of all that was seen.
    pub cpu: Sourced<f64>,
    /// Memory: the least of all that was seen; None where nothing limits it.
    pub memory: Option<Sourced<Bytes>>,
    /// Everything that was seen, one line each.
    pub seen: Vec<String>,
    /// What could not be seen, and why.
    pub problems: Vec<String>,
    /// What the metadata said, whole.
    pub documents: Documents,
}

/// Looks everywhere. `root` is `/`, or the folder of a recorded tree.
pub fn look(root: &Path, endpoint: Option<&str>) -> Size {
    let (mut seen, mut problems) = (Vec::new(), Vec::new());
    let (mut cpus, mut memories) = (Vec::new(), Vec::new());
    let mut documents = Documents::default();
    match endpoint {
        Some(endpoint) => {
            documents = Documents::ask(endpoint, &mut problems);
            judge(&metadata::read(&documents), &mut cpus, &mut memories, &mut seen);
        }
        None => seen.push(format!("{} is not set: no task metadata", metadata::VARIABLE)),
    }
    match limits::read(root) {
        Ok(limits) => {
            cpus.extend(limits.cpu);
            memories.extend(limits.memory);
        }
        Err(error) => problems.push(format!("cgroup: {error}")),
    }
    cpus.push(Sourced::new(f64::from(affinity()), observed("CPUs of the affinity mask")));
    seen.extend(cpus.iter().map(|c| format!("cpu {c}")));
    seen.extend(memories.iter().map(|m| format!("memory {m}")));
    let least = |a: Sourced<f64>, b: Sourced<f64>| if b.value < a.value { b } else { a };
    let one = || Sourced::assumed(1.0, "nothing was seen");
    Size {
        cpu: cpus.into_iter().reduce(least).unwrap_or_else(one),
        memory: memories.into_iter().reduce(|a, b| if b.value < a.value { b } else { a }),
        seen,
        problems,
        documents,
    }
}

/// Looks around this process.
pub fn look_here() -> Size {
    look(Path::new("/"), std::env::var(metadata::VARIABLE).ok().as_deref())
}

impl Size {
    /// What was found, in a line each for CPU and memory, and what could not be seen.
    pub fn told(&self) -> Vec<String> {
        let memory = match &self.memory {
            Some(memory) => format!("memory {memory}"),
            None => "memory: nothing that can be seen limits it".into(),
        };
        let mut lines = self.problems.clone();
        lines.extend([format!("cpu {}", self.cpu), memory]);
        lines
    }
}

fn observed(by: impl Into<String>) -> Origin {
    Origin::Observed { by: by.into() }
}

/// What the metadata means for this container.
fn judge(
    told: &Metadata,
    cpus: &mut Vec<Sourced<f64>>,
    memories: &mut Vec<Sourced<Bytes>>,
    seen: &mut Vec<String>,
) {
    if let Some(kind) = &told.launch_type {
        seen.push(format!("launch type {kind}, {} other containers in the task", told.others));
    }
    cpus.extend(told.task_cpu.map(|c| Sourced::new(c, observed("task metadata, the task"))));
    match (told.own_cpu, told.task_cpu, told.others) {
        // A share that nobody contends for.
        (Some(units), Some(_), 0) => seen.push(format!(
            "the container's {units} cores are a share, not a cap, and it is alone in its task"
        )),
        (Some(share), ..) => {
            let by = "task metadata, the container's share beside others";
            cpus.push(Sourced::new(share, observed(by)));
        }
        _ => {}
    }
    if let Some(task) = told.task_memory {
        let left = Bytes(task.0.saturating_sub(told.others_memory.0));
        let by = match told.others_memory {
            Bytes(0) => "task metadata, the task".to_string(),
            others => format!("task metadata, the task's {task} less {others} of other containers"),
        };
        // Limits of containers may add up to more than the task has: then nothing is left to say.
        let (left, by) =
            if left.0 < task.0 / 4 { (task, "task metadata, the task".into()) } else { (left, by) };
        memories.push(Sourced::new(left, observed(by)));
    }
    let own = |m| Sourced::new(m, observed("task metadata, the container"));
    memories.extend(told.own_memory.map(own));
}

/// CPUs that this process may run on.
pub fn affinity() -> u32 {
    let cpus = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    cpus.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(told: &Metadata) -> (Option<f64>, Option<Bytes>, String) {
        let (mut cpus, mut memories, mut seen) = (vec![], vec![], vec![]);
        judge(told, &mut cpus, &mut memories, &mut seen);
        let cpu = cpus.iter().map(|c| c.value).reduce(f64::min);
        (cpu, memories.iter().map(|m| m.value).min(), seen.join("\n"))
    }

    #[test]
    fn a_share_is_no_cap_for_a_container_that_is_alone() {
        let alone = Metadata { task_cpu: Some(1.0), own_cpu: Some(0.25), ..Metadata::default() };
        let (cpu, memory, seen) = sized(&alone);
        assert_eq!((cpu, memory), (Some(1.0), None));
        assert!(seen.contains("0.25 cores are a share, not a cap"), "{seen}");
        assert_eq!(sized(&Metadata { others: 1, ..alone.clone() }).0, Some(0.25));
        assert_eq!(sized(&Metadata { task_cpu: None, ..alone }).0, Some(0.25));
    }

    #[test]
    fn what_others_may_take_is_not_there() {
        let task = Metadata {
            task_memory: Some(Bytes::mib(1024)),
            others_memory: Bytes::mib(256),
            others: 1,
            ..Metadata::default()
        };
        assert_eq!(sized(&task).1, Some(Bytes::mib(768)));
        let more = Metadata { others_memory: Bytes::mib(1000), ..task.clone() };
        assert_eq!(sized(&more).1, Some(Bytes::mib(1024)), "limits may add up to more");
        let own = Metadata { own_memory: Some(Bytes::mib(512)), ..task };
        assert_eq!(sized(&own).1, Some(Bytes::mib(512)));
    }
}
