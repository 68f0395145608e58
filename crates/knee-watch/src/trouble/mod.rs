//! Trouble that comes: leaks, a pool that stays full, a blocked event loop, throttling, descriptors
//! near their limit. Each is said once, with the evidence and the remedy. Pure: samples in, troubles
//! out.

mod conditions;
mod leak;
mod leaks;
mod remedy;
#[cfg(test)]
mod simulated;
mod steady;

pub use leak::{Growth, Leak, Point};

use crate::sample::Sample;
use conditions::Conditions;
use knee_core::observe::Place;
use leaks::Leaks;
use serde::{Serialize, Serializer};

/// Something that will hurt, or does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trouble {
    /// What.
    pub kind: Kind,
    /// Which service.
    pub service: String,
    /// Its first process.
    pub pid: i32,
    /// The figures that say so.
    pub evidence: String,
    /// What each request leaves behind, of a leak where requests are counted: bytes, descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_request: Option<f64>,
    /// Where in its code, of an event loop that stood still.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What to do.
    pub remedy: String,
}

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory of a process grows steadily.
    MemoryLeak,
    /// Descriptors of a process grow steadily.
    DescriptorLeak,
    /// Goroutines grow steadily.
    GoroutineLeak,
    /// The event loop gets later and later.
    EventLoopDrift,
    /// OPcache's memory is wasted more and more: files change under it.
    OpcacheWaste,
    /// Every worker is busy while CPU is left.
    PoolSaturated,
    /// The event loop stood still.
    EventLoopBlocked,
    /// The quota runs out again and again.
    CpuThrottled,
    /// Few descriptors are left.
    DescriptorsNearLimit,
    /// Little memory is left.
    MemoryNearLimit,
    /// Files are compiled again that OPcache should have.
    OpcacheMisses,
}

impl Kind {
    /// As events and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::MemoryLeak => "memory_leak",
            Kind::DescriptorLeak => "descriptor_leak",
            Kind::GoroutineLeak => "goroutine_leak",
            Kind::EventLoopDrift => "event_loop_drift",
            Kind::OpcacheWaste => "opcache_waste",
            Kind::PoolSaturated => "pool_saturated",
            Kind::EventLoopBlocked => "event_loop_blocked",
            Kind::CpuThrottled => "cpu_throttled",
            Kind::DescriptorsNearLimit => "descriptors_near_limit",
            Kind::MemoryNearLimit => "memory_near_limit",
            Kind::OpcacheMisses => "opcache_misses",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Watches one service for trouble.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    leaks: Leaks,
    conditions: Conditions,
}

impl Detector {
    /// Takes a sample at a time in seconds; what is to be said.
    pub fn see(&mut self, at: f64, sample: &Sample) -> Vec<Trouble> {
        let mut troubles = self.leaks.see(at, sample);
        troubles.extend(self.conditions.see(at, sample));
        troubles
    }
}

fn trouble(kind: Kind, sample: &Sample, evidence: String) -> Trouble {
    Trouble {
        kind,
        service: sample.name.clone(),
        pid: sample.pid,
        evidence,
        per_request: None,
        place: None,
        remedy: remedy::of(kind, sample.runtime).into(),
    }
}

fn reading(sample: &Sample, name: &str) -> Option<f64> {
    sample.usage.readings.iter().find(|r| r.name == name).map(|r| r.value)
}
