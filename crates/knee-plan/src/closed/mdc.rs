//! M/D/1: requests that come at random and all take the same time.
//!
//! Franx, "A simple solution for the M/D/c waiting time distribution", Operations Research
//! Letters 29, 2001: a sum without a negative term, where Erlang's own of 1909 loses all its
//! digits in the tail.

use super::{poisson_below, quantile};

/// M/D/1 with its stationary distribution worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct Md1 {
    rate: f64,
    holding: f64,
    /// P(number waiting <= n), without the one in service.
    waiting: Vec<f64>,
}

impl Md1 {
    /// Arrivals/s, and the time that each takes, seconds. None where the load is not carried.
    pub fn new(rate: f64, holding: f64) -> Option<Md1> {
        let load = rate * holding;
        if !(load > 0.0 && load < 1.0) {
            return None;
        }
        let states = states(load);
        let waiting = states.iter().skip(1).scan(states[0], |sum, p| {
            *sum += p;
            Some(*sum)
        });
        Some(Md1 { rate, holding, waiting: waiting.collect() })
    }

    /// Mean time in the system, seconds (Pollaczek and Khinchine).
    pub fn mean(&self) -> f64 {
        let load = self.rate * self.holding;
        self.holding * (1.0 + load / (2.0 * (1.0 - load)))
    }

    /// Probability that a request is in the system for longer than `t` seconds.
    pub fn tail(&self, t: f64) -> f64 {
        if t < self.holding {
            return 1.0;
        }
        let waited = t - self.holding;
        let k = (waited / self.holding).floor() as u32 + 1;
        let mean = self.rate * (f64::from(k) * self.holding - waited);
        let mut weight = libm::exp(-mean);
        let mut sum = 0.0;
        for j in 0..k {
            sum += self.at_most_waiting(k - j - 1) * weight;
            weight *= mean / f64::from(j + 1);
        }
        (1.0 - sum).max(0.0)
    }

    /// Quantile `q` in (0, 1) of the time in the system, seconds.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(|t| self.tail(t), q, self.holding)
    }

    fn at_most_waiting(&self, n: u32) -> f64 {
        self.waiting.get(n as usize).copied().unwrap_or(1.0)
    }
}

/// Probability of each number in the system, as far as it matters. Between n and n + 1 as many
/// steps lead up as down: no subtraction, no loss of digits.
fn states(load: f64) -> Vec<f64> {
    let none = libm::exp(-load);
    let mut more = vec![];
    let mut states = vec![1.0 - load];
    let mut rest = load;
    while rest > 1e-13 && states.len() < 100_000 {
        let n = states.len() - 1;
        // P(more than n arrivals during one service)
        more.push(1.0 - poisson_below(n as u32 + 1, load));
        let up = states[0] * more[n] + (1..=n).map(|i| states[i] * more[n + 1 - i]).sum::<f64>();
        states.push(up / none);
        rest -= up / none;
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_by_hand() {
        // P(0 or 1 in the system) = (1 - load) exp(load), and who finds nobody does not wait.
        let queue = Md1::new(0.5, 1.0).unwrap();
        assert!((queue.waiting[0] - 0.5 * libm::exp(0.5)).abs() < 1e-14);
        assert!((queue.tail(1.0) - 0.5).abs() < 1e-14);
        // Erlang 1909, within one service: P(wait <= t) = (1 - load) exp(rate t)
        let right = 1.0 - 0.5 * libm::exp(0.5 * 0.4);
        assert!((queue.tail(1.4) - right).abs() < 1e-14);
        assert!(Md1::new(1.0, 1.0).is_none());
    }

    #[test]
    fn the_mean_is_the_area_below_the_tail() {
        for load in [0.3, 0.8, 0.95] {
            let queue = Md1::new(load, 1.0).unwrap();
            let area: f64 =
                (0..20_000).map(|i| queue.tail((f64::from(i) + 0.5) * 1e-2) * 1e-2).sum();
            assert!((area / queue.mean() - 1.0).abs() < 6e-3, "{load}: {area} {}", queue.mean());
        }
    }
}
