//! Forecasts: what a service would do under other settings, in other tasks, at other rates.
//!
//! The settings become stations (`knee_core::runtimes`), the profile says what requests take,
//! the simulator what becomes of them. Intervals carry the profile's uncertainty: the same
//! forecast for profiles drawn at random around the best one.

mod case;
mod load;
mod parameters;
mod quick;
mod search;
mod traffic;

pub use case::{Case, Need, Place, heap};
pub(crate) use case::{crowd, herd};
pub use load::Load;
pub(crate) use load::WARM_UP;
pub use quick::capacity;
pub use search::Carried;
pub use traffic::{Pattern, Traffic};

use knee_core::profile::Estimate;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A forecast figure with what it may be instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The best guess.
    pub value: f64,
    /// Lower end of the 90 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// A value that is known.
    pub fn exactly(value: f64) -> Interval {
        Interval { value, low: value, high: value }
    }

    /// A best guess among draws: from the 5th to the 95th percentile of them, the guess inside.
    fn around(value: f64, mut draws: Vec<f64>) -> Interval {
        draws.sort_by(f64::total_cmp);
        let at = |q: f64| {
            let place = q * (draws.len().max(1) - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let (low, high) = (draws.get(below)?, draws.get(above)?);
            // Between an infinite and a finite draw there is no middle.
            Some(if low == high { *low } else { low + (high - low) * (place - place.floor()) })
        };
        let low = at(0.05).map_or(value, |low| low.min(value));
        let high = at(0.95).map_or(value, |high| high.max(value));
        Interval { value, low, high }
    }

    /// The same with what forecasts cannot know: `residual` is the logarithm of measured over forecast.
    pub fn beside(self, residual: &Estimate) -> Interval {
        let Interval { value, low, high } = self;
        if !(value > 0.0 && value.is_finite()) {
            return self;
        }
        let off = NINE_OF_TEN * residual.deviation;
        let far = |end: f64| libm::hypot(libm::log(end / value), off);
        let low = value * libm::exp(residual.value - far(low.max(f64::MIN_POSITIVE)));
        let high = value * libm::exp(residual.value + far(high));
        Interval { value, low: low.min(value), high: high.max(value) }
    }

    /// The same, its lower end no lower than this.
    fn above(self, least: f64) -> Interval {
        Interval { low: self.low.max(least.min(self.value)), ..self }
    }
}

/// Standard deviations to each side within which nine of ten normal deviates are.
const NINE_OF_TEN: f64 = 1.645;

/// How a forecast was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Nothing can exceed it.
    Bound,
    /// A formula of queueing theory.
    ClosedForm,
    /// The simulator.
    Simulation,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Bound => "bound",
            Method::ClosedForm => "closed form",
            Method::Simulation => "simulation",
        })
    }
}

/// How much is spent on a forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// What is simulated at each rate.
    pub span: Span,
    /// Relative width at which the search for a capacity ends.
    pub resolution: f64,
    /// Profiles drawn for the interval; none makes it a point.
    pub draws: u32,
    /// One seed, one answer.
    pub seed: u64,
}

/// What is simulated at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// So many requests in steady state: what a day will show.
    Steady {
        /// Requests that are counted.
        requests: u64,
    },
    /// Steps as a measurement makes them: each starts anew, and the middle one counts. A step is
    /// too short for the longest queues, so that a measured capacity is higher than a day's.
    Steps {
        /// Seconds before the counted part.
        warm_up: f64,
        /// Seconds that are counted.
        seconds: f64,
        /// Steps.
        count: u32,
    },
}

impl Effort {
    /// Enough to rank settings: about a millisecond for each.
    pub const DRAFT: Effort =
        Effort { span: Span::Steady { requests: 3_000 }, resolution: 0.04, draws: 0, seed: 1 };
    /// What a measurement of a capacity will find, whose confirming steps take six seconds.
    pub const MEASURED: Effort = Effort {
        span: Span::Steps { warm_up: WARM_UP, seconds: 6.0, count: 5 },
        resolution: 0.03,
        draws: 0,
        seed: 1,
    };
    /// Enough to show.
    pub const FULL: Effort =
        Effort { span: Span::Steady { requests: 20_000 }, resolution: 0.02, draws: 12, seed: 1 };
}

#[cfg(test)]
mod tests;
