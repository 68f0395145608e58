//! The Universal Scalability Law through what a run measured, beside the simulator: a cross-check that
//! knows nothing of runtimes.

use super::Check;
use crate::closed::usl::Usl;
use crate::forecast::{Case, Place};
use crate::statistics::median;
use knee_core::profile::Profile;
use serde::Serialize;

/// The law through a run's capacities, over the requests that settings serve at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Law {
    /// Settings that it goes through.
    pub settings: usize,
    /// Fewest and most requests that these serve at once.
    pub between: (f64, f64),
    /// Share of the work that only one can do at a time.
    pub contention: f64,
    /// Cost of each pair that has to agree.
    pub crosstalk: f64,
    /// Requests at once from which more carry less; None where more are never worse.
    pub peak: Option<f64>,
    /// How far the law is off in the median for a setting that it was fitted without, as a share.
    pub off: f64,
    /// The same of the simulator, which is fitted without capacities.
    pub simulated: f64,
}

/// Numbers of requests at once below which the law, which has three unknowns, goes through anything.
const ENOUGH: usize = 5;

/// The law through settings with their capacities; None where a run has measured too few that differ in
/// how much they serve at once.
pub fn law(profile: &Profile, checks: &[Check]) -> Option<Law> {
    let measured = profile.measured.as_ref()?;
    let place = Place::of(measured.task, measured.visible_cpus);
    let point = |check: &Check| {
        let network = Case::new(profile, &check.settings, place)?.network.concurrency();
        Some((network.slots.map_or(network.cores, f64::from), check.measured))
    };
    let points: Vec<(f64, f64)> = checks.iter().map(point).collect::<Option<_>>()?;
    let mut numbers: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let between = (*numbers.first()?, *numbers.last()?);
    let usl = Usl::fit(&points).filter(|_| numbers.len() >= ENOUGH)?;
    let without = |i: usize| {
        let (n, rate) = points[i];
        let others = points.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, p)| *p);
        Some((Usl::fit(&others.collect::<Vec<_>>())?.throughput(n) / rate - 1.0).abs())
    };
    let off: Vec<f64> = (0..points.len()).map(without).collect::<Option<_>>()?;
    let simulated: Vec<f64> = checks.iter().map(|check| check.error().abs()).collect();
    Some(Law {
        settings: points.len(),
        between,
        contention: usl.contention,
        crosstalk: usl.crosstalk,
        peak: usl.peak(),
        off: median(&off)?,
        simulated: median(&simulated)?,
    })
}
