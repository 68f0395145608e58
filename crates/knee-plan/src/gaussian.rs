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
    /// Standard deviation of a value about which nothing is known.
    pub amplitude: f64,
    /// Distance at which two values are mostly unrelated.
    pub length: f64,
    /// Standard deviation of one measurement.
    pub noise: f64,
}

impl Kernel {
    /// Matérn 5/2: smooth, yet not as certain between points as the squared exponential.
    fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let square: f64 = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum();
        let r = 5f64.sqrt() * square.sqrt() / self.length;
        self.amplitude.powi(2) * (1.0 + r + r * r / 3.0) * (-r).exp()
    }
}

/// What measured points say about others. All points have the same number of coordinates.
pub struct Process {
    kernel: Kernel,
    points: Vec<Vec<f64>>,
    factor: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

impl Process {
    /// Learns from points and the values measured there (zero mean is assumed).
    pub fn new(kernel: Kernel, points: Vec<Vec<f64>>, values: &[f64]) -> Self {
        let covariance: Vec<Vec<f64>> = (0..points.len())
            .map(|i| {
                let noise = |j| if i == j { kernel.noise.powi(2) } else { 0.0 };
                (0..=i).map(|j| kernel.covariance(&points[i], &points[j]) + noise(j)).collect()
            })
            .collect();
        let factor = cholesky(covariance);
        let weights = backward(&factor, forward(&factor, values));
        Process { kernel, points, factor, weights }
    }

    /// What is believed of the value at a point.
    pub fn at(&self, point: &[f64]) -> Belief {
        let k: Vec<f64> = self.points.iter().map(|p| self.kernel.covariance(p, point)).collect();
        let mean = k.iter().zip(&self.weights).map(|(a, b)| a * b).sum();
        let known: f64 = forward(&self.factor, &k).iter().map(|v| v * v).sum();
        Belief { mean, deviation: (self.kernel.amplitude.powi(2) - known).max(0.0).sqrt() }
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

/// Probability that a standard normal variable exceeds `z`; absolute error below 1e-7
/// (Abramowitz and Stegun, 26.2.17).
pub fn exceeds(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.2316419 * z.abs());
    let series = t
        * (0.319381530
            + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    let tail = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Kernel = Kernel { amplitude: 1.0, length: 1.0, noise: 0.01 };

    #[test]
    fn it_knows_what_it_saw_and_doubts_what_is_far() {
        let process = Process::new(KERNEL, vec![vec![0.0], vec![1.0], vec![2.0]], &[0.0, 0.8, 0.9]);
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
        let process = Process::new(Kernel { noise: 0.5, ..KERNEL }, vec![vec![0.0]], &[2.0]);
        let k = KERNEL.covariance(&[0.0], &[0.7]);
        let belief = process.at(&[0.7]);
        assert!((belief.mean - k / 1.25 * 2.0).abs() < 1e-12);
        assert!((belief.deviation - (1.0 - k * k / 1.25).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_same_point_twice_does_no_harm() {
        let process = Process::new(KERNEL, vec![vec![1.0], vec![1.0]], &[0.4, 0.6]);
        assert!((process.at(&[1.0]).mean - 0.5).abs() < 0.01);
    }

    #[test]
    fn normal_tails() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.158655), (-1.96, 0.975002), (3.0, 0.001350)] {
            assert!((exceeds(z) - p).abs() < 1e-6, "{z}");
        }
    }
}
