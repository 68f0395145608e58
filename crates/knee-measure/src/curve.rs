//! The curve over offered rate, and where its knee is.

use knee_core::observe::Step;

/// Share by which throughput may stay behind the offered rate below the knee.
const BEHIND: f64 = 0.03;

/// The knee: the offered rate, in requests/s, from which on good answers stay more than 3 %
/// behind what is offered, interpolated between the steps around it. None when throughput
/// follows through the whole curve, or nowhere.
pub fn knee(curve: &[Step]) -> Option<f64> {
    let mut steps: Vec<(f64, f64)> =
        curve.iter().filter(|s| s.validity.is_valid()).map(|s| (s.offered, s.behind())).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let last = steps.iter().rposition(|(_, behind)| *behind <= BEHIND)?;
    let (below, above) = (steps[last], *steps.get(last + 1)?);
    let share = (BEHIND - below.1) / (above.1 - below.1);
    Some(below.0 + share * (above.0 - below.0))
}

trait Behind {
    fn behind(&self) -> f64;
}

impl Behind for Step {
    fn behind(&self) -> f64 {
        1.0 - self.throughput / self.offered
    }
}
