//! The quantities that may leak: what each is, and how much is left of it.

use super::leak::{Growth, Leak};
use super::{Kind, Trouble, reading, trouble};
use crate::sample::Sample;
use knee_core::Bytes;

/// What a goroutine that hangs takes at least: its stack of 2 KiB
/// (<https://go.dev/src/runtime/stack.go>), and as much for what it holds; an assumption.
const GOROUTINE: f64 = 4096.0;
/// Seconds by which an event loop may be late: later, time-outs and health checks fail.
const LATE: f64 = 1.0;
/// Share of OPcache's memory that may be wasted before it restarts: `opcache.max_wasted_percentage`
/// (<https://www.php.net/manual/en/opcache.configuration.php>), by default.
const WASTED: f64 = 0.05;

type Read = fn(&Sample) -> Option<(f64, f64)>;

type Shown = fn(f64) -> String;

/// Kind, how it is written, and its value with what is left.
const QUANTITIES: [(Kind, Shown, Read); 5] = [
    (Kind::MemoryLeak, bytes, memory),
    (Kind::DescriptorLeak, |n| format!("{n:.0} descriptors"), descriptors),
    (Kind::GoroutineLeak, |n| format!("{n:.0} goroutines"), goroutines),
    (Kind::EventLoopDrift, |s| format!("{:.0} ms", s * 1e3), late),
    (Kind::OpcacheWaste, bytes, wasted),
];

/// One course for each.
#[derive(Clone, Debug, Default)]
pub struct Leaks([Leak; QUANTITIES.len()]);

impl Leaks {
    pub fn see(&mut self, at: f64, sample: &Sample) -> Vec<Trouble> {
        let each = self.0.iter_mut().zip(QUANTITIES);
        each.filter_map(|(leak, (kind, shown, read))| {
            let (value, left) = read(sample)?;
            let growth = leak.see(at, value, left)?;
            Some(trouble(kind, sample, evidence(&growth, shown)))
        })
        .collect()
    }
}

fn evidence(growth: &Growth, shown: Shown) -> String {
    format!(
        "grew by {} in {:.0} s ({} a minute, z {:.1}), {:.0} % of its head-room; at this pace the rest \
         lasts {:.0} min",
        shown(growth.by),
        growth.seconds,
        shown(growth.per_second * 60.0),
        growth.z,
        growth.share * 100.0,
        growth.left / 60.0
    )
}

fn bytes(n: f64) -> String {
    Bytes(n.max(0.0) as u64).to_string()
}

/// Of each process in the mean: a pool that grows is no leak.
fn memory(sample: &Sample) -> Option<(f64, f64)> {
    let limit = sample.memory_limit.as_ref()?.value.0 as f64;
    let each = f64::from(sample.usage.processes.max(1));
    let value = sample.anonymous.0 as f64 / each;
    let used = (sample.usage.memory.0 as f64).max(sample.anonymous.0 as f64);
    Some((value, (limit - used) / each))
}

fn descriptors(sample: &Sample) -> Option<(f64, f64)> {
    let open = sample.usage.descriptors as f64;
    Some((open, sample.usage.nofile? as f64 - open))
}

fn goroutines(sample: &Sample) -> Option<(f64, f64)> {
    let count = reading(sample, "go.goroutines")?;
    let limit = sample.memory_limit.as_ref()?.value.0 as f64;
    Some((count, (limit - sample.usage.memory.0 as f64) / GOROUTINE))
}

/// The median: a moment's stall is no drift.
fn late(sample: &Sample) -> Option<(f64, f64)> {
    let seconds = reading(sample, "node.eventloop.delay_p50")? / 1e3;
    Some((seconds, LATE - seconds))
}

fn wasted(sample: &Sample) -> Option<(f64, f64)> {
    let [wasted, used, free] =
        ["wasted", "used", "free"].map(|part| reading(sample, &format!("opcache.memory.{part}")));
    let (wasted, all) = (wasted?, wasted? + used? + free?);
    Some((wasted, all * WASTED - wasted))
}
