//! What one sample shows, if it lasts.

use super::steady::{Places, Steady};
use super::{Kind, Trouble, reading, trouble};
use crate::sample::Sample;
use knee_core::observe::{Resource, Stall};

/// Share of the 100 ms periods in which the quota ran out.
const THROTTLED: f64 = 0.25;
/// Milliseconds that an event loop may stand still: a person notices, and every request waits.
const BLOCKED: f64 = 500.0;
/// Share of a limit from which what is left is little.
const NEAR: f64 = 0.8;
/// The same of memory, whose working set may well be high.
const NEAR_MEMORY: f64 = 0.9;
/// OPcache's hit rate below which something is wrong with it.
const HITS: f64 = 0.95;

type Rule = fn(&Sample) -> Option<String>;

/// Kind, and the evidence where it is so.
const RULES: [(Kind, Rule); 5] = [
    (Kind::PoolSaturated, saturated),
    (Kind::CpuThrottled, throttled),
    (Kind::DescriptorsNearLimit, descriptors),
    (Kind::MemoryNearLimit, memory),
    (Kind::OpcacheMisses, misses),
];

/// What was seen of each so far.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    lasting: [Steady; RULES.len()],
    /// Where an event loop stood still.
    places: Places,
}

impl Conditions {
    pub fn see(&mut self, at: f64, sample: &Sample) -> Vec<Trouble> {
        let each = self.lasting.iter_mut().zip(RULES);
        let lasting = each.filter_map(|(steady, (kind, rule))| {
            let evidence = rule(sample);
            let say = steady.see(at, evidence.is_some());
            evidence.filter(|_| say).map(|evidence| trouble(kind, sample, evidence))
        });
        let mut told: Vec<Trouble> = lasting.collect();
        told.extend(blocked(sample).filter(|t| self.places.see(at, t.place.as_ref())));
        told
    }
}

fn saturated(sample: &Sample) -> Option<String> {
    (sample.limit.resource == Resource::WorkerPool).then(|| sample.limit.evidence.clone())
}

/// It is over by the next sample, so it is told at once.
fn blocked(sample: &Sample) -> Option<Trouble> {
    let stall = sample.stall.as_ref();
    let delay = reading(sample, "node.eventloop.delay_p99").unwrap_or(0.0);
    let late = stall.map_or(delay, |stall| stall.ms.max(delay));
    // A throttled process stands still through no fault of its own.
    if late < BLOCKED || sample.usage.throttled >= THROTTLED {
        return None;
    }
    let whereabouts = stall.map(Stall::whereabouts).unwrap_or_default();
    let evidence = format!("the event loop stood still for {late:.0} ms{whereabouts}");
    let place = stall.and_then(|stall| stall.place.clone());
    Some(Trouble { place, ..trouble(Kind::EventLoopBlocked, sample, evidence) })
}

fn throttled(sample: &Sample) -> Option<String> {
    let limit = sample.cpu_limit.as_ref().filter(|_| sample.usage.throttled >= THROTTLED)?;
    Some(format!(
        "stopped in {:.0} % of the periods, {:.2} of {} vCPU used",
        sample.usage.throttled * 100.0,
        sample.usage.cpu,
        limit.value
    ))
}

fn descriptors(sample: &Sample) -> Option<String> {
    let (open, limit) = (sample.usage.descriptors, sample.usage.nofile?);
    (open as f64 >= NEAR * limit as f64).then(|| format!("{open} of {limit} descriptors open"))
}

fn memory(sample: &Sample) -> Option<String> {
    let (used, limit) = (sample.usage.memory, sample.memory_limit.as_ref()?.value);
    (used.0 as f64 >= NEAR_MEMORY * limit.0 as f64).then(|| format!("{used} of {limit} used"))
}

/// With the cause, as far as its figures tell.
fn misses(sample: &Sample) -> Option<String> {
    // One that is off tells of no hits.
    let off = reading(sample, "opcache.enabled") == Some(0.0);
    let rate = reading(sample, "opcache.hit_rate").or(off.then_some(0.0));
    let rate = rate.filter(|rate| *rate < HITS)?;
    let of = |name: &str| reading(sample, &format!("opcache.{name}")).unwrap_or(0.0);
    let cause = if off {
        "OPcache is off"
    } else if of("max_keys") > 0.0 && of("keys") >= of("max_keys") {
        "all slots are taken (opcache.max_accelerated_files)"
    } else if of("oom_restarts") > 0.0 || of("memory.free") < 1e6 {
        "its memory is used up (opcache.memory_consumption)"
    } else if of("hash_restarts") + of("manual_restarts") > 0.0 {
        "it was restarted"
    } else {
        "files change, or are new (opcache.validate_timestamps)"
    };
    Some(format!("{:.0} % of PHP's files came from OPcache: {cause}", rate * 100.0))
}
