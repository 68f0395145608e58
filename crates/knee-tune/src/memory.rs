//! Which settings fit into the task's memory, as far as the calibration and the trials tell.

use crate::space::Candidate;
use crate::strategy::{Found, Problem, Tested};
use knee_core::settings::{Settings, Value};
use knee_plan::statistics;

/// By how much a forecast of memory may be off: a trial tells better, and costs little.
const DOUBT: f64 = 1.1;

/// What is known of the memory that settings take.
pub struct Room<'a> {
    problem: &'a Problem,
    /// What each process takes, and what they share, bytes.
    line: (f64, f64),
    /// Settings that took too much, and settings that failed otherwise.
    large: Vec<&'a Candidate>,
    failed: Vec<&'a Candidate>,
}

impl<'a> Room<'a> {
    /// Learns from all trials.
    pub fn new(problem: &'a Problem, tested: &[Tested]) -> Self {
        let candidate = |t: &Tested| problem.candidate(&t.settings);
        // What a memory setting adds is not the processes' own.
        let taken = |t: &Tested| {
            let candidate = candidate(t)?;
            Some((processes(candidate)?, t.memory? - candidate.cost.memory))
        };
        let taken: Vec<(f64, f64)> = tested.iter().filter_map(taken).collect();
        let (large, failed): (Vec<&Tested>, Vec<&Tested>) = tested
            .iter()
            .filter(|t| t.found == Found::Unfit)
            .partition(|t| t.memory.is_some_and(|bytes| bytes > problem.memory.limit));
        Room {
            problem,
            line: line(problem, &taken),
            large: large.into_iter().filter_map(candidate).collect(),
            failed: failed.into_iter().filter_map(candidate).collect(),
        }
    }

    /// Whether a setting may fit: by what it should take, and as it is no more of what did not.
    pub fn fits(&self, candidate: &Candidate) -> bool {
        let (each, shared) = self.line;
        let takes = processes(candidate).map(|n| each * n + shared + candidate.cost.memory);
        takes.is_none_or(|bytes| bytes <= self.problem.memory.limit * DOUBT)
            && !self.large.iter().any(|large| is_larger(candidate, large))
            && !self.failed.iter().any(|failed| is_more(candidate, failed))
    }
}

/// Whether a candidate takes no less memory than another one: by its processes and what its
/// memory settings add.
fn is_larger(candidate: &Candidate, other: &Candidate) -> bool {
    processes(candidate) >= processes(other)
        && candidate.cost.memory >= other.cost.memory
        && (processes(candidate).is_some() || is_more(candidate, other))
}

fn processes(candidate: &Candidate) -> Option<f64> {
    candidate.concurrency.map(|c| f64::from(c.processes))
}

/// Memory over processes: through the trials where they differ enough, else the calibration's
/// line raised to what the trials took, as services grow under load.
fn line(problem: &Problem, taken: &[(f64, f64)]) -> (f64, f64) {
    let memory = problem.memory;
    if let Some((shared, each)) = statistics::line(taken).filter(|(_, each)| *each > 0.0) {
        return (each, shared);
    }
    let growth = taken.iter().map(|(n, bytes)| bytes / (memory.shared + memory.each * n).max(1.0));
    let growth = growth.fold(1.0, f64::max);
    (memory.each * growth, memory.shared * growth)
}

/// Whether a candidate is another one with more of something: workers, threads, heap.
fn is_more(candidate: &Candidate, other: &Candidate) -> bool {
    let same_choices = choices(&candidate.settings).eq(choices(&other.settings));
    same_choices && candidate.amounts.iter().zip(&other.amounts).all(|(a, b)| a >= b)
}

fn choices(settings: &Settings) -> impl Iterator<Item = (&String, &Value)> {
    settings.0.iter().filter(|(_, value)| value.as_text().is_some())
}
