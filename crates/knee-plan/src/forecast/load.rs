//! A case at a rate: latencies, what is used, what binds.

use super::parameters::Parameters;
use super::{Case, Effort, Interval, Method, Need, Span};
use crate::sim::{Arrivals, Outcome, Run, Scenario, Source, simulate};
use knee_core::Goal;
use knee_core::observe::Resource;
use serde::Serialize;

/// What a case shows at a rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Load {
    /// Requests/s to the task.
    pub rate: f64,
    /// Median latency, seconds; infinite where the rate is not carried.
    pub p50: Interval,
    /// 99th percentile, seconds.
    pub p99: Interval,
    /// The quantile that the goal names, seconds.
    pub goal: Interval,
    /// Share of requests that fail.
    pub errors: f64,
    /// Attempts that clients make for a request; 1 where none tries again.
    pub attempts: f64,
    /// CPU used, as a share of the task's vCPU.
    pub cpu: f64,
    /// Share of the periods in which the quota runs out.
    pub throttled: f64,
    /// The station that is nearest to its capacity.
    pub binding: Resource,
    /// Requests in service that 999 of 1,000 arrivals do not find exceeded.
    pub in_service: u32,
    /// Memory that this takes.
    pub memory: Need,
    /// How it was found.
    pub method: Method,
}

impl Case<'_> {
    /// What the case shows at so many requests/s, by simulation.
    pub fn under(&self, rate: f64, goal: &Goal, effort: &Effort) -> Load {
        let best = Parameters::best(self.profile);
        let simulated = |parameters: &Parameters, effort: &Effort| {
            show(&self.scenario(parameters, rate), rate, goal, effort, Overload::ToItsEnd)
        };
        let shown = simulated(&best, effort);
        let [mut source] = Source::streams(effort.seed ^ DRAWS);
        let cheaper = effort.cheaper();
        let drawn = Parameters::drawn(self.profile, effort.draws, &mut source);
        let drawn: Vec<Shown> =
            drawn.iter().map(|parameters| simulated(parameters, &cheaper)).collect();
        let around =
            |of: fn(&Shown) -> f64| Interval::around(of(&shown), drawn.iter().map(of).collect());
        let tail = |of: fn(&Shown) -> f64| match effort.draws {
            0 => around(of),
            _ => around(of).beside(&self.profile.residual.latency).above(shown.p50),
        };
        let in_service = found_quantile(&shown.outcome, 0.999);
        let background = self.profile.background.value / self.place.speed;
        Load {
            rate,
            p50: around(|s| s.p50),
            p99: tail(|s| s.p99),
            goal: tail(|s| s.goal),
            errors: shown.errors,
            attempts: shown.outcome.attempts(),
            cpu: (shown.outcome.cpu + background) / self.place.task.cpu,
            throttled: shown.outcome.throttled,
            binding: shown.outcome.binding(&self.network),
            in_service,
            memory: self.memory(f64::from(in_service)),
            method: Method::Simulation,
        }
    }
}

impl Case<'_> {
    /// The goal's quantile in each of so many steps of a measurement: how far single steps differ
    /// by chance.
    pub fn steps(&self, rate: f64, goal: &Goal, seconds: f64, count: u32, seed: u64) -> Vec<f64> {
        let scenario = self.scenario(&Parameters::best(self.profile), rate);
        let one = |step: u32| {
            let span = Span::Steps { warm_up: WARM_UP, seconds, count: 1 };
            let effort = Effort { span, seed: seed + u64::from(step), ..Effort::MEASURED };
            show(&scenario, rate, goal, &effort, Overload::ToItsEnd).goal
        };
        (0..count).map(one).collect()
    }
}

/// Seconds before the counted part of a measured step.
pub(crate) const WARM_UP: f64 = 0.5;

/// The same profiles are drawn at every rate, so that a curve is smooth.
const DRAWS: u64 = 0x6c6f6164;

impl Effort {
    /// For one of many draws.
    pub(crate) fn cheaper(&self) -> Effort {
        let span = match self.span {
            Span::Steady { requests } => Span::Steady { requests: requests.div_ceil(5).max(2_000) },
            Span::Steps { warm_up, seconds, count } => {
                Span::Steps { warm_up, seconds, count: count.div_ceil(3) }
            }
        };
        Effort { span, ..*self }
    }
}

/// What a simulation showed at a rate.
pub(super) struct Shown {
    pub p50: f64,
    pub p99: f64,
    /// The goal's quantile.
    pub goal: f64,
    pub errors: f64,
    /// Of steps: the last one's.
    pub outcome: Outcome,
}

/// Whether an overload is simulated to its end: only where its latencies are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Overload {
    ToItsEnd,
    GivenUp,
}

/// Simulates a rate.
pub(super) fn show(
    scenario: &Scenario,
    rate: f64,
    goal: &Goal,
    effort: &Effort,
    overload: Overload,
) -> Shown {
    let give_up = |requests: u64| {
        // As many may be late as the goal lets, and a few more that tell by how much.
        let most = (1.0 - goal.quantile) * requests as f64 * 2.0 + 5.0;
        (overload == Overload::GivenUp).then_some((goal.latency.0, most as u64))
    };
    match effort.span {
        Span::Steady { requests } => {
            let warm_up = requests / 10;
            let run = Run { requests, warm_up, seed: effort.seed, give_up: give_up(requests) };
            shown(simulate(scenario, &run), goal)
        }
        // Of many requests a step is as good as a day; arrivals that are not independent of each
        // other are not dealt out anew.
        Span::Steps { seconds, .. }
            if rate * seconds > MANY || !matches!(scenario.arrivals, Arrivals::Poisson(_)) =>
        {
            let requests = (rate * seconds).clamp(1_000.0, MANY) as u64;
            let warm_up = requests / 10;
            let run = Run { requests, warm_up, seed: effort.seed, give_up: give_up(requests) };
            shown(simulate(scenario, &run), goal)
        }
        Span::Steps { warm_up, seconds, count } => {
            let [mut source] = Source::streams(effort.seed ^ ARRIVALS);
            let steps = (0..u64::from(count.max(1))).map(|step| {
                let (before, counted) =
                    ((rate * warm_up).round(), (rate * seconds).round().max(1.0));
                let mut times = places(&mut source, before as u64, 0.0, warm_up);
                times.extend(places(&mut source, counted as u64, warm_up, seconds));
                let requests = counted as u64;
                let run = Run {
                    requests,
                    warm_up: times.len() as u64 - requests,
                    seed: effort.seed.wrapping_add(step),
                    give_up: give_up(requests),
                };
                let scenario = Scenario { arrivals: Arrivals::Recorded(times), ..scenario.clone() };
                shown(simulate(&scenario, &run), goal)
            });
            middle(steps.collect())
        }
    }
}

/// Requests of a step from which on more of them say the same.
const MANY: f64 = 10_000.0;
const ARRIVALS: u64 = 0x61727269;

/// As the generator of a measurement paces: exactly so many requests, at independent places.
fn places(source: &mut Source, count: u64, from: f64, seconds: f64) -> Vec<f64> {
    let mut times: Vec<f64> = (0..count).map(|_| from + seconds * source.uniform()).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn shown(outcome: Outcome, goal: &Goal) -> Shown {
    let at = |q| if outcome.overloaded { f64::INFINITY } else { outcome.quantile(q) };
    Shown {
        p50: at(0.5),
        p99: at(0.99),
        goal: at(goal.quantile),
        errors: outcome.failed_share(),
        outcome,
    }
}

/// The middle of several steps, figure by figure.
fn middle(steps: Vec<Shown>) -> Shown {
    let at = |of: fn(&Shown) -> f64| {
        let mut values: Vec<f64> = steps.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (p50, p99, goal, errors) = (at(|s| s.p50), at(|s| s.p99), at(|s| s.goal), at(|s| s.errors));
    let outcome = steps.into_iter().last().map(|s| s.outcome).unwrap_or_default();
    Shown { p50, p99, goal, errors, outcome }
}

/// The number in service that a share of `q` of the arrivals did not find exceeded.
fn found_quantile(outcome: &Outcome, q: f64) -> u32 {
    let all: u64 = outcome.found.iter().sum();
    let mut sum = 0;
    let reached = |n: &u64| {
        sum += n;
        sum as f64 >= q * all as f64
    };
    outcome.found.iter().position(reached).unwrap_or(0) as u32 + 1
}
