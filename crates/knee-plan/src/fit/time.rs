//! CPU and waiting of a request.

use super::Observed;
use crate::forecast::{Case, Effort, Span};
use crate::statistics::line;
use knee_core::Goal;
use knee_core::observe::Step;
use knee_core::profile::{Demand, Estimate, Profile, Shape};

/// What CPU is used, without load and by requests.
pub(super) struct Cpu {
    pub per_request: Estimate,
    pub background: Estimate,
    pub contention: Estimate,
}

/// Least relative error of a CPU time: the same service measured again differs by as much.
const LEAST_ERROR: f64 = 0.03;
/// What contention may be where one step alone says nothing about it.
const UNKNOWN_CONTENTION: f64 = 0.10;
/// Most that contention is taken for, either way: beyond that something else is the matter.
const MOST_CONTENTION: f64 = 0.5;

/// A straight line through the CPU of a request over the share of the quota that is used.
pub(super) fn cpu(observed: &Observed<'_>) -> Cpu {
    let light = observed.light;
    let quota = observed.started.task.value.cpu;
    let usage = light.usage.as_ref().map_or(0.0, |u| u.cpu);
    // The calibration took the idle service's part off.
    let idle = (usage - observed.calibration.cpu.0 * light.throughput).clamp(0.0, usage);
    let used = |step: &Step| {
        let usage = step.usage.as_ref()?;
        let clean = step.counts.failed_share() < 0.01 && step.counts.ok >= 20;
        let share = (usage.cpu / quota).min(1.0);
        clean.then(|| (share, (usage.cpu - idle).max(0.0) / step.throughput.max(1e-9)))
    };
    let points: Vec<(f64, f64)> = observed.today().filter_map(used).collect();
    let measured = format!("{} steps", points.len());
    let alone = observed.calibration.cpu.0;
    let background = Estimate::observed(idle, 0.2 * idle, observed.by("without requests"));
    let Some((start, slope)) = line(&points).filter(|(start, _)| *start > 0.0) else {
        return Cpu {
            per_request: Estimate::observed(
                alone,
                2.0 * LEAST_ERROR * alone,
                observed.by("one step"),
            ),
            background,
            contention: Estimate::assumed(
                0.0,
                UNKNOWN_CONTENTION,
                "one rate does not tell how CPU per request grows with load",
            ),
        };
    };
    let error = |(share, cpu): &(f64, f64)| (cpu - start - slope * share) / start;
    let n = points.len() as f64;
    let square: f64 = points.iter().map(error).map(|e| e * e).sum();
    let scatter = (square / (n - 2.0).max(1.0)).sqrt().max(LEAST_ERROR);
    let mean = points.iter().map(|p| p.0).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|p| (p.0 - mean) * (p.0 - mean)).sum();
    let contention = (slope / start).clamp(-MOST_CONTENTION, MOST_CONTENTION);
    // A slope beyond belief is not taken; then the line goes through the middle of the points.
    let level = points.iter().map(|p| p.1 / (1.0 + contention * p.0)).sum::<f64>() / n;
    Cpu {
        per_request: Estimate::observed(level, level * scatter / n.sqrt(), observed.by(&measured)),
        background,
        contention: Estimate::observed(
            contention,
            (scatter / spread.sqrt().max(0.1)).min(UNKNOWN_CONTENTION),
            observed.by(&measured),
        ),
    }
}

/// What is left of the latency at low load: its mean, and how it scatters.
pub(super) fn wait(observed: &Observed<'_>, cpu: f64) -> Demand {
    let light = observed.light;
    let latency = &light.latency;
    let mean = if latency.mean > 0.0 { latency.mean } else { latency.p50 };
    let wait = (mean - cpu).max(0.0);
    let shape = scatter(light, cpu);
    let n = light.counts.ok.max(1) as f64;
    let error = wait * (LEAST_ERROR + deviation(&shape) / n.sqrt());
    Demand { mean: Estimate::observed(wait, error, observed.by("low load")), shape }
}

/// The distribution of the latency less the CPU, as far as so many requests tell it.
fn scatter(light: &Step, cpu: f64) -> Shape {
    let l = &light.latency;
    let low = if l.p10 > 0.0 { l.p10 } else { l.p50 };
    let told = [
        // A tenth is faster than this, how much is not known: as much as the median is slower.
        (0.0, (low - (l.p50 - low) * 0.25).max(0.0)),
        (0.1, low),
        (0.5, l.p50),
        (0.9, l.p90),
        (0.99, l.p99),
        (0.999, l.p999),
    ];
    let most = 1.0 - 1.0 / light.counts.ok.max(2) as f64;
    let mut points: Vec<(f64, f64)> = told.into_iter().filter(|(p, _)| *p <= most).collect();
    points.push((1.0, l.max.max(l.p50)));
    points.iter_mut().for_each(|(_, x)| *x = (*x - cpu).max(0.0));
    Shape::through(&points)
}

/// Standard deviation of a shape.
fn deviation(shape: &Shape) -> f64 {
    let square = |i: u32| {
        let x = crate::sim::quantile(shape, (f64::from(i) + 0.5) / 1000.0) - 1.0;
        x * x / 1000.0
    };
    (0..1000).map(square).sum::<f64>().sqrt()
}

/// Takes off the waiting what requests wait for each other at the low load: by as much as the
/// simulator says.
pub(super) fn without_queue(profile: &mut Profile, case: &Case<'_>, light: &Step) {
    let effort = Effort { span: Span::Steady { requests: 20_000 }, draws: 0, ..Effort::FULL };
    let goal = Goal { quantile: 0.5, ..Goal::default() };
    let said = case.under(light.throughput, &goal, &effort).p50.value;
    let excess = (said - light.latency.p50).clamp(0.0, light.latency.p50);
    for class in &mut profile.classes {
        let wait = &mut class.wait.mean;
        wait.value = (wait.value - excess).max(0.0);
    }
}
