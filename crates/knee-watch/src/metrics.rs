//! The metrics of a sample: one table, from which every form of export, the dashboards' test and the
//! documentation follow.
//!
//! Names and units are OpenTelemetry's where it has them (process.*, container.*, nodejs.*, v8js.*,
//! go.*: <https://opentelemetry.io/docs/specs/semconv/>), else begin with `knee.`.

use crate::sample::Sample;
use Instrument::{Gauge, UpDownCounter};

/// What is measured again and again.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name, dotted.
    pub name: &'static str,
    /// OpenTelemetry's kind of instrument.
    pub instrument: Instrument,
    /// Its unit in UCUM, as OpenTelemetry writes it: `By`, `s`, `1`, `{cpu}`.
    pub unit: &'static str,
    /// What it is.
    pub doc: &'static str,
    source: Source,
}

/// Whether values of several services may be added up
/// (<https://opentelemetry.io/docs/specs/otel/metrics/api/#updowncounter>). Prometheus calls both a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// They may not: a share, a mean, a peak.
    Gauge,
    /// They may: a number of things, bytes.
    UpDownCounter,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The sample.
    Seen(fn(&Sample) -> Option<f64>),
    /// A reading of what the runtime tells, by its name.
    Told(&'static str),
}

impl Metric {
    /// Its value; None where it is not seen.
    pub fn value(&self, sample: &Sample) -> Option<f64> {
        let value = match self.source {
            Source::Seen(value) => value(sample)?,
            Source::Told(name) => {
                let reading = sample.usage.readings.iter().find(|r| r.name == name)?;
                if reading.unit == "ms" { reading.value / 1e3 } else { reading.value }
            }
        };
        value.is_finite().then_some(value)
    }
}

/// Counts since the start, which samples do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name, dotted.
    pub name: &'static str,
    /// What it counts.
    pub doc: &'static str,
}

/// Troubles that were told, by kind.
pub const TROUBLES: Counter =
    Counter { name: "knee.troubles", doc: "Troubles that were told, by kind." };
/// Samples that were taken: it stands still when watching has ended.
pub const SAMPLES: Counter = Counter { name: "knee.samples", doc: "Samples that were taken." };

/// Workers that were replaced.
pub const RECYCLED: Counter = Counter {
    name: "knee.recycled",
    doc: "Workers that were replaced as they leaked (--recycle).",
};

/// All counters.
pub const COUNTERS: [Counter; 3] = [TROUBLES, SAMPLES, RECYCLED];

const fn seen(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    doc: &'static str,
    value: fn(&Sample) -> Option<f64>,
) -> Metric {
    Metric { name, instrument, unit, doc, source: Source::Seen(value) }
}

const fn told(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    doc: &'static str,
    reading: &'static str,
) -> Metric {
    Metric { name, instrument, unit, doc, source: Source::Told(reading) }
}

/// All of them.
pub static METRICS: [Metric; 30] = [
    seen(
        "container.cpu.usage",
        Gauge,
        "{cpu}",
        "CPU of the whole task, where its cgroup can be seen.",
        |s| s.whole_task.then_some(s.usage.cpu),
    ),
    seen("knee.cpu.limit", UpDownCounter, "{cpu}", "CPU that the task may use.", |s| {
        Some(s.cpu_limit.as_ref()?.value)
    }),
    seen(
        "knee.cpu.throttled",
        Gauge,
        "1",
        "Share of 100 ms periods in which the CPU quota ran out.",
        |s| s.whole_task.then_some(s.usage.throttled),
    ),
    seen(
        "container.memory.working_set",
        UpDownCounter,
        "By",
        "Memory of the task, less file cache that can be dropped.",
        |s| s.whole_task.then_some(s.usage.memory.0 as f64),
    ),
    seen("knee.memory.limit", UpDownCounter, "By", "Memory that the task may use.", |s| {
        Some(s.memory_limit.as_ref()?.value.0 as f64)
    }),
    seen("knee.process.cpu.usage", Gauge, "{cpu}", "CPU of the service's own processes.", |s| {
        Some(s.cpu)
    }),
    seen("knee.process.cpu.busiest", Gauge, "{cpu}", "CPU of its busiest process.", |s| {
        Some(s.usage.busiest)
    }),
    seen(
        "process.memory.usage",
        UpDownCounter,
        "By",
        "PSS of its processes, weighed once a minute.",
        |s| (s.usage.pss.0 > 0).then_some(s.usage.pss.0 as f64),
    ),
    seen(
        "knee.process.memory.anonymous",
        UpDownCounter,
        "By",
        "Memory of its processes that no file backs.",
        |s| Some(s.anonymous.0 as f64),
    ),
    seen("knee.process.count", UpDownCounter, "{process}", "Its processes.", |s| {
        Some(s.usage.processes.into())
    }),
    seen("process.thread.count", UpDownCounter, "{thread}", "Threads of its processes.", |s| {
        Some(s.usage.threads.into())
    }),
    seen(
        "process.unix.file_descriptor.count",
        UpDownCounter,
        "{file_descriptor}",
        "Open descriptors of the process that is nearest to its limit.",
        |s| Some(s.usage.descriptors as f64),
    ),
    seen(
        "knee.file_descriptor.limit",
        UpDownCounter,
        "{file_descriptor}",
        "That process's soft limit of open files.",
        |s| Some(s.usage.nofile? as f64),
    ),
    seen("knee.workers", UpDownCounter, "{worker}", "Processes that serve.", |s| {
        Some(s.workers as f64)
    }),
    seen(
        "knee.slots",
        UpDownCounter,
        "{request}",
        "Requests that it can serve at once, where that is limited.",
        |s| Some(s.slots?.into()),
    ),
    seen(
        "knee.in_service",
        Gauge,
        "{request}",
        "Requests in service, in the mean of an interval.",
        |s| Some(s.busy?.mean),
    ),
    seen(
        "knee.in_service.most",
        Gauge,
        "{request}",
        "Most requests in service at one look.",
        |s| Some(s.busy?.most.into()),
    ),
    seen(
        "knee.accept_queue",
        Gauge,
        "{connection}",
        "Connections that wait to be accepted at the fullest socket.",
        |s| Some(s.usage.accept_queue.into()),
    ),
    seen("knee.accept_queue.limit", Gauge, "{connection}", "How many fit there.", |s| {
        (s.usage.backlog > 0).then_some(s.usage.backlog.into())
    }),
    told(
        "nodejs.eventloop.delay.p50",
        Gauge,
        "s",
        "How late the event loop is, median.",
        "node.eventloop.delay_p50",
    ),
    told(
        "nodejs.eventloop.delay.p99",
        Gauge,
        "s",
        "The same, 99th percentile.",
        "node.eventloop.delay_p99",
    ),
    told(
        "nodejs.eventloop.utilization",
        Gauge,
        "1",
        "Share of the time in which the event loop did not wait.",
        "node.eventloop.utilization",
    ),
    told(
        "v8js.memory.heap.used",
        UpDownCounter,
        "By",
        "Heap of all its V8 isolates.",
        "node.heap.used",
    ),
    told("v8js.memory.heap.limit", UpDownCounter, "By", "Its limit.", "node.heap.limit"),
    told(
        "go.goroutine.count",
        UpDownCounter,
        "{goroutine}",
        "Goroutines, where pprof can be asked.",
        "go.goroutines",
    ),
    told(
        "knee.go.memory.heap.used",
        UpDownCounter,
        "By",
        "Heap of Go, with what waits to be collected, where expvar or pprof can be asked.",
        "go.heap.used",
    ),
    told(
        "go.memory.gc.goal",
        UpDownCounter,
        "By",
        "Size at which the next collection ends.",
        "go.heap.next",
    ),
    told(
        "knee.fpm.active",
        Gauge,
        "{process}",
        "Children that serve, as FPM counts them.",
        "fpm.active",
    ),
    told(
        "knee.fpm.max_children_reached",
        Gauge,
        "{time}",
        "Times that pm.max_children was reached in an interval.",
        "fpm.max_children_reached",
    ),
    told(
        "knee.opcache.hit_rate",
        Gauge,
        "1",
        "Share of PHP's files that came from OPcache.",
        "opcache.hit_rate",
    ),
];

/// Every name there is, with those of counters.
pub fn names() -> Vec<&'static str> {
    METRICS.iter().map(|m| m.name).chain(COUNTERS.map(|c| c.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus;
    use std::fmt::Write;
    use std::path::Path;

    fn documentation() -> String {
        let mut text = String::from(
            "# What `knee run` exports\n\nMade from the table that the exports are made from: after a change to it,\n\
             `KNEE_WRITE_DOCS=1 cargo test -p knee-watch documentation`.\n\n\
             | OTLP and CloudWatch | Prometheus | OTLP's kind | unit | what |\n|---|---|---|---|---|\n",
        );
        for metric in &METRICS {
            let Metric { name, instrument, unit, doc, .. } = metric;
            let shown = prometheus::name(metric);
            let _ = writeln!(text, "| `{name}` | `{shown}` | {instrument:?} | `{unit}` | {doc} |");
        }
        for counter in COUNTERS {
            // CloudWatch counts lines itself, and what is replaced stands in the log.
            let alone = if counter == TROUBLES { "" } else { " (OTLP alone)" };
            let (name, shown) = (counter.name, prometheus::counter(counter.name));
            let _ =
                writeln!(text, "| `{name}`{alone} | `{shown}` | Counter | `1` | {} |", counter.doc);
        }
        text
    }

    #[test]
    fn documentation_is_made_from_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring/metrics.md");
        if std::env::var_os("KNEE_WRITE_DOCS").is_some() {
            std::fs::write(&path, documentation()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), documentation());
    }
}
