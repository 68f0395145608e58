//! The Universal Scalability Law, fitted: a cross-check on what more workers bring.
//!
//! Gunther, "Guerrilla Capacity Planning", 2007, chapter 4: throughput of n workers is
//! rate n / (1 + contention (n - 1) + crosstalk n (n - 1)).

use crate::statistics::{eliminate, line};

/// The law's three numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    /// Throughput of one worker.
    pub rate: f64,
    /// Share of the work that only one can do at a time.
    pub contention: f64,
    /// Cost of each pair of workers that has to agree.
    pub crosstalk: f64,
}

impl Usl {
    /// Least squares over workers and throughput, of n / throughput against n, which the law makes
    /// a parabola; shares below 0 are none. None below three different numbers of workers.
    pub fn fit(points: &[(f64, f64)]) -> Option<Usl> {
        let usable: Vec<(f64, f64)> =
            points.iter().copied().filter(|(n, x)| *n >= 1.0 && *x > 0.0).collect();
        let mut kinds: Vec<f64> = usable.iter().map(|(n, _)| *n).collect();
        kinds.sort_by(f64::total_cmp);
        kinds.dedup();
        if kinds.len() < 3 {
            return None;
        }
        let [a, b, c] = parabola(&usable)?;
        if a > 0.0 && b >= 0.0 && c >= 0.0 {
            return Some(Usl { rate: 1.0 / a, contention: b / a, crosstalk: c / a });
        }
        // Where one of the two comes out below none: contention alone.
        let straight: Vec<(f64, f64)> = usable.iter().map(|(n, x)| (n - 1.0, n / x)).collect();
        let (a, b) = line(&straight)?;
        (a > 0.0).then(|| Usl { rate: 1.0 / a, contention: (b / a).max(0.0), crosstalk: 0.0 })
    }

    /// Throughput of `n` workers.
    pub fn throughput(&self, n: f64) -> f64 {
        let Usl { rate, contention, crosstalk } = self;
        rate * n / (1.0 + contention * (n - 1.0) + crosstalk * n * (n - 1.0))
    }

    /// Number of workers that carries most; None where more are never worse.
    pub fn peak(&self) -> Option<f64> {
        let most = ((1.0 - self.contention) / self.crosstalk).max(0.0).sqrt();
        (self.crosstalk > 0.0).then_some(most)
    }
}

/// Least squares of n / x = a + b (n - 1) + c n (n - 1).
fn parabola(points: &[(f64, f64)]) -> Option<[f64; 3]> {
    let mut m = [[0.0f64; 4]; 3];
    for (n, x) in points {
        let terms = [1.0, n - 1.0, n * (n - 1.0), n / x];
        for (i, row) in m.iter_mut().enumerate() {
            for (value, term) in row.iter_mut().zip(terms) {
                *value += terms[i] * term;
            }
        }
    }
    let solved = eliminate(m)?;
    Some([0, 1, 2].map(|i| solved[i][3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_law_that_made_the_points() {
        let law = Usl { rate: 40.0, contention: 0.05, crosstalk: 0.002 };
        let points: Vec<_> =
            [1.0, 2.0, 4.0, 8.0, 16.0, 32.0].map(|n| (n, law.throughput(n))).to_vec();
        let found = Usl::fit(&points).unwrap();
        assert!((found.rate - 40.0).abs() < 1e-6 && (found.contention - 0.05).abs() < 1e-6);
        assert!((found.crosstalk - 0.002).abs() < 1e-8);
        assert!((found.peak().unwrap() - (0.95f64 / 0.002).sqrt()).abs() < 0.01);
    }

    #[test]
    fn two_points_say_nothing_and_a_straight_line_no_crosstalk() {
        assert_eq!(Usl::fit(&[(1.0, 40.0), (2.0, 80.0)]), None);
        let straight = Usl::fit(&[(1.0, 40.0), (2.0, 80.0), (4.0, 160.0)]).unwrap();
        assert!(straight.contention < 1e-9 && straight.peak().is_none_or(|n| n > 1e3));
    }
}
