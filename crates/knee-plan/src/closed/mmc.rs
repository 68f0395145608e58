//! M/M/1, M/M/c and M/M/c/K: how long requests stay.
//!
//! Kleinrock, "Queueing Systems", volume 1, 1975, chapter 3; the time in the system is the wait
//! (exponential, or Erlang in each state) and the service after it.

use super::erlang::waits;
use super::{poisson_below, quantile};

/// M/M/c: requests that come at random, wait in line for one of `servers`, and keep it for an
/// exponential time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmc {
    /// Servers, at least 1.
    pub servers: u32,
    /// Arrivals/s.
    pub rate: f64,
    /// Mean time that a server is kept, seconds.
    pub holding: f64,
}

impl Mmc {
    /// Utilisation of the servers; 1 or more is not carried.
    pub fn utilisation(&self) -> f64 {
        self.rate * self.holding / f64::from(self.servers)
    }

    /// Mean time in the system, seconds; infinite where the load is not carried.
    pub fn mean(&self) -> f64 {
        let spare = f64::from(self.servers) / self.holding - self.rate;
        if spare <= 0.0 {
            return f64::INFINITY;
        }
        self.holding + waits(self.servers, self.rate * self.holding) / spare
    }

    /// Probability that a request is in the system for longer than `t` seconds.
    pub fn tail(&self, t: f64) -> f64 {
        let service = 1.0 / self.holding;
        let spare = f64::from(self.servers) * service - self.rate;
        if spare <= 0.0 {
            return 1.0;
        }
        let waiting = waits(self.servers, self.rate * self.holding);
        let alone = libm::exp(-service * t);
        let both = if (spare - service).abs() < 1e-9 * service {
            (1.0 + service * t) * alone
        } else {
            (spare * alone - service * libm::exp(-spare * t)) / (spare - service)
        };
        (1.0 - waiting) * alone + waiting * both
    }

    /// Quantile `q` in (0, 1) of the time in the system, seconds.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(|t| self.tail(t), q, self.holding)
    }
}

/// M/M/c/K: the same with `places` in all, those at the servers among them. Who finds none is
/// refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmck {
    /// Arrivals, servers and service.
    pub queue: Mmc,
    /// Places, at least as many as servers.
    pub places: u32,
}

impl Mmck {
    /// Probability of each number in the system, from 0 to `places`.
    pub fn states(&self) -> Vec<f64> {
        let Mmc { servers, rate, holding } = self.queue;
        let mut weight = 1.0;
        let mut states = vec![weight];
        for n in 1..=self.places {
            weight *= rate * holding / f64::from(n.min(servers));
            states.push(weight);
            if weight > 1e200 {
                states.iter_mut().for_each(|s| *s *= 1e-200);
                weight *= 1e-200;
            }
        }
        let sum: f64 = states.iter().sum();
        states.into_iter().map(|s| s / sum).collect()
    }

    /// Probability that a request is refused.
    pub fn refused(&self) -> f64 {
        self.states().last().copied().unwrap_or(0.0)
    }

    /// Probability that a request which is not refused is in the system for longer than `t` seconds.
    pub fn tail(&self, t: f64) -> f64 {
        let Mmc { servers, holding, .. } = self.queue;
        let states = self.states();
        let admitted = &states[..self.places as usize];
        let all: f64 = admitted.iter().sum();
        let stays = |(n, p): (usize, &f64)| {
            let before = (n as u32 + 1).saturating_sub(servers);
            p * leaves_after(before, servers, holding, t)
        };
        admitted.iter().enumerate().map(stays).sum::<f64>() / all
    }

    /// Quantile `q` in (0, 1) of the time in the system of those that are not refused, seconds.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(|t| self.tail(t), q, self.queue.holding)
    }
}

/// P(E + S > t): E the time until `stages` departures while all servers work, S a service after it.
fn leaves_after(stages: u32, servers: u32, holding: f64, t: f64) -> f64 {
    let service = 1.0 / holding;
    let together = f64::from(servers) * service;
    if servers == 1 {
        return poisson_below(stages + 1, service * t);
    }
    let faster = together - service;
    let growth = libm::pow(together / faster, f64::from(stages)) * libm::exp(-service * t);
    poisson_below(stages, together * t) + growth * (1.0 - poisson_below(stages, faster * t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_is_exponential() {
        let queue = Mmc { servers: 1, rate: 80.0, holding: 0.01 };
        for q in [0.5, 0.9, 0.999] {
            let right = -libm::log(1.0 - q) / 20.0;
            assert!((queue.quantile(q) / right - 1.0).abs() < 1e-9, "{q}");
        }
        assert!((queue.mean() - 0.05).abs() < 1e-12 && (queue.utilisation() - 0.8).abs() < 1e-12);
    }

    #[test]
    fn the_mean_is_the_area_below_the_tail() {
        for (servers, rate) in [(2, 150.0), (2, 100.0), (8, 700.0), (3, 20.0)] {
            let queue = Mmc { servers, rate, holding: 0.01 };
            let area: f64 =
                (0..20_000).map(|i| queue.tail((f64::from(i) + 0.5) * 4e-5) * 4e-5).sum();
            assert!((area / queue.mean() - 1.0).abs() < 2e-3, "{servers} {area} {}", queue.mean());
        }
        assert_eq!(Mmc { servers: 2, rate: 200.0, holding: 0.01 }.mean(), f64::INFINITY);
        assert_eq!(Mmc { servers: 2, rate: 200.0, holding: 0.01 }.quantile(0.5), f64::INFINITY);
    }

    #[test]
    fn no_waiting_place_is_erlang_b() {
        // Ten Erlang on ten lines: B = 0.2146 (any table of Erlang B).
        let lines = Mmck { queue: Mmc { servers: 10, rate: 1000.0, holding: 0.01 }, places: 10 };
        assert!((lines.refused() - 0.2146).abs() < 5e-5);
        assert!((lines.tail(0.01) - libm::exp(-1.0)).abs() < 1e-12);
    }

    #[test]
    fn many_places_are_as_good_as_no_limit() {
        let queue = Mmc { servers: 4, rate: 300.0, holding: 0.01 };
        let limited = Mmck { queue, places: 400 };
        assert!(limited.refused() < 1e-40);
        for q in [0.5, 0.99] {
            assert!((limited.quantile(q) / queue.quantile(q) - 1.0).abs() < 1e-9);
        }
    }
}
