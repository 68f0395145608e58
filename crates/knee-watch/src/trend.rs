//! Whether something grows: a slope that outliers do not move, and how sure it is that there is one.
//! Pure.
//!
//! Sources: P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63
//! (1968); M. G. Kendall, Rank Correlation Methods (the test of Mann and Kendall, with ties).

/// A slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// Units per second: the median of the slopes of all pairs (Theil and Sen).
    pub per_second: f64,
    /// How many standard deviations the count of rising pairs is off what chance gives (Mann and
    /// Kendall); negative where it falls.
    pub z: f64,
}

/// Of points of (seconds, value), in order of time; None of fewer than four, or all at one time.
pub fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    if points.len() < 4 {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut score = 0i64;
    for (at, (t, value)) in points.iter().enumerate() {
        for (later, then) in points.iter().skip(at + 1) {
            score += sign(then - value);
            if later > t {
                slopes.push((then - value) / (later - t));
            }
        }
    }
    let per_second = median(&mut slopes)?;
    Some(Slope { per_second, z: z(score, points) })
}

fn sign(difference: f64) -> i64 {
    i64::from(difference > 0.0) - i64::from(difference < 0.0)
}

fn z(score: i64, points: &[(f64, f64)]) -> f64 {
    let weight = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|tied| weight(tied.len() as f64)).sum();
    let variance = (weight(values.len() as f64) - ties) / 18.0;
    if variance <= 0.0 {
        return 0.0;
    }
    (score - score.signum()) as f64 / variance.sqrt()
}

/// The middle one; None of none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_its_own_slope_and_outliers_do_not_move_it() {
        let mut points: Vec<(f64, f64)> =
            (0..20).map(|t| (f64::from(t), f64::from(3 * t))).collect();
        assert_eq!(slope(&points).unwrap().per_second, 3.0);
        points[4].1 = 9e9;
        points[11].1 = -9e9;
        let found = slope(&points).unwrap();
        assert!((found.per_second - 3.0).abs() < 0.2 && found.z > 3.0, "{found:?}");
    }

    #[test]
    fn a_level_has_none_and_kendalls_example_its_z() {
        let level: Vec<(f64, f64)> = (0..9).map(|t| (f64::from(t), 5.0)).collect();
        assert_eq!(slope(&level), Some(Slope { per_second: 0.0, z: 0.0 }));
        // Ten rising values: S = 45, variance = 10 × 9 × 25 / 18 = 125.
        let rising: Vec<(f64, f64)> = (0..10).map(|t| (f64::from(t), f64::from(t * t))).collect();
        assert!((slope(&rising).unwrap().z - 44.0 / 125f64.sqrt()).abs() < 1e-12);
        assert_eq!(slope(&rising[..3]), None);
    }

    proptest! {
        #[test]
        fn turned_upside_down_it_is_the_negative(values in prop::collection::vec(-1e6f64..1e6, 4..40)) {
            let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(t, v)| (t as f64, *v)).collect();
            let down: Vec<(f64, f64)> = points.iter().map(|(t, v)| (*t, -v)).collect();
            let (a, b) = (slope(&points).unwrap(), slope(&down).unwrap());
            prop_assert!((a.z + b.z).abs() < 1e-9 && a.z.is_finite());
            prop_assert!(a.per_second.is_finite());
        }
    }
}
