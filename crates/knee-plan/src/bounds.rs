//! What no setting can exceed: the asymptotic bounds of operational analysis.
//!
//! Denning and Buzen, "The operational analysis of queueing network models", ACM Computing
//! Surveys 10(3), 1978: throughput is at most one over the demand at any station, and by
//! Little's law at most the requests in service over the time that each stays.

use knee_core::model::{Concurrency, Serial};
use knee_core::observe::{Bound, Calibration, Resource};
use knee_core::profile::Profile;

/// What one request takes when it is alone, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// CPU.
    pub cpu: f64,
    /// Waiting for something else, a backend as a rule, without using CPU.
    pub wait: f64,
}

impl From<&Calibration> for Demand {
    fn from(calibration: &Calibration) -> Self {
        Demand { cpu: calibration.cpu.0, wait: calibration.wait.0 }
    }
}

impl Demand {
    /// The mean over classes, each with its weight.
    pub fn mean(classes: impl IntoIterator<Item = (f64, Demand)>) -> Demand {
        let (mut all, mut sum) = (0.0, Demand { cpu: 0.0, wait: 0.0 });
        for (weight, Demand { cpu, wait }) in classes {
            all += weight;
            sum = Demand { cpu: sum.cpu + weight * cpu, wait: sum.wait + weight * wait };
        }
        let all = f64::max(all, 1e-12);
        Demand { cpu: sum.cpu / all, wait: sum.wait / all }
    }
}

impl From<&Profile> for Demand {
    /// The best guess. Blocking counts as waiting, helpers as computing.
    fn from(profile: &Profile) -> Self {
        Demand::mean(profile.classes.iter().map(|class| {
            let cpu = class.cpu.mean.value + class.offloaded.mean.value;
            let wait = class.wait.mean.value + class.blocking.mean.value;
            (class.weight, Demand { cpu, wait })
        }))
    }
}

/// The most requests/s that any setting reaches with `task_cpu` vCPU: the quota over the CPU
/// of one request.
pub fn ceiling(demand: &Demand, task_cpu: f64) -> Bound {
    Bound { resource: Resource::CpuQuota, rate: task_cpu / demand.cpu.max(MOMENT) }
}

/// The most requests/s that these settings reach, with the resource that says so.
pub fn bound(concurrency: &Concurrency, demand: &Demand, task_cpu: f64) -> Bound {
    let cores = Bound {
        resource: match concurrency.serial {
            Serial::Worker => Resource::WorkerPool,
            Serial::Gil => Resource::Gil,
            Serial::EventLoop => Resource::EventLoop,
            Serial::Threads => Resource::CpuQuota,
        },
        rate: concurrency.cores / demand.cpu.max(MOMENT),
    };
    let slots = concurrency.slots.map(|slots| Bound {
        resource: Resource::WorkerPool,
        rate: f64::from(slots) / (demand.cpu + demand.wait).max(MOMENT),
    });
    [Some(cores), slots]
        .into_iter()
        .flatten()
        .fold(ceiling(demand, task_cpu), |least, b| if b.rate < least.rate { b } else { least })
}

/// The least time that is told apart from none, seconds: keeps the bounds finite.
const MOMENT: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: Demand = Demand { cpu: 0.005, wait: 0.020 };

    fn workers(n: u32) -> Concurrency {
        Concurrency { processes: n, slots: Some(n), cores: n.into(), serial: Serial::Worker }
    }

    #[test]
    fn few_workers_bind_before_the_quota_and_many_do_not() {
        let few = bound(&workers(2), &ORDERS, 1.0);
        assert_eq!(few.resource, Resource::WorkerPool);
        assert!((few.rate - 80.0).abs() < 1e-9);
        let many = bound(&workers(32), &ORDERS, 1.0);
        assert_eq!((many.resource, many.rate), (Resource::CpuQuota, 200.0));
    }

    #[test]
    fn one_event_loop_uses_one_core_of_two() {
        let node = Concurrency { processes: 1, slots: None, cores: 1.0, serial: Serial::EventLoop };
        let b = bound(&node, &ORDERS, 2.0);
        assert_eq!((b.resource, b.rate), (Resource::EventLoop, 200.0));
    }

    #[test]
    fn a_request_without_measurable_cpu_still_has_a_bound() {
        assert!(ceiling(&Demand { cpu: 0.0, wait: 0.0 }, 1.0).rate.is_finite());
    }
}
