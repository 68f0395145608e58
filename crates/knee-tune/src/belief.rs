//! What is believed of every setting's capacity: the model's forecast, corrected by what was
//! measured, near points more than far ones (a Gaussian process over the logarithm of
//! measured over forecast).

use crate::space::Candidate;
use crate::strategy::{Found, Problem, Tested};
use knee_core::model::Concurrency;
use knee_plan::gaussian::{Belief, Kernel, Process, Seen, density, exceeds};
use knee_plan::{Demand, bound, capacity};

/// What the model's error may be: all forecasts alike, and each by itself. A factor of two in
/// the number of slots or processes is related, a factor of ten hardly.
const MODELLED: Kernel = Kernel { amplitude: 0.15, length: 2.5, common: 0.25 };
/// Without a model.
const UNKNOWN: Kernel = Kernel { amplitude: 0.4, length: 1.5, common: 0.25 };
/// Standard deviation of what one short step tells of the capacity, on a logarithmic scale.
const SHORT: f64 = 0.07;
/// Slack on a bound: CPU per request at low load is itself a measurement.
const SLACK: f64 = 1.10;
/// Least share of its bound that a forecast is taken for, to keep logarithms finite.
const LEAST: f64 = 0.02;

/// What is believed of every setting.
pub struct Beliefs<'a> {
    problem: &'a Problem,
    process: Process,
    /// Stands for a forecast where there is no model, requests/s.
    level: f64,
    /// By how much a bound may be exceeded: what was measured above its own bound shows how
    /// far the calibration is off.
    slack: f64,
}

/// A candidate with the demand of a request under it.
fn modelled(problem: &Problem, candidate: &Candidate) -> Option<(Concurrency, Demand)> {
    let demand = problem.demand?;
    Some((candidate.concurrency?, Demand { cpu: demand.cpu * candidate.cost.cpu, ..demand }))
}

/// How good a candidate may be.
pub struct Chance {
    /// Probability that it beats the best by more than the noise.
    pub probability: f64,
    /// Expected gain over the best, as a logarithm.
    pub gain: f64,
    /// What it is expected to carry, requests/s.
    pub mean: f64,
    /// What it may reach, requests/s.
    pub high: f64,
}

impl<'a> Beliefs<'a> {
    /// Learns from all trials.
    pub fn new(problem: &'a Problem, tested: &[Tested]) -> Self {
        let kernel = if problem.demand.is_some() { MODELLED } else { UNKNOWN };
        let level = tested.iter().find_map(|t| t.found.rate()).unwrap_or(1.0);
        let mut beliefs =
            Beliefs { problem, process: Process::new(kernel, &[]), level, slack: SLACK };
        let seen: Vec<(Vec<f64>, Seen)> =
            tested.iter().filter_map(|trial| beliefs.seen(trial)).collect();
        beliefs.process = Process::new(kernel, &seen);
        let over = tested.iter().filter_map(|t| {
            Some(SLACK * t.found.rate()? / (beliefs.bound(problem.candidate(&t.settings)?) / SLACK))
        });
        beliefs.slack = over.fold(SLACK, f64::max);
        beliefs
    }

    /// A trial as an observation of the model's error.
    fn seen(&self, trial: &Tested) -> Option<(Vec<f64>, Seen)> {
        let candidate = self.problem.candidate(&trial.settings)?;
        let forecast = self.forecast(candidate);
        let error = |rate: f64| (rate / forecast).max(LEAST).ln();
        // Repeats differ by more than what one search sees of itself.
        let noise = trial.spread.map_or(self.problem.noise, |s| s.max(self.problem.noise));
        let seen = match trial.found {
            Found::Carries(rate) => Seen::Value(error(rate), noise),
            Found::Below(rate) => Seen::Below(error(rate), SHORT),
            Found::Unfit => return None,
        };
        Some((candidate.point.clone(), seen))
    }

    /// Forecast of the model alone, requests/s: the simulator's, else a closed form's; today's capacity
    /// where there is none.
    pub fn forecast(&self, candidate: &Candidate) -> f64 {
        let p = self.problem;
        let Some((c, demand)) = modelled(p, candidate) else { return self.level };
        let least = LEAST * bound(&c, &demand, p.task_cpu).rate;
        let forecast = candidate.forecast;
        forecast.unwrap_or_else(|| capacity(&c, &demand, p.task_cpu, &p.goal)).max(least)
    }

    /// The most that the candidate can reach, requests/s.
    fn bound(&self, candidate: &Candidate) -> f64 {
        let task_cpu = self.problem.task_cpu;
        modelled(self.problem, candidate)
            .map_or(f64::INFINITY, |(c, demand)| bound(&c, &demand, task_cpu).rate * self.slack)
    }

    /// Belief about the logarithm of the capacity.
    pub fn at(&self, candidate: &Candidate) -> Belief {
        let Belief { mean, deviation } = self.process.at(&candidate.point);
        Belief { mean: self.forecast(candidate).ln() + mean, deviation }
    }

    /// Logarithm of what the best trial is believed to carry; None when none carries anything.
    pub fn best(&self, tested: &[Tested]) -> Option<f64> {
        let carries = tested.iter().filter(|t| t.found.rate().is_some());
        let mean = |t: &Tested| Some(self.at(self.problem.candidate(&t.settings)?).mean);
        carries.filter_map(mean).max_by(f64::total_cmp)
    }

    /// How likely, and by how much, the candidate beats `best`, a logarithm.
    pub fn chance(&self, candidate: &Candidate, best: f64) -> Chance {
        let Belief { mean, deviation } = self.at(candidate);
        let most = self.bound(candidate).ln();
        let target = best + self.problem.noise;
        let z = |target: f64| (target - mean) / deviation.max(1e-9);
        let gain = |z: f64| deviation * (density(z) - z * exceeds(z)).max(0.0);
        let reachable = most >= target;
        Chance {
            probability: if reachable { exceeds(z(target)) } else { 0.0 },
            gain: if reachable { gain(z(best)) } else { 0.0 },
            mean: mean.exp(),
            high: (mean + 1.96 * deviation).min(most).exp(),
        }
    }
}
