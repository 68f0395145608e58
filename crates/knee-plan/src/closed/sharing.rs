//! M/G/1-PS: one processor shared evenly among all requests present.
//!
//! Kleinrock, "Time-shared systems: a theoretical treatment", Journal of the ACM 14(2), 1967: how
//! many are present does not depend on how the service times scatter, and a request of x seconds
//! stays x / (1 - load) in the mean. For M/M/1-PS the distribution follows from the number
//! present: Coffman, Muntz and Trotter, "Waiting time distributions for processor-sharing
//! systems", Journal of the ACM 17(1), 1970, here by uniformisation of their equations.

use super::quantile;

/// Probability that exactly `n` requests are present, for a load (arrival rate × mean service) below 1.
pub fn present(load: f64, n: u32) -> f64 {
    (1.0 - load) * libm::pow(load, f64::from(n))
}

/// Mean time in the system of a request that takes `seconds` alone; infinite from a load of 1 on.
pub fn mean(load: f64, seconds: f64) -> f64 {
    if load < 1.0 { seconds / (1.0 - load) } else { f64::INFINITY }
}

/// Quantile `q` in (0, 1) of the time in the system under exponential service of `holding`
/// seconds in the mean, for `rate` arrivals/s.
pub fn exponential_quantile(rate: f64, holding: f64, q: f64) -> f64 {
    let load = rate * holding;
    if load >= 1.0 {
        return f64::INFINITY;
    }
    // In units of the mean service.
    let stays = Stays::new(load);
    holding * quantile(|t| stays.tail(t), q, 1.0 / (1.0 - load))
}

/// P(still present after k events of a Poisson process of rate 1 + load), of a request that finds
/// the system in equilibrium; time in units of the mean service.
struct Stays {
    after: Vec<f64>,
    rate: f64,
}

impl Stays {
    fn new(load: f64) -> Stays {
        let rate = 1.0 + load;
        // Others present beyond this number are as unlikely as 1e-16.
        let most = (libm::log(1e-16) / libm::log(load.max(1e-9))).ceil().max(2.0) as usize + 2;
        let mut now = vec![1.0; most + 1];
        let mut after = vec![1.0];
        while after.last().is_some_and(|p| *p > 1e-7) && after.len() < 100_000 {
            let next = |n: usize| {
                let up = load * now[(n + 1).min(most)];
                let down = if n == 0 { 0.0 } else { n as f64 / (n as f64 + 1.0) * now[n - 1] };
                (up + down) / rate
            };
            now = (0..=most).map(next).collect();
            let weights = (0..=most).map(|n| present(load, n as u32));
            after.push(now.iter().zip(weights).map(|(p, w)| p * w).sum());
        }
        Stays { after, rate }
    }

    fn tail(&self, t: f64) -> f64 {
        let mean = self.rate * t;
        let mut log = -mean;
        let mut sum = 0.0;
        for (k, p) in self.after.iter().enumerate() {
            if k > 0 {
                log += libm::log(mean / k as f64);
            }
            sum += libm::exp(log) * p;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_below_the_tail_is_the_mean() {
        for load in [0.2, 0.5, 0.8] {
            let stays = Stays::new(load);
            let area: f64 = (0..1_000).map(|i| stays.tail((f64::from(i) + 0.5) * 0.1) * 0.1).sum();
            assert!((area * (1.0 - load) - 1.0).abs() < 0.01, "{load}: {area}");
        }
    }

    #[test]
    fn without_load_it_is_the_service_itself() {
        let median = exponential_quantile(1e-6, 0.01, 0.5);
        assert!((median / 0.01 - std::f64::consts::LN_2).abs() < 1e-4);
        assert_eq!(exponential_quantile(100.0, 0.01, 0.5), f64::INFINITY);
        assert!((0..2000).map(|n| present(0.9, n)).sum::<f64>() > 1.0 - 1e-9);
        assert_eq!(mean(0.75, 0.01), 0.04);
    }
}
