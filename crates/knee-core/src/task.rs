//! The ECS task: how much CPU and memory it has, and which pairs Fargate offers.

use crate::units::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The size of a task. The CPU quota and the memory limit apply to all its containers together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// vCPU; a quota of `cpu` × 100 ms in each 100 ms on the task's cgroup.
    pub cpu: f64,
    /// Memory limit of the task's cgroup.
    pub memory: Bytes,
}

/// A Fargate CPU size with the memory it can be paired with, in MiB.
struct Row {
    units: u32,
    memory: fn() -> Vec<u64>,
}

/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>;
/// the same table stands in cfn-lint's rule E3047.
const FARGATE: [Row; 7] = [
    Row { units: 256, memory: || vec![512, 1024, 2048] },
    Row { units: 512, memory: || gib(1, 4, 1) },
    Row { units: 1024, memory: || gib(2, 8, 1) },
    Row { units: 2048, memory: || gib(4, 16, 1) },
    Row { units: 4096, memory: || gib(8, 30, 1) },
    Row { units: 8192, memory: || gib(16, 60, 4) },
    Row { units: 16384, memory: || gib(32, 120, 8) },
];

fn gib(from: u64, to: u64, step: usize) -> Vec<u64> {
    (from..=to).step_by(step).map(|n| n * 1024).collect()
}

/// A task size that could not be read, or that Fargate does not offer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TaskError {
    /// Not of the form CPU,MEMORY.
    #[error("`{0}` is not a task size; write CPU,MEMORY, for example 0.5,1GB")]
    Form(String),
    /// Fargate has no such pair.
    #[error("Fargate offers no task of {asked}; the nearest are {}", list(.nearest))]
    NoSuchSize {
        /// What was asked for.
        asked: Task,
        /// The nearest sizes that exist, nearest first.
        nearest: Vec<Task>,
    },
}

fn list(tasks: &[Task]) -> String {
    tasks
        .iter()
        .map(|t| format!("{},{}", t.cpu, t.memory).replace(' ', ""))
        .collect::<Vec<_>>()
        .join(" and ")
}

impl Task {
    /// Every size that Fargate offers on Linux, smallest first.
    pub fn fargate_sizes() -> Vec<Task> {
        let row = |r: &Row| {
            let cpu = f64::from(r.units) / 1024.0;
            (r.memory)()
                .into_iter()
                .map(move |m| Task { cpu, memory: Bytes::mib(m) })
                .collect::<Vec<_>>()
        };
        FARGATE.iter().flat_map(row).collect()
    }

    /// CPUs that a Fargate task of this size sees: two at least, whatever its quota
    /// (<https://github.com/HHS/simpler-grants-gov/pull/638> for 0.25 vCPU,
    /// <https://github.com/rdforte/gomaxecs> for 8).
    pub fn fargate_cpus(self) -> u32 {
        (self.cpu.ceil() as u32).max(2)
    }

    /// Refuses a pair that Fargate does not offer, naming the nearest two that exist.
    pub fn check_fargate(self) -> Result<Task, TaskError> {
        let mut sizes = Task::fargate_sizes();
        if sizes.contains(&self) {
            return Ok(self);
        }
        sizes.sort_by(|a, b| self.distance(*a).total_cmp(&self.distance(*b)));
        sizes.truncate(2);
        Err(TaskError::NoSuchSize { asked: self, nearest: sizes })
    }

    /// Distance in doublings of CPU and of memory.
    fn distance(self, other: Task) -> f64 {
        let memory = self.memory.0.max(1) as f64 / other.memory.0 as f64;
        (self.cpu / other.cpu).log2().abs() + memory.log2().abs()
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} vCPU, {}", self.cpu, self.memory)
    }
}

impl FromStr for Task {
    type Err = TaskError;

    /// Reads `0.5,1GB`; any pair is taken, [`Task::check_fargate`] judges it.
    fn from_str(text: &str) -> Result<Self, TaskError> {
        let wrong = || TaskError::Form(text.into());
        let (cpu, memory) = text.split_once(',').ok_or_else(wrong)?;
        let cpu: f64 = cpu.trim().parse().map_err(|_| wrong())?;
        let memory: Bytes = memory.parse().map_err(|_| wrong())?;
        // Less than a MiB is a number that its unit was forgotten of.
        if !(cpu > 0.0 && cpu <= 1024.0) || memory < Bytes::mib(1) {
            return Err(wrong());
        }
        Ok(Task { cpu, memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_pair() {
        let sizes = Task::fargate_sizes();
        assert_eq!(sizes.len(), 3 + 4 + 7 + 13 + 23 + 12 + 12);
        assert!(sizes.iter().all(|s| s.check_fargate().is_ok()));
    }

    #[test]
    fn an_impossible_pair_names_the_nearest() {
        let error = "0.5,512MB".parse::<Task>().unwrap().check_fargate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Fargate offers no task of 0.5 vCPU, 512 MiB; the nearest are 0.25,512MiB and 0.5,1GiB"
        );
    }

    #[test]
    fn a_size_is_cpu_and_memory() {
        assert_eq!("0.5,1GB".parse(), Ok(Task { cpu: 0.5, memory: Bytes::mib(1024) }));
        for text in ["", "1", "x,1GB", "1,x", "-1,1GB", "nan,1GB", "0,1GB", "1,2", "512,1024"] {
            assert!(matches!(text.parse::<Task>(), Err(TaskError::Form(_))), "{text}");
        }
    }
}
