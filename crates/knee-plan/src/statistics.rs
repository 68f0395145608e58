//! What few noisy measurements allow to say.

/// Relative standard deviation of repeats: that of their logarithms. None below two, or where
/// one is not positive.
pub fn spread(values: &[f64]) -> Option<f64> {
    if values.iter().any(|v| v.is_nan() || *v <= 0.0) {
        return None;
    }
    deviation(&values.iter().map(|v| libm::log(*v)).collect::<Vec<_>>())
}

/// The mean; not a number where there is none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of the population that these values are a sample of. None below two.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let middle = mean(values);
    let squares: f64 = values.iter().map(|v| (v - middle).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
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
