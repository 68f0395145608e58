//! Auto scaling: what to leave free while load grows and a new task starts, and the targets that
//! follow.

use crate::forecast::{Carried, Load};
use serde::Serialize;

/// How load grows, and how long it takes until a new task serves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// Growth of the load in a minute, as a share: 0.1 is 10 %.
    pub per_minute: f64,
    /// Minutes from a load that is too high to a new task that serves: the alarm's three
    /// one-minute data points
    /// (<https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html>)
    /// and the start of a task.
    pub minutes: f64,
}

impl Default for Growth {
    /// Ten per cent a minute, three minutes to notice and one to start.
    fn default() -> Self {
        Growth { per_minute: 0.10, minutes: 4.0 }
    }
}

impl Growth {
    /// Share of what tasks carry that is used when scaling begins, so that the rest lasts until
    /// new tasks serve.
    pub fn usable(&self) -> f64 {
        libm::pow(1.0 + self.per_minute.max(0.0), -self.minutes.max(0.0))
    }
}

/// Targets for a target-tracking policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tracking {
    /// ALBRequestCountPerTarget: requests to a task in a minute.
    pub requests_per_minute: f64,
    /// ECSServiceAverageCPUUtilization, per cent; None where the CPU says little about what is left.
    pub cpu_percent: Option<f64>,
    /// Why these.
    pub because: String,
}

/// Least share of the CPU that a task uses at its capacity for the CPU to be a signal.
const TELLING: f64 = 0.6;

/// The targets of a task that carries so much; `at` is what it shows at the usable part of that.
pub(super) fn tracking(carries: &Carried, at: &Load, growth: &Growth) -> Tracking {
    let usable = growth.usable();
    let rate = usable * carries.rate.value;
    let full = at.cpu / usable;
    let cpu_percent = (full >= TELLING).then(|| (100.0 * at.cpu).round());
    let mut because = format!(
        "a task carries {:.0} requests/s; {:.0} % of that leave room for load that grows by {:.0} % \
         a minute while a new task takes {:.0} minutes to serve",
        carries.rate.value,
        100.0 * usable,
        100.0 * growth.per_minute,
        growth.minutes
    );
    if cpu_percent.is_none() {
        because += &format!(
            "; CPU is no signal here: the {} gives out while {:.0} % of the CPU are used",
            carries.binding,
            100.0 * full.min(1.0)
        );
    }
    Tracking { requests_per_minute: (60.0 * rate).floor(), cpu_percent, because }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_free_covers_the_growth() {
        let growth = Growth { per_minute: 0.10, minutes: 4.0 };
        let after = growth.usable() * 1.1 * 1.1 * 1.1 * 1.1;
        assert!((after - 1.0).abs() < 1e-12);
        assert_eq!(Growth { per_minute: 0.0, minutes: 4.0 }.usable(), 1.0);
    }
}
