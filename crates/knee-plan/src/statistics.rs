//! What few noisy measurements allow to say.

use knee_core::event::Confirmation;

/// 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook
/// of Statistical Methods, 1.3.6.7.2).
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// Student's t that a 95 % interval takes with this many degrees of freedom.
pub fn student(freedom: usize) -> f64 {
    match freedom {
        0 => f64::INFINITY,
        f => STUDENT.get(f - 1).copied().unwrap_or(2.0),
    }
}

/// Gain of the second over the first of each pair: the geometric mean of the ratios with its
/// 95 % interval, by Student's t on their logarithms. `least` is the standard deviation that one
/// ratio has at the least, by what its own measurements tell: pairs that happen to agree are no
/// better than that. None below two pairs or where a capacity is not positive.
pub fn gain(pairs: &[(f64, f64)], least: f64) -> Option<Confirmation> {
    if pairs.len() < 2 || pairs.iter().any(|(a, b)| !(*a > 0.0 && *b > 0.0)) {
        return None;
    }
    let logs: Vec<f64> = pairs.iter().map(|(a, b)| libm::log(b / a)).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(logs.len() - 1) * (variance.max(least * least) / n).sqrt();
    let interval = (libm::expm1(mean - half), libm::expm1(mean + half));
    Some(Confirmation {
        pairs: pairs.to_vec(),
        gain: libm::expm1(mean),
        interval,
        significant: interval.0 > 0.0,
    })
}

/// Relative standard deviation of repeats: that of their logarithms. None below two, or where
/// one is not positive.
pub fn spread(values: &[f64]) -> Option<f64> {
    if values.len() < 2 || values.iter().any(|v| v.is_nan() || *v <= 0.0) {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|v| libm::log(*v)).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    Some((logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// The middle value; the mean of the two middle ones of an even number. None of no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) =
        (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((lower + upper) / 2.0)
}

/// Least-squares line through the points: intercept and slope. None below two different x.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (sx, sy) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mx, my) = (sx / n, sy / n);
    let spread: f64 = points.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    if points.len() < 2 || spread == 0.0 {
        return None;
    }
    let slope = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / spread;
    Some((my - slope * mx, slope))
}

/// Brings the left square of a system of equations to the identity (Gauss and Jordan, with
/// pivoting), so that its solutions stand beside it. None where it has none.
pub fn eliminate<const N: usize, const M: usize>(mut rows: [[f64; M]; N]) -> Option<[[f64; M]; N]> {
    for i in 0..N {
        let pivot = (i..N).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))?;
        rows.swap(i, pivot);
        let head = rows[i][i];
        if head.abs() < 1e-12 {
            return None;
        }
        rows[i].iter_mut().for_each(|value| *value /= head);
        let row = rows[i];
        for other in (0..N).filter(|j| *j != i) {
            let factor = rows[other][i];
            for (value, above) in rows[other].iter_mut().zip(row) {
                *value -= factor * above;
            }
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_gain_is_significant_and_noise_is_not() {
        let steady = gain(&[(100.0, 139.0), (101.0, 142.0), (99.0, 139.5)], 0.0).unwrap();
        assert!(steady.significant && (steady.gain - 0.4).abs() < 0.01, "{steady:?}");
        assert!(steady.interval.0 < steady.gain && steady.gain < steady.interval.1);
        let noise = gain(&[(100.0, 104.0), (101.0, 96.0), (99.0, 103.0)], 0.0).unwrap();
        assert!(!noise.significant && noise.interval.0 < 0.0 && noise.interval.1 > 0.0);
    }

    #[test]
    fn pairs_that_agree_by_chance_are_no_surer_than_their_measurements() {
        let agree = [(100.0, 103.0); 3];
        assert!(gain(&agree, 0.0).unwrap().significant);
        assert!(!gain(&agree, 0.05).unwrap().significant);
    }

    #[test]
    fn one_pair_or_a_dead_service_says_nothing() {
        assert_eq!(gain(&[(100.0, 140.0)], 0.0), None);
        assert_eq!(gain(&[(100.0, 140.0), (0.0, 140.0)], 0.0), None);
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        // Log-normal ratios around 1.2 from a small congruential generator: with 2,000 repeats
        // the share covered is 95 % within four standard errors (0.005 each).
        let mut seed = 7u64;
        let mut uniform = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut normal = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let covered = (0..2000)
            .filter(|_| {
                let pairs: Vec<_> =
                    (0..4).map(|_| (100.0, 120.0 * libm::exp(0.05 * normal()))).collect();
                let said = gain(&pairs, 0.0).unwrap().interval;
                said.0 < 0.2 && 0.2 < said.1
            })
            .count();
        assert!((1860..=1940).contains(&covered), "{covered} of 2000");
    }

    #[test]
    fn repeats_have_a_spread() {
        assert!((spread(&[100.0, 110.0]).unwrap() - libm::log(1.1) / 2f64.sqrt()).abs() < 1e-12);
        assert_eq!((spread(&[100.0]), spread(&[100.0, 0.0])), (None, None));
    }

    #[test]
    fn middle_and_line() {
        assert_eq!(
            (median(&[]), median(&[3.0, 1.0, 2.0]), median(&[1.0, 2.0])),
            (None, Some(2.0), Some(1.5))
        );
        assert_eq!(line(&[(1.0, 30.0), (2.0, 50.0), (3.0, 70.0)]), Some((10.0, 20.0)));
        assert_eq!(line(&[(1.0, 30.0), (1.0, 50.0)]), None);
    }
}
