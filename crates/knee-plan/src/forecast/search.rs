//! The capacity of a case: the highest rate that holds the goal.

use super::load::{Overload, Shown, show};
use super::parameters::Parameters;
use super::{Case, Effort, Interval, Method};
use crate::sim::Source;
use knee_core::Goal;
use knee_core::observe::{Bound, Resource};
use serde::{Deserialize, Serialize};

/// What a case carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Requests/s that hold the goal; 0 when not even a request alone does.
    pub rate: Interval,
    /// How that was found.
    pub method: Method,
    /// What gives out above it.
    pub binding: Resource,
    /// What nothing can exceed, requests/s.
    pub bound: f64,
}

/// Share of the bound that is as good as no load.
const ALONE: f64 = 0.01;

impl Case<'_> {
    /// The most requests/s that hold the goal, by simulation.
    pub fn carries(&self, goal: &Goal, effort: &Effort) -> Carried {
        let best = Parameters::best(self.profile);
        let bound = self.bound(&best);
        let found = self.search(&best, goal, effort, 0.8 * bound.rate);
        let [mut source] = Source::streams(effort.seed ^ DRAWS);
        let draft = Effort { resolution: 2.0 * effort.resolution, ..effort.cheaper() };
        let drawn = Parameters::drawn(self.profile, effort.draws, &mut source).into_iter();
        let draws = drawn.map(|drawn| {
            let guess = found.rate / bound.rate.max(1e-9) * self.bound(&drawn).rate;
            self.search(&drawn, goal, &draft, guess).rate
        });
        let drawn = Interval::around(found.rate, draws.collect());
        Carried {
            rate: match effort.draws {
                0 => drawn,
                _ => drawn.beside(&self.profile.residual.capacity),
            },
            method: Method::Simulation,
            binding: found.binding,
            bound: bound.rate,
        }
    }

    fn search(&self, parameters: &Parameters, goal: &Goal, effort: &Effort, guess: f64) -> Found {
        let bound = self.bound(parameters);
        let mut rate = guess.clamp(ALONE * bound.rate, bound.rate);
        let mut search = Search { low: None, high: None, bound };
        // Each step halves a bracket that begins at a factor of a hundred.
        for _ in 0..30 {
            let scenario = self.scenario(parameters, rate);
            let shown = show(&scenario, rate, goal, effort, Overload::GivenUp);
            search.note(rate, &shown, goal, self);
            match search.next(effort.resolution) {
                Some(next) => rate = next,
                None => break,
            }
        }
        search.found()
    }
}

/// Keeps the draws of profiles apart from those of requests.
const DRAWS: u64 = 0x70726f66;

struct Found {
    rate: f64,
    binding: Resource,
}

/// A rate that was simulated.
#[derive(Clone, Copy)]
struct Tried {
    rate: f64,
    /// Logarithm of the goal's quantile over the goal: below 0 where it held. None where it was
    /// given up.
    badness: Option<f64>,
    binding: Resource,
}

struct Search {
    low: Option<Tried>,
    high: Option<Tried>,
    bound: Bound,
}

impl Search {
    fn note(&mut self, rate: f64, shown: &Shown, goal: &Goal, case: &Case<'_>) {
        let badness = (shown.goal.is_finite() && shown.goal > 0.0)
            .then(|| libm::log(shown.goal / goal.latency.0));
        let binding = shown.outcome.binding(&case.network);
        let tried = Tried { rate, badness, binding };
        let held = shown.goal <= goal.latency.0 && shown.errors <= goal.errors;
        *(if held { &mut self.low } else { &mut self.high }) = Some(tried);
    }

    /// The next rate; None when the answer is narrow enough.
    fn next(&self, resolution: f64) -> Option<f64> {
        match (self.low, self.high) {
            (Some(low), None) if low.rate >= 0.999 * self.bound.rate => None,
            (Some(low), None) => Some((1.25 * low.rate).min(self.bound.rate)),
            (None, Some(high)) if high.rate <= 1.001 * ALONE * self.bound.rate => None,
            (None, Some(high)) => Some((high.rate / 1.4).max(ALONE * self.bound.rate)),
            (Some(low), Some(high)) if high.rate <= (1.0 + resolution) * low.rate => None,
            (Some(low), Some(high)) => Some(between(low, high)),
            (None, None) => None,
        }
    }

    fn found(&self) -> Found {
        let binding = self.high.or(self.low).map_or(self.bound.resource, |t| t.binding);
        let rate = match (self.low, self.high) {
            (Some(low), Some(high)) => meeting(low, high),
            (Some(low), None) => low.rate,
            _ => 0.0,
        };
        Found { rate, binding }
    }
}

/// Where badness, in a straight line over the logarithm of the rate, is 0; never near an end.
fn between(low: Tried, high: Tried) -> f64 {
    let width = libm::log(high.rate / low.rate);
    let share = crossing(low, high).unwrap_or(0.5).clamp(0.2, 0.8);
    low.rate * libm::exp(width * share)
}

/// Where the goal is met inside a bracket that is narrow enough.
fn meeting(low: Tried, high: Tried) -> f64 {
    low.rate + (high.rate - low.rate) * crossing(low, high).unwrap_or(0.5)
}

fn crossing(low: Tried, high: Tried) -> Option<f64> {
    let (below, above) = (low.badness?, high.badness?);
    // Held by latency and missed by errors has no crossing.
    (below <= 0.0 && above > 0.0).then(|| -below / (above - below))
}
