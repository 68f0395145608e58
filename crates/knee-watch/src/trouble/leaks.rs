//! The quantities that may leak: what each is, and how much is left of it.

use super::leak::{Growth, Leak, Point};
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

/// Of how many processes that serve the requests the value is one's; None where it is no sum that a
/// request adds to.
type Share = fn(&Sample) -> Option<f64>;

/// Kind, how it is written, its value with what is left, and whose value it is.
const QUANTITIES: [(Kind, Shown, Read, Share); 5] = [
    (Kind::MemoryLeak, bytes, memory, |s| Some(s.usage.processes.max(1).into())),
    (
        Kind::DescriptorLeak,
        |n| count(n, "descriptor"),
        descriptors,
        |s| Some(s.workers.max(1) as f64),
    ),
    (Kind::GoroutineLeak, |n| count(n, "goroutine"), goroutines, |_| Some(1.0)),
    (Kind::EventLoopDrift, |s| format!("{:.0} ms", s * 1e3), late, |_| None),
    (Kind::OpcacheWaste, bytes, wasted, |_| None),
];

/// Readings that count requests.
const REQUESTS: [&str; 2] = ["node.requests", "fpm.accepted"];

/// One course for each, and the requests that were counted so far.
#[derive(Clone, Debug, Default)]
pub struct Leaks {
    courses: [Leak; QUANTITIES.len()],
    served: f64,
}

impl Leaks {
    pub fn see(&mut self, at: f64, sample: &Sample) -> Vec<Trouble> {
        self.served += REQUESTS.iter().filter_map(|name| reading(sample, name)).sum::<f64>();
        let served = self.served;
        let each = self.courses.iter_mut().zip(QUANTITIES);
        each.filter_map(|(leak, (kind, shown, read, share))| {
            let (value, left) = read(sample)?;
            let growth = leak.see(Point { at, served, value }, left)?;
            let all = growth.per_request.zip(share(sample));
            let each = all.map(|(slope, processes)| slope * processes).filter(|each| *each > 0.0);
            let evidence = evidence(&growth, each, shown);
            Some(Trouble { per_request: each, ..trouble(kind, sample, evidence) })
        })
        .collect()
    }
}

/// `each`: what a request leaves, where that is known.
fn evidence(growth: &Growth, each: Option<f64>, shown: Shown) -> String {
    let each = each.map_or(String::new(), |each| {
        // Of less than one of what is counted: how many requests leave one.
        let many = (1.0 / each).round().max(1.0);
        let per = if many > 1.0 { format!("{many:.0} requests") } else { "request".into() };
        format!(", about {} each {per}", shown(each * many))
    });
    format!(
        "grew by {} in {:.0} s ({} a minute{each}, z {:.1}), {:.0} % of its head-room; at this pace the rest \
         lasts {:.0} min",
        shown(growth.by),
        growth.seconds,
        shown(growth.per_second * 60.0),
        growth.z,
        growth.share * 100.0,
        growth.left / 60.0
    )
}

fn count(n: f64, what: &str) -> String {
    let rounded = n.round();
    format!("{rounded} {what}{}", if rounded == 1.0 { "" } else { "s" })
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
