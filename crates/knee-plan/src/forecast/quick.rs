//! How much a setting carries within a latency goal, as a first guess for the search.
//!
//! The requests hold a slot while they compute and wait; the slots together share the CPU.
//! This approximates: M/M/c for the slots, processor sharing for the CPU, the latter stretched
//! by the share of each quota period in which the task may not run. Trials correct it; a
//! verdict never rests on it.

use crate::bounds::{Demand, bound};
use crate::closed::erlang::queueing_quantile;
use knee_core::Goal;
use knee_core::model::Concurrency;

/// Length of the period after which the CPU quota is renewed on ECS, seconds.
const PERIOD: f64 = 0.1;

/// Requests/s that the settings carry within the goal's latency, forecast; 0 where not even
/// one request alone is fast enough.
pub fn capacity(concurrency: &Concurrency, demand: &Demand, task_cpu: f64, goal: &Goal) -> f64 {
    let limit = bound(concurrency, demand, task_cpu).rate;
    let fits = |rate: f64| quantile(concurrency, demand, task_cpu, goal.quantile, rate);
    let (mut low, mut high) = (0.0, limit);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if fits(middle) <= goal.latency.0 { low = middle } else { high = middle }
    }
    low
}

/// Quantile `q` of the latency at `rate` requests/s, seconds.
fn quantile(c: &Concurrency, demand: &Demand, task_cpu: f64, q: f64, rate: f64) -> f64 {
    let cores = c.cores.min(task_cpu);
    let busy = rate * demand.cpu / cores;
    if busy >= 1.0 {
        return f64::INFINITY;
    }
    let computing = demand.cpu / (1.0 - busy);
    let queued =
        c.slots.map_or(0.0, |slots| queueing_quantile(slots, rate, computing + demand.wait, q));
    // Only what can run ahead of its quota is stopped before the period ends.
    let stopped = busy * PERIOD * (1.0 - task_cpu / c.cores.max(task_cpu));
    demand.wait + computing * -libm::log(1.0 - q) + queued + stopped
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::model::Serial;

    fn workers(n: u32) -> Concurrency {
        Concurrency { processes: n, slots: Some(n), cores: n.into(), serial: Serial::Worker }
    }

    const ORDERS: Demand = Demand { cpu: 0.005, wait: 0.020 };

    #[test]
    fn it_stays_below_the_bound_and_grows_with_workers_until_the_quota_binds() {
        let goal = Goal::default();
        let carried: Vec<f64> =
            [1, 2, 4, 8, 16].map(|n| capacity(&workers(n), &ORDERS, 1.0, &goal)).to_vec();
        assert!(carried.windows(2).all(|w| w[1] > w[0] * 0.95), "{carried:?}");
        assert!(carried[0] < 40.0 && carried[4] < 200.0 && carried[4] > 120.0, "{carried:?}");
    }

    #[test]
    fn a_goal_that_one_request_cannot_meet_carries_nothing() {
        let slow = Demand { cpu: 0.005, wait: 0.400 };
        assert!(capacity(&workers(8), &slow, 1.0, &Goal::default()) < 1e-6);
    }
}
