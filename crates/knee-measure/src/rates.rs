//! Load at given rates, one after the other: a curve without a search.

use crate::search::limit;
use knee_core::Goal;
use knee_core::observe::{Capacity, Outcome, Step, Validity};

/// Measures each of these rates for `seconds` seconds, the lowest first. The capacity is the
/// highest one up to which all held; 0 when the lowest missed.
pub fn measure_rates<E>(
    measure: &mut dyn FnMut(f64, f64) -> Result<Step, E>,
    rates: &[f64],
    seconds: f64,
    goal: &Goal,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Capacity, E> {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    let mut curve = Vec::new();
    for rate in rates {
        let step = measure(rate, seconds)?;
        on_step(&step);
        curve.push(step);
    }
    let held = curve.iter().take_while(|step| step.outcome == Outcome::Held);
    let at = held.last().cloned();
    let above = curve.iter().find(|step| step.outcome != Outcome::Held);
    let mut validity = Validity::default();
    at.iter().chain(above).for_each(|step| validity.merge(&step.validity));
    let limited_by = limit(above, goal.quantile);
    Ok(Capacity {
        rate: at.as_ref().map_or(0.0, |s| s.offered),
        spread: None,
        at,
        curve,
        limited_by,
        validity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::observe::{Counts, Latency};
    use std::convert::Infallible;

    /// A service that holds the goal up to 100 requests/s.
    fn measured(rates: &[f64]) -> Capacity {
        let mut step = |rate: f64, seconds: f64| -> Result<Step, Infallible> {
            let held = rate <= 100.0;
            Ok(Step {
                offered: rate,
                seconds,
                throughput: rate.min(100.0),
                counts: Counts { ok: 100, ..Counts::default() },
                latency: Latency { goal: if held { 0.1 } else { 2.0 }, ..Latency::default() },
                outcome: if held { Outcome::Held } else { Outcome::Missed },
                usage: None,
                validity: Validity::default(),
            })
        };
        let goal = Goal::default();
        let Ok(capacity) = measure_rates(&mut step, rates, 2.0, &goal, &mut |_| {});
        capacity
    }

    #[test]
    fn the_capacity_is_the_highest_rate_that_held() {
        let capacity = measured(&[200.0, 50.0, 90.0]);
        assert_eq!((capacity.rate, capacity.curve.len()), (90.0, 3));
        assert_eq!(capacity.limited_by.evidence, "at 200.0 requests/s p99 was 2.00 s");
    }

    #[test]
    fn nothing_held_or_nothing_missed() {
        assert_eq!((measured(&[150.0]).rate, measured(&[150.0]).at), (0.0, None));
        let capacity = measured(&[10.0]);
        assert_eq!(capacity.rate, 10.0);
        assert!(capacity.limited_by.evidence.starts_with("no rate that was offered"));
    }
}
