//! Gaussian-process regression over a handful of trials: what is believed of the settings
//! that were not measured, and how firmly.
//!
//! Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, algorithm 2.1.

/// A belief about one value: its mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Expected value.
    pub mean: f64,
    /// Standard deviation of the value itself, without the noise of a measurement.
    pub deviation: f64,
}

/// How values at different points hang together.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Standard deviation of a value around what all have in common.
    pub amplitude: f64,
    /// Distance at which two values are mostly unrelated.
    pub length: f64,
    /// Standard deviation of what all values have in common, near or far.
    pub common: f64,
}

impl Kernel {
    /// Matérn 5/2: smooth, yet not as certain between points as the squared exponential.
    fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let square: f64 = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum();
        let r = 5f64.sqrt() * square.sqrt() / self.length;
        self.common.powi(2) + self.amplitude.powi(2) * (1.0 + r + r * r / 3.0) * libm::exp(-r)
    }

    /// Variance of a value about which nothing is known.
    fn variance(&self) -> f64 {
        self.common.powi(2) + self.amplitude.powi(2)
    }
}

/// What was learned at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// The value, measured with this standard deviation.
    Value(f64, f64),
    /// Only that the value is below this, found with this standard deviation.
    Below(f64, f64),
}

/// What measured points say about others. All points have the same number of coordinates.
pub struct Process {
    kernel: Kernel,
    points: Vec<Vec<f64>>,
    factor: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

/// Passes over the observations that only say "below"; they settle within a few.
const PASSES: usize = 12;
/// Variance of an observation that says nothing.
const NOTHING: f64 = 1e6;

impl Process {
    /// Learns from what was seen at points (zero mean is assumed).
    ///
    /// A "below" is taken for the measurement that moves the belief as much as it does, in
    /// the light of all the others: expectation propagation (Rasmussen and Williams, 3.6).
    pub fn new(kernel: Kernel, seen: &[(Vec<f64>, Seen)]) -> Self {
        let mut sites: Vec<(f64, f64)> = seen
            .iter()
            .map(|(_, seen)| match seen {
                Seen::Value(value, noise) => (*value, noise * noise),
                Seen::Below(..) => (0.0, NOTHING),
            })
            .collect();
        for _ in 0..PASSES {
            for (i, (point, what)) in seen.iter().enumerate() {
                if let Seen::Below(limit, noise) = what {
                    let (value, _) = sites[i];
                    sites[i] = (value, NOTHING);
                    let others = Process::of(kernel, seen, &sites).at(point);
                    sites[i] = others.below(*limit, *noise);
                }
            }
        }
        Process::of(kernel, seen, &sites)
    }

    /// Learns from values with their variances.
    fn of(kernel: Kernel, seen: &[(Vec<f64>, Seen)], sites: &[(f64, f64)]) -> Self {
        let points: Vec<Vec<f64>> = seen.iter().map(|(point, _)| point.clone()).collect();
        let covariance = (0..points.len())
            .map(|i| {
                let noise = |j| if i == j { sites[i].1 } else { 0.0 };
                (0..=i).map(|j| kernel.covariance(&points[i], &points[j]) + noise(j)).collect()
            })
            .collect();
        let factor = cholesky(covariance);
        let values: Vec<f64> = sites.iter().map(|(value, _)| *value).collect();
        let weights = backward(&factor, forward(&factor, &values));
        Process { kernel, points, factor, weights }
    }

    /// What is believed of the value at a point.
    pub fn at(&self, point: &[f64]) -> Belief {
        let k: Vec<f64> = self.points.iter().map(|p| self.kernel.covariance(p, point)).collect();
        let mean = k.iter().zip(&self.weights).map(|(a, b)| a * b).sum();
        let known: f64 = forward(&self.factor, &k).iter().map(|v| v * v).sum();
        Belief { mean, deviation: (self.kernel.variance() - known).max(0.0).sqrt() }
    }
}

impl Belief {
    /// The measurement, as a value and its variance, that moves this belief to the mean and
    /// variance that it has once the value is known to lie below a limit.
    fn below(&self, limit: f64, noise: f64) -> (f64, f64) {
        let variance = self.deviation.powi(2).max(1e-9);
        let scale = (variance + noise * noise).sqrt();
        // Farther out the tail is too thin to divide by.
        let z = ((limit - self.mean) / scale).max(-6.0);
        let ratio = density(z) / exceeds(-z);
        let mean = self.mean - variance / scale * ratio;
        let left = variance - variance.powi(2) / scale.powi(2) * ratio * (z + ratio);
        let precision = 1.0 / left.max(1e-9) - 1.0 / variance;
        if precision <= 1.0 / NOTHING {
            return (self.mean, NOTHING);
        }
        ((mean / left - self.mean / variance) / precision, 1.0 / precision)
    }
}

/// Lower triangle L with L Lᵀ = `a`, which is given as its lower triangle.
fn cholesky(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..a.len() {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            a[i][j] = if i == j {
                // Noise on the diagonal keeps it positive; the floor covers rounding.
                (a[i][i] - dot).max(1e-12).sqrt()
            } else {
                (a[i][j] - dot) / a[j][j]
            };
        }
    }
    a
}

/// Solves L x = b.
fn forward(l: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x: Vec<f64> = Vec::with_capacity(b.len());
    for (i, row) in l.iter().enumerate() {
        let dot: f64 = row[..i].iter().zip(&x).map(|(a, b)| a * b).sum();
        x.push((b[i] - dot) / row[i]);
    }
    x
}

/// Solves Lᵀ x = b.
fn backward(l: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    for i in (0..b.len()).rev() {
        let dot: f64 = (i + 1..b.len()).map(|k| l[k][i] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i][i];
    }
    b
}

/// Density of a standard normal variable.
pub fn density(z: f64) -> f64 {
    libm::exp(-z * z / 2.0) / (2.0 * std::f64::consts::PI).sqrt()
}

/// Probability that a standard normal variable exceeds `z`; absolute error below 1e-7
/// (Abramowitz and Stegun, 26.2.17).
pub fn exceeds(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.2316419 * z.abs());
    let series = t
        * (0.319381530
            + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    let tail = density(z) * series;
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Kernel = Kernel { amplitude: 1.0, length: 1.0, common: 0.0 };

    fn value(x: f64, y: f64) -> (Vec<f64>, Seen) {
        (vec![x], Seen::Value(y, 0.01))
    }

    #[test]
    fn it_knows_what_it_saw_and_doubts_what_is_far() {
        let process = Process::new(KERNEL, &[value(0.0, 0.0), value(1.0, 0.8), value(2.0, 0.9)]);
        let seen = process.at(&[1.0]);
        assert!((seen.mean - 0.8).abs() < 0.01 && seen.deviation < 0.02, "{seen:?}");
        let far = process.at(&[50.0]);
        assert!(far.mean.abs() < 1e-6 && (far.deviation - 1.0).abs() < 1e-6, "{far:?}");
        let between = process.at(&[0.5]);
        assert!(between.mean > 0.2 && between.mean < 0.7, "{between:?}");
    }

    #[test]
    fn one_point_has_the_closed_form() {
        // mean = k(d) / (s^2 + n^2) y
        let process = Process::new(KERNEL, &[(vec![0.0], Seen::Value(2.0, 0.5))]);
        let k = KERNEL.covariance(&[0.0], &[0.7]);
        let belief = process.at(&[0.7]);
        assert!((belief.mean - k / 1.25 * 2.0).abs() < 1e-12);
        assert!((belief.deviation - (1.0 - k * k / 1.25).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_all_have_in_common_is_learned_far_away() {
        let process = Process::new(Kernel { common: 3.0, ..KERNEL }, &[value(0.0, 2.0)]);
        let far = process.at(&[50.0]);
        assert!((far.mean - 2.0 * 0.9).abs() < 0.01 && far.deviation < 1.5, "{far:?}");
    }

    #[test]
    fn the_same_point_twice_does_no_harm() {
        let process = Process::new(KERNEL, &[value(1.0, 0.4), value(1.0, 0.6)]);
        assert!((process.at(&[1.0]).mean - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_below_gives_the_truncated_normal() {
        // A standard normal below 0: mean -sqrt(2/pi), variance 1 - 2/pi.
        let process = Process::new(KERNEL, &[(vec![0.0], Seen::Below(0.0, 0.0))]);
        let belief = process.at(&[0.0]);
        let pi = std::f64::consts::PI;
        assert!((belief.mean + (2.0 / pi).sqrt()).abs() < 1e-3, "{belief:?}");
        assert!((belief.deviation - (1.0 - 2.0 / pi).sqrt()).abs() < 1e-3, "{belief:?}");
        // What is near is believed lower too, what was known to be low hardly moves.
        assert!(process.at(&[0.5]).mean < -0.3);
        let known = [value(0.0, -3.0), (vec![0.0], Seen::Below(0.0, 0.1))];
        let belief = Process::new(KERNEL, &known).at(&[0.0]);
        assert!((belief.mean + 3.0).abs() < 1e-2, "{belief:?}");
    }

    #[test]
    fn two_belows_agree_with_sampling() {
        // Two related values, both below 0, drawn by rejection: what is believed of the first.
        let (mut seed, mut sum, mut n) = (3u64, 0.0, 0);
        let mut uniform = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut normal = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let k = KERNEL.covariance(&[0.0], &[0.6]);
        for _ in 0..60_000 {
            let first = normal();
            let second = k * first + (1.0 - k * k).sqrt() * normal();
            if first < 0.0 && second < 0.0 {
                (sum, n) = (sum + first, n + 1);
            }
        }
        let below = |x| (vec![x], Seen::Below(0.0, 0.0));
        let believed = Process::new(KERNEL, &[below(0.0), below(0.6)]).at(&[0.0]).mean;
        assert!((believed - sum / f64::from(n)).abs() < 0.03, "{believed}");
    }

    #[test]
    fn normal_tails() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.158655), (-1.96, 0.975002), (3.0, 0.001350)] {
            assert!((exceeds(z) - p).abs() < 1e-6, "{z}");
        }
    }
}
