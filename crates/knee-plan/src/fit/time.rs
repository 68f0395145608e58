//! CPU and waiting of a request.

use super::Observed;
use crate::bounds::Demand;
use crate::forecast::{Case, Effort, Span, crowd, herd};
use crate::statistics::eliminate;
use knee_core::Goal;
use knee_core::model::Network;
use knee_core::observe::{Outcome, Step};
use knee_core::profile::{self, Estimate, Profile, Shape};
use knee_core::settings::Settings;

/// What CPU is used, without load and by requests.
pub(super) struct Cpu {
    pub per_request: Estimate,
    pub background: Estimate,
    pub contention: Estimate,
    pub crowding: Estimate,
}

/// Least relative error of a CPU time: the same service measured again differs by as much.
pub(super) const LEAST_ERROR: f64 = 0.03;
/// Relative error of the CPU of one step, until the steps tell better.
const STEP_ERROR: f64 = 0.06;
/// What growth with load is before anything is measured: none, give or take. It falls as often as it
/// grows: a busy program finds several events at a time, and its caches warm.
const GROWTH: (f64, f64) = (0.0, 0.2);

/// What growth with processes is before several numbers of them are measured: what is usual, and its
/// standard deviation.
pub fn crowding(network: &Network) -> (f64, f64) {
    (network.crowding, 0.03 + 0.4 * network.crowding)
}

/// CPU per request in one step.
struct Seen {
    /// Share of the quota that was used.
    busy: f64,
    /// How much more processes share a CPU than today.
    crowd: f64,
    /// Logarithm of the CPU of a request, seconds.
    cpu: f64,
}

/// The CPU of a request at rest, and how it grows with load and with processes: least squares over
/// all steps, held to what is usual as far as they do not tell (ridge regression).
pub(super) fn cpu(observed: &Observed<'_>) -> Cpu {
    let light = observed.light;
    let usage = light.usage.as_ref().map_or(0.0, |u| u.cpu);
    // The calibration took the idle service's part off.
    let idle = (usage - observed.calibration.cpu.0 * light.throughput).clamp(0.0, usage);
    let seen = seen(observed, idle);
    let today = observed.network(&observed.calibration.settings);
    let priors = [GROWTH, today.as_ref().map_or((0.0, 0.1), crowding)];
    let first = regress(&seen, STEP_ERROR, priors);
    let error = |s: &Seen| s.cpu - first.at(s);
    let square: f64 = seen.iter().map(|s| error(s) * error(s)).sum();
    let freedom = (seen.len() as f64 - 3.0).max(1.0);
    let scatter = (square / freedom).sqrt().max(LEAST_ERROR);
    let fitted = if seen.len() > 3 { regress(&seen, scatter, priors) } else { first };
    let by = || observed.by(&format!("{} steps", seen.len()));
    let [level, contention, crowding] = fitted.values;
    let [uncertain, contention_error, crowding_error] = fitted.deviations;
    let alone = libm::exp(level);
    Cpu {
        per_request: Estimate::observed(alone, alone * uncertain.max(LEAST_ERROR), by()),
        background: Estimate::observed(idle, 0.2 * idle, observed.by("without requests")),
        contention: Estimate::observed(libm::expm1(contention), contention_error, by()),
        crowding: Estimate::observed(crowding, crowding_error, by()),
    }
}

/// Every step that tells the CPU of a request.
fn seen(observed: &Observed<'_>, idle: f64) -> Vec<Seen> {
    let today = &observed.calibration.settings;
    let before = observed.network(today);
    let demand = Demand::from(observed.calibration);
    let crowded = |network: &Network| crowd(network.processes, observed.task);
    let told = |settings: &Settings, step: &Step| {
        let usage = step.usage.as_ref()?;
        // Where requests pile up, CPU is used for other requests than those that were answered.
        let clean = step.outcome == Outcome::Held
            && step.validity.is_valid()
            && step.counts.failed_share() < 0.01
            && step.counts.ok >= 20;
        let network = observed.network(settings)?;
        let woken = |network: &Network, rate: f64| {
            profile::wake().value * herd(network, rate, &demand, observed.task.cpu)
        };
        let light = |network: &Network| woken(network, observed.light.throughput);
        let more = woken(&network, step.throughput) - before.as_ref().map_or(0.0, light);
        let cpu = (usage.cpu - idle) / step.throughput.max(1e-9) - more;
        (clean && cpu > 0.0).then(|| Seen {
            busy: (usage.cpu / observed.task.cpu).min(1.0),
            crowd: crowded(&network) - before.as_ref().map_or(0.0, crowded),
            cpu: libm::log(cpu),
        })
    };
    // A collector that is paced otherwise takes another CPU.
    let alike = |settings: &Settings| {
        observed.network(settings).map(|n| n.collector)
            == observed.network(today).map(|n| n.collector)
    };
    let steps = observed.steps.iter().filter(|(settings, _)| alike(settings));
    let mut all: Vec<Seen> = std::iter::once(&(today, observed.light))
        .chain(steps)
        .filter_map(|(settings, step)| told(settings, step))
        .collect();
    if all.is_empty() {
        // Too few requests to believe in, and better than nothing.
        let cpu = libm::log(observed.calibration.cpu.0.max(1e-6));
        all.push(Seen { busy: 0.0, crowd: 0.0, cpu });
    }
    all
}

/// Level, growth with load and growth with processes, each with its standard deviation.
struct Fitted {
    values: [f64; 3],
    deviations: [f64; 3],
}

impl Fitted {
    fn at(&self, seen: &Seen) -> f64 {
        self.values[0] + self.values[1] * seen.busy + self.values[2] * seen.crowd
    }
}

fn regress(seen: &[Seen], error: f64, priors: [(f64, f64); 2]) -> Fitted {
    let precision = 1.0 / (error * error);
    // Normal equations, with the identity beside them for the variances.
    let mut rows = [[0.0; 7]; 3];
    rows[0][4] = 1.0;
    for (i, (mean, deviation)) in priors.into_iter().enumerate() {
        let prior = 1.0 / (deviation * deviation);
        let row = &mut rows[i + 1];
        (row[i + 1], row[3], row[5 + i]) = (prior, prior * mean, 1.0);
    }
    for s in seen {
        let terms = [1.0, s.busy, s.crowd];
        for (row, term) in rows.iter_mut().zip(terms) {
            for (value, other) in row.iter_mut().zip(terms) {
                *value += precision * term * other;
            }
            row[3] += precision * term * s.cpu;
        }
    }
    let solved = eliminate(rows).unwrap_or([[0.0; 7]; 3]);
    Fitted {
        values: [0, 1, 2].map(|i| solved[i][3]),
        deviations: [0, 1, 2].map(|i| solved[i][4 + i].max(0.0).sqrt()),
    }
}

/// What is left of the latency at low load: its mean, and how it scatters.
pub(super) fn wait(observed: &Observed<'_>, cpu: f64) -> profile::Demand {
    let light = observed.light;
    let latency = &light.latency;
    let mean = if latency.mean > 0.0 { latency.mean } else { latency.p50 };
    let wait = (mean - cpu).max(0.0);
    let shape = scatter(light, cpu);
    let n = light.counts.ok.max(1) as f64;
    let error = wait * (LEAST_ERROR + deviation(&shape) / n.sqrt());
    profile::Demand { mean: Estimate::observed(wait, error, observed.by("low load")), shape }
}

/// The distribution of the latency less the CPU, as far as so many requests tell it.
pub(super) fn scatter(light: &Step, cpu: f64) -> Shape {
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
pub(super) fn deviation(shape: &Shape) -> f64 {
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
