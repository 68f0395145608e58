//! What a service takes per request and per worker, with how firmly that is known: the file
//! `knee.lock`. It is fitted from a run of `knee tune`; `knee plan` forecasts from it.
//!
//! What lives here: the nouns and their meaning. What never does: the fit, forecasts, reading a file.

use crate::settings::Settings;
use crate::sourced::Origin;
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// A service as far as a model needs it. Times in seconds, memory in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this form.
    pub version: Version,
    /// What it is a profile of.
    pub service: String,
    /// The runtime that serves: an id of [`crate::runtimes::all`].
    pub runtime: String,
    /// Kinds of request. Their CPU is that of the whole task, front server included.
    pub classes: Vec<Class>,
    /// CPU that the task uses without any request, cores.
    pub background: Estimate,
    /// Growth of the CPU per request from an idle task to one that uses all its quota, as a
    /// share: 0.1 is 10 % more. Context switches, caches and locks.
    pub contention: Estimate,
    /// Growth of the CPU per request with each e-fold of processes beyond one for each CPU, as a
    /// share: caches that are filled, code that is compiled once for each of them, and loops that
    /// find fewer events at a time.
    pub crowding: Estimate,
    /// CPU of an idle process that wakes for a connection which another one takes, seconds.
    #[serde(default = "wake")]
    pub wake: Estimate,
    /// What memory is taken.
    pub memory: Memory,
    /// CPU to start one more process.
    pub start: Estimate,
    /// What a collector has to do; None where the runtime has none that settings pace.
    pub heap: Option<Heap>,
    /// How far measurements were off forecasts.
    #[serde(default)]
    pub residual: Residual,
    /// What was measured; None where all of it is assumed.
    pub measured: Option<Measured>,
}

/// What a wake-up in vain costs an interpreter: two context switches and a failing accept(2). 64 idle sync
/// workers of examples/gunicorn took 16 µs each for a connection.
pub fn wake() -> Estimate {
    Estimate::assumed(15e-6, 5e-6, "an accept that fails, and the switch to it and back")
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What it asks for.
    pub name: String,
    /// Share of the traffic relative to the other classes' weights.
    pub weight: f64,
    /// CPU on the process's own threads.
    pub cpu: Demand,
    /// Waiting for something else, a backend as a rule, while others may compute.
    pub wait: Demand,
    /// Waiting that holds up a whole event loop: a blocking call in asynchronous code.
    pub blocking: Demand,
    /// CPU handed to helper threads: libuv's pool, worker threads.
    pub offloaded: Demand,
    /// Times that it waits; the waiting is shared out evenly among them.
    pub calls: u32,
}

/// A time that requests of a class take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// Mean, seconds.
    pub mean: Estimate,
    /// How single requests scatter around it.
    pub shape: Shape,
}

/// A distribution with a mean of 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// All alike.
    #[default]
    Constant,
    /// Exponential.
    Exponential,
    /// Between these, in a straight line: probability from 0 to 1, and the multiple of the mean
    /// that a request does not exceed with it.
    Quantiles(Vec<(f64, f64)>),
}

/// A value, and how firmly it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// Its standard deviation, in the value's unit.
    pub deviation: f64,
    /// Who says so.
    pub origin: Origin,
}

/// Memory of the task, as its limit counts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// What does not grow with the number of processes.
    pub shared: Estimate,
    /// Each serving process.
    pub per_process: Estimate,
    /// Each request in service.
    pub per_request: Estimate,
}

/// What a collector that marks beside the program has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heap {
    /// Allocated by one request, bytes.
    pub per_request: Estimate,
    /// Live after a collection, bytes.
    pub live: Estimate,
    /// The collector's share of the program's CPU under the measured settings, from 0 to 1.
    pub collector: Estimate,
}

/// What a forecast cannot know: the logarithm of measured over forecast, in the mean and scattered around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// Of capacities.
    pub capacity: Estimate,
    /// Of 99th percentiles below them.
    pub latency: Estimate,
}

impl Default for Residual {
    /// As it was over the examples' grid, each cell forecast from its own calibrating run alone; see
    /// BENCHMARKS.md.
    fn default() -> Self {
        let seen = |(value, deviation)| {
            Estimate::assumed(value, deviation, "as far off as the examples' grid was")
        };
        Residual { capacity: seen(GRID_CAPACITY), latency: seen(GRID_LATENCY) }
    }
}

/// Mean and standard deviation of the residuals over the examples' grid.
const GRID_CAPACITY: (f64, f64) = (-0.02, 0.18);
const GRID_LATENCY: (f64, f64) = (0.38, 0.45);

/// Where a profile was measured; a forecast for anything else says how far it reaches beyond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The run: its name below `.knee/runs`.
    pub run: String,
    /// Size of the task.
    pub task: Task,
    /// CPUs that the task saw.
    pub visible_cpus: u32,
    /// Settings under which the requests were measured.
    pub settings: Settings,
    /// Lowest and highest rate, requests/s.
    pub rates: (f64, f64),
    /// Fewest and most serving processes among all settings measured.
    pub processes: (u32, u32),
    /// Fewest and most requests that one of them serves or computes at once; None in profiles that do
    /// not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<(u32, u32)>,
}

impl Estimate {
    /// A value taken to be so, with its standard deviation and the reason.
    pub fn assumed(value: f64, deviation: f64, because: impl Into<String>) -> Self {
        Estimate::new(value, deviation, Origin::Assumed { because: because.into() })
    }

    /// A value seen on the running system, with its standard deviation and what was looked at.
    pub fn observed(value: f64, deviation: f64, by: impl Into<String>) -> Self {
        Estimate::new(value, deviation, Origin::Observed { by: by.into() })
    }

    fn new(value: f64, deviation: f64, origin: Origin) -> Self {
        Estimate { value: told(value), deviation: told(deviation), origin }
    }
}

impl Demand {
    /// Nothing, as nothing is known of it.
    pub fn none() -> Self {
        Demand {
            mean: Estimate::assumed(0.0, 0.0, "nothing says otherwise"),
            shape: Shape::Constant,
        }
    }
}

impl Shape {
    /// Through these points, each a probability and a time, brought to a mean of 1; in
    /// ascending order. Constant where they say nothing.
    pub fn through(points: &[(f64, f64)]) -> Shape {
        let mut knots: Vec<(f64, f64)> = points.to_vec();
        let mut least = 0.0f64;
        for (_, x) in &mut knots {
            least = least.max(*x);
            *x = least;
        }
        let mean: f64 = knots.windows(2).map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0).sum();
        if knots.len() < 2 || !(mean.is_finite() && mean > 0.0) {
            return Shape::Constant;
        }
        Shape::Quantiles(knots.into_iter().map(|(p, x)| (p, told(x / mean))).collect())
    }
}

/// A value with six significant digits: no measurement tells more, and so many survive being
/// written and read as they are.
fn told(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The version of the form, which is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Version;

impl From<Version> for u32 {
    fn from(_: Version) -> u32 {
        1
    }
}

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        match version {
            1 => Ok(Version),
            other => Err(format!(
                "version {other} of a profile, while this knee reads version 1; measure again, or use the knee that wrote it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_profile_is_refused_with_the_remedy() {
        let error = serde_json::from_str::<Version>("2").unwrap_err().to_string();
        assert!(error.starts_with("version 2 of a profile") && error.contains("measure again"));
        assert_eq!(serde_json::to_string(&Version).unwrap(), "1");
    }

    #[test]
    fn a_shape_has_a_mean_of_one_and_ascends() {
        let shape = Shape::through(&[(0.0, 10.0), (0.5, 20.0), (0.9, 15.0), (1.0, 60.0)]);
        let Shape::Quantiles(knots) = shape else { panic!("{shape:?}") };
        let area = |w: &[(f64, f64)]| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0;
        let mean: f64 = knots.windows(2).map(area).sum();
        assert!((mean - 1.0).abs() < 1e-5, "{mean}");
        assert!(knots.windows(2).all(|w| w[0].1 <= w[1].1), "{knots:?}");
        assert_eq!(Shape::through(&[]), Shape::Constant);
        assert_eq!(Shape::through(&[(0.0, 0.0), (1.0, 0.0)]), Shape::Constant);
    }
}
