//! What a simulation showed.

use knee_core::model::{Network, Serial};
use knee_core::observe::Resource;

/// What a simulation showed of the requests that were counted.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Latency of each request that ended well, seconds, in ascending order: done minus due, the
    /// first attempt's due where a client tried again.
    pub latencies: Vec<f32>,
    /// Requests that did not end well.
    pub failed: Failed,
    /// Attempts of clients after the first.
    pub again: u64,
    /// Seconds in which requests were counted.
    pub seconds: f64,
    /// Mean latency of each class, seconds; 0 where none ended well.
    pub class_means: Vec<f64>,
    /// How often an arrival found so many requests in the system, up to 1,023 and more.
    pub found: Vec<u64>,
    /// CPU that the task used, cores.
    pub cpu: f64,
    /// Share of the periods in which the quota ran out.
    pub throttled: f64,
    /// Share of its capacity at which each station worked.
    pub busy: Busy,
    /// Most requests that waited in the kernel's queue.
    pub longest_queue: usize,
    /// Processes that were replaced.
    pub recycled: u64,
    /// Collections that were begun.
    pub collections: u64,
    /// Events that were simulated.
    pub events: u64,
    /// Why it was ended early, if so: more than it can carry.
    pub overloaded: bool,
}

/// Requests that did not end well, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// The client gave up, its last attempt too.
    pub timed_out: u64,
    /// The queue was full, at every attempt to connect.
    pub refused: u64,
}

/// Share of its capacity at which each station worked, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Busy {
    /// CPU used, of the quota or the cores if those are fewer.
    pub cpu: f64,
    /// Slots taken, of all; 0 where there is no limit.
    pub slots: f64,
    /// Lanes taken, of the busiest process's.
    pub lanes: f64,
    /// Connections taken, of the backend's; 0 where there is no limit.
    pub backend: f64,
}

/// Sorts latencies by their bits, which for floats that are not negative is by value: three
/// passes, each dealing out by 11 bits.
pub(super) fn ascending(latencies: &mut Vec<f32>) {
    const BITS: u32 = 11;
    if latencies.len() < 4096 {
        return latencies.sort_unstable_by(f32::total_cmp);
    }
    let mut other = vec![0.0f32; latencies.len()];
    for pass in 0..3 {
        let digit = |x: f32| (x.to_bits() >> (BITS * pass)) as usize & ((1 << BITS) - 1);
        let mut places = [0usize; 1 << BITS];
        latencies.iter().for_each(|x| places[digit(*x)] += 1);
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        for x in latencies.iter() {
            let place = &mut places[digit(*x)];
            other[*place] = *x;
            *place += 1;
        }
        std::mem::swap(latencies, &mut other);
    }
}

impl Outcome {
    /// The smallest latency that a share `q` of all requests does not exceed, failures being
    /// infinite. 0 when there was no request.
    pub fn quantile(&self, q: f64) -> f64 {
        let all = self.latencies.len() as u64 + self.failed.timed_out + self.failed.refused;
        if all == 0 {
            return 0.0;
        }
        let rank = ((q * all as f64 - 1e-9).ceil().max(1.0) as usize) - 1;
        self.latencies.get(rank).map_or(f64::INFINITY, |l| f64::from(*l))
    }

    /// Mean latency of those that ended well, seconds.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.latencies.iter().map(|l| f64::from(*l)).sum();
        sum / (self.latencies.len().max(1)) as f64
    }

    /// Share of the requests that did not end well.
    pub fn failed_share(&self) -> f64 {
        let failed = self.failed.timed_out + self.failed.refused;
        failed as f64 / (failed + self.latencies.len() as u64).max(1) as f64
    }

    /// Attempts for a request, in the mean.
    pub fn attempts(&self) -> f64 {
        let failed = self.failed.timed_out + self.failed.refused;
        let requests = (failed + self.latencies.len() as u64).max(1);
        1.0 + self.again as f64 / requests as f64
    }

    /// The station that is nearest to its capacity.
    pub fn binding(&self, network: &Network) -> Resource {
        let Busy { cpu, slots, lanes, backend } = self.busy;
        let lane = match network.serial {
            Serial::Worker => Resource::WorkerPool,
            Serial::Gil => Resource::Gil,
            Serial::EventLoop => Resource::EventLoop,
            Serial::Threads => Resource::CpuQuota,
        };
        // In this order among equals: what binds all settings alike comes first.
        let stations = [
            (Resource::CpuQuota, cpu),
            (Resource::Backend, backend),
            (Resource::WorkerPool, slots),
            (lane, lanes),
        ];
        let most = stations.iter().map(|(_, busy)| *busy).fold(0.0, f64::max);
        let near = stations.iter().find(|(_, busy)| *busy >= 0.97 * most);
        near.map_or(Resource::Unknown, |(resource, _)| *resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn latencies_ascend(seed in prop::collection::vec(0.0f32..1e4, 1..50), times in 1usize..200) {
            let mut all: Vec<f32> =
                (0..times).flat_map(|i| seed.iter().map(move |x| x / (i + 1) as f32)).collect();
            let mut right = all.clone();
            right.sort_by(f32::total_cmp);
            ascending(&mut all);
            prop_assert_eq!(all, right);
        }
    }

    #[test]
    fn a_failure_is_infinitely_late() {
        let mut outcome = Outcome { latencies: vec![1.0, 2.0, 3.0], ..Outcome::default() };
        outcome.failed.refused = 1;
        assert_eq!((outcome.quantile(0.75), outcome.quantile(0.76)), (3.0, f64::INFINITY));
        assert_eq!(outcome.failed_share(), 0.25);
    }
}
