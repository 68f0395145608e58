//! How far off a profile's forecasts are from what its own run measured.

use super::FitError;
use crate::forecast::{Case, Effort, Place, Span, WARM_UP};
use crate::statistics::median;
use knee_core::Goal;
use knee_core::event::Event;
use knee_core::observe::{Capacity, Outcome, Step};
use knee_core::profile::Profile;
use knee_core::settings::Settings;
use serde::Serialize;

/// A setting that was measured, with its forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The settings.
    pub settings: Settings,
    /// Measured capacity, requests/s.
    pub measured: f64,
    /// What the profile forecasts for a measurement of the same length, requests/s.
    pub forecast: f64,
    /// Latencies below that capacity.
    pub tails: Vec<Tail>,
}

/// The goal's quantile of the latency in one step, with its forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tail {
    /// Offered rate over the measured capacity.
    pub load: f64,
    /// Share of the periods in which the quota ran out, as measured.
    pub throttled: f64,
    /// Measured, seconds.
    pub measured: f64,
    /// Forecast for a step of the same length, seconds; infinite where the rate is not carried.
    pub forecast: f64,
    /// Between these are nine of ten such steps, by chance alone.
    pub between: (f64, f64),
}

impl Check {
    /// Forecast over measured, less 1.
    pub fn error(&self) -> f64 {
        self.forecast / self.measured - 1.0
    }
}

impl Tail {
    /// Forecast over measured, less 1.
    pub fn error(&self) -> f64 {
        self.forecast / self.measured - 1.0
    }
}

/// Steps that are simulated for one that was measured.
const STEPS: u32 = 41;
/// Requests below which a step tells no tail: one in a hundred of them is a request.
const TOLD: u64 = 200;
/// Share of the capacity above which a latency is that of a queue without end.
const BELOW: f64 = 0.9;

/// The steps of a search that tell a tail, with what the case forecasts for them.
fn tails(case: &Case<'_>, capacity: &Capacity, goal: &Goal) -> Vec<Tail> {
    let told = |step: &&Step| {
        let below = step.offered <= BELOW * capacity.rate;
        let clean = step.outcome == Outcome::Held && step.validity.is_valid();
        below && clean && step.counts.ok >= TOLD && step.latency.goal > 0.0
    };
    let tail = |step: &Step| {
        let mut steps = case.steps(step.offered, goal, step.seconds, STEPS, Effort::MEASURED.seed);
        steps.sort_by(f64::total_cmp);
        let at = |share: f64| steps[(share * (STEPS - 1) as f64).round() as usize];
        Tail {
            load: step.offered / capacity.rate,
            throttled: step.usage.as_ref().map_or(0.0, |u| u.throttled),
            measured: step.latency.goal,
            forecast: median(&steps).unwrap_or(f64::INFINITY),
            between: (at(0.05), at(0.95)),
        }
    };
    capacity.curve.iter().filter(told).map(tail).collect()
}

/// As the measurement was made: a short step lets more pass than a long one.
fn as_long(capacity: &Capacity) -> Effort {
    let seconds = capacity.at.as_ref().map(|step| step.seconds).filter(|s| *s > 0.0);
    let span = |seconds| Span::Steps { warm_up: WARM_UP, seconds, count: 5 };
    seconds.map_or(Effort::MEASURED, |s| Effort { span: span(s), ..Effort::MEASURED })
}

/// Every setting of the run that carried anything, with its forecast.
pub fn check(run: &str, events: &[Event], profile: &Profile) -> Result<Vec<Check>, FitError> {
    let started = events.iter().find_map(|event| match event {
        Event::Started(started) => Some(started),
        _ => None,
    });
    let started = started.ok_or_else(|| FitError::NotCalibrated(run.into()))?;
    let place = Place::of(started.task.value, started.machine.cpus.max(1));
    let goal = started.goal.value;
    let tried = events.iter().filter_map(|event| match event {
        Event::Tried(trial) if trial.rejected.is_none() => {
            Some((&trial.settings, trial.capacity.as_ref()?))
        }
        _ => None,
    });
    let checked = tried.filter(|(_, c)| c.rate > 0.0 && c.validity.is_valid());
    Ok(checked
        .filter_map(|(settings, capacity)| {
            let case = Case::new(profile, settings, place)?;
            let forecast = case.carries(&goal, &as_long(capacity)).rate.value;
            let tails = tails(&case, capacity, &goal);
            Some(Check { settings: settings.clone(), measured: capacity.rate, forecast, tails })
        })
        .collect())
}
