//! The curve over offered rate, and where its knee is.

use knee_core::observe::Step;

/// Share by which throughput may stay behind the offered rate below the knee.
const BEHIND: f64 = 0.03;

/// The knee: the offered rate, in requests/s, from which on good answers stay more than 3 %
/// behind what is offered, interpolated between the steps around it. None when throughput
/// follows through the whole curve, or nowhere.
pub fn knee(curve: &[Step]) -> Option<f64> {
    let mut steps: Vec<(f64, f64)> =
        curve.iter().filter(|s| s.validity.is_valid()).map(|s| (s.offered, behind(s))).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let last = steps.iter().rposition(|(_, behind)| *behind <= BEHIND)?;
    let (below, above) = (steps[last], *steps.get(last + 1)?);
    let share = (BEHIND - below.1) / (above.1 - below.1);
    Some(below.0 + share * (above.0 - below.0))
}

/// Share by which throughput stays behind the offered rate.
fn behind(step: &Step) -> f64 {
    1.0 - step.throughput / step.offered
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::observe::{Counts, Latency, Outcome, Validity};

    fn curve(points: &[(f64, f64)]) -> Vec<Step> {
        let step = |(offered, throughput): &(f64, f64)| Step {
            offered: *offered,
            seconds: 2.0,
            throughput: *throughput,
            counts: Counts::default(),
            latency: Latency::default(),
            outcome: Outcome::Held,
            usage: None,
            validity: Validity::default(),
        };
        points.iter().map(step).collect()
    }

    #[test]
    fn the_knee_is_where_throughput_stays_behind() {
        // 1 % behind at 100, 5 % behind at 110: half way.
        let found = knee(&curve(&[(200.0, 105.0), (50.0, 50.0), (110.0, 104.5), (100.0, 99.0)]));
        assert!((found.unwrap() - 105.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_curve_that_follows_or_never_does_has_none() {
        for points in [&[(50.0, 50.0), (100.0, 99.0)][..], &[(50.0, 20.0), (100.0, 20.0)], &[]] {
            assert_eq!(knee(&curve(points)), None, "{points:?}");
        }
    }

    /// An odd step below does not make a knee, and an invalid one does not count.
    #[test]
    fn it_is_the_last_one_and_of_valid_steps_only() {
        let mut steps = curve(&[(50.0, 40.0), (100.0, 100.0), (110.0, 66.0), (120.0, 90.0)]);
        steps[2].validity.invalid.push("the generator was late".into());
        let found = knee(&steps).unwrap();
        assert!((found - 102.4).abs() < 1e-9, "{found}");
    }
}
