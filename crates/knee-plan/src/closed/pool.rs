//! A pool of slots whose requests share a CPU and wait for a backend, seen as one queue.
//!
//! Chandy, Herzog and Woo, "Parametric analysis of queuing networks", IBM Journal of Research and
//! Development 19(1), 1975: what goes on inside is replaced by the rate at which n requests in
//! service leave, worked out with the outside cut off. Exact where the inside has a product
//! form and there is room for everybody; else a good approximation.

use super::mva::{Station, throughput};

/// A pool of slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Requests/s that leave with 1, 2, ... slots taken.
    rates: Vec<f64>,
}

/// What an arrival rate makes of a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Probability that a request has to wait for a slot.
    pub waits: f64,
    /// Rate at which the line of those that wait gets shorter, less arrivals; per second.
    pub spare: f64,
    /// Mean number of slots taken.
    pub taken: f64,
}

impl Pool {
    /// Slots whose requests go round between these stations.
    pub fn new(slots: u32, stations: &[Station]) -> Pool {
        Pool { rates: throughput(stations, slots.max(1)) }
    }

    /// Requests/s that leave when all slots are taken: no more than that is carried.
    pub fn most(&self) -> f64 {
        self.rates.last().copied().unwrap_or(0.0)
    }

    /// The pool under so many arrivals/s; None where that is not carried.
    pub fn under(&self, rate: f64) -> Option<Load> {
        let most = self.most();
        if rate >= most {
            return None;
        }
        let (mut weight, mut sum, mut taken) = (1.0, 1.0, 0.0);
        for (i, leaving) in self.rates.iter().enumerate() {
            weight *= rate / leaving;
            sum += weight;
            taken += weight * (i + 1) as f64;
        }
        // Beyond the last slot the weights fall by the same factor from state to state.
        let factor = rate / most;
        let beyond = weight * factor / (1.0 - factor);
        let all = sum + beyond;
        Some(Load {
            waits: (weight + beyond) / all,
            spare: most - rate,
            taken: (taken + beyond * self.rates.len() as f64) / all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed::erlang;

    #[test]
    fn without_a_shared_cpu_it_is_erlang() {
        let pool = Pool::new(8, &[Station::Delay(0.010)]);
        let load = pool.under(640.0).unwrap();
        assert!((load.waits - erlang::waits(8, 6.4)).abs() < 1e-12);
        assert!((load.spare - 160.0).abs() < 1e-9 && (load.taken - 6.4).abs() < 1e-9);
        assert_eq!(pool.under(800.0), None);
    }

    #[test]
    fn many_slots_on_one_core_carry_what_the_core_does() {
        let stations = [Station::Delay(0.020), Station::Shared { demand: 0.005, servers: 1.0 }];
        assert!((Pool::new(64, &stations).most() - 200.0).abs() < 0.1);
        let few = Pool::new(2, &stations).most();
        assert!(few < 80.0 && few > 70.0, "{few}");
    }
}
