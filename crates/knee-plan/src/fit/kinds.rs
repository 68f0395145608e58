//! Several kinds of request told apart: each was sent by itself at low load.
//!
//! What lives here: how the mix's CPU and waiting are shared out among them. What never does: the CPU of the
//! mix itself (`time`), which many more steps tell.

use super::Observed;
use super::time::{LEAST_ERROR, deviation, scatter};
use knee_core::observe::Kind;
use knee_core::profile::{Class, Demand, Estimate, Shape};
use knee_core::task::Task;

/// A kind as its own step shows it.
struct Seen<'a> {
    kind: &'a Kind,
    /// CPU and waiting of a request, seconds.
    cpu: f64,
    wait: f64,
}

/// A class for each kind, whose CPU is in the mean what a request of the mix takes; None where the kinds were
/// not measured, or one of them too shortly to tell, or not lightly.
pub(super) fn classes(observed: &Observed<'_>, mix: &Estimate, idle: f64) -> Option<Vec<Class>> {
    let seen: Vec<Seen<'_>> = observed
        .calibration
        .kinds
        .iter()
        .map(|k| see(k, idle, observed.task))
        .collect::<Option<_>>()?;
    let weights: f64 = seen.iter().map(|s| s.kind.weight).sum();
    let mean = seen.iter().map(|s| s.kind.weight * s.cpu).sum::<f64>() / weights;
    if seen.len() < 2 || mean <= 0.0 {
        return None;
    }
    // Each class is drawn for itself: so that the mix stays as uncertain as it is, each is more so.
    let shares = seen.iter().map(|s| s.kind.weight * s.cpu / (weights * mean));
    let together = shares.map(|share| share * share).sum::<f64>().sqrt();
    let uncertain = mix.deviation / mix.value.max(1e-9) / together;
    let class = |s: &Seen<'_>| {
        let (name, n) = (&s.kind.name, s.kind.light.counts.ok as f64);
        let by = || observed.by(&format!("{name} by itself"));
        let shape = scatter(&s.kind.light, s.cpu);
        let cpu = mix.value * s.cpu / mean;
        let error = s.wait * (LEAST_ERROR + deviation(&shape) / n.sqrt());
        Class {
            name: name.clone(),
            weight: s.kind.weight,
            cpu: Demand {
                mean: Estimate::observed(cpu, cpu * uncertain, by()),
                shape: Shape::Constant,
            },
            wait: Demand { mean: Estimate::observed(s.wait, error, by()), shape },
            blocking: Demand::none(),
            offloaded: Demand::none(),
            calls: 1,
        }
    };
    Some(seen.iter().map(class).collect())
}

/// Answers below which a step says nothing of a kind.
const ANSWERS: u64 = 10;
/// Share of the task's CPU from which a kind by itself was no light load: its latency is that of a queue.
const BUSY: f64 = 0.7;

fn see(kind: &Kind, idle: f64, task: Task) -> Option<Seen<'_>> {
    let step = &kind.light;
    let used = step.usage.as_ref()?.cpu - idle;
    let cpu = used / step.throughput.max(1e-9);
    let answered = step.counts.ok >= ANSWERS && step.counts.failed_share() < 0.01;
    let told = answered && cpu > 0.0 && used < BUSY * task.cpu;
    told.then(|| Seen { kind, cpu, wait: (step.latency.mean - cpu).max(0.0) })
}
