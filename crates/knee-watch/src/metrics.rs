//! The metrics of a sample: one table, from which every form of export, the dashboards' test and the
//! documentation follow.
//!
//! Names and units are OpenTelemetry's where it has them (process.*, container.*, nodejs.*, v8js.*,
//! go.*: <https://opentelemetry.io/docs/specs/semconv/>), else begin with `knee.`.

use crate::sample::Sample;

/// A gauge.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name, dotted.
    pub name: &'static str,
    /// Its unit in UCUM, as OpenTelemetry writes it: `By`, `s`, `1`, `{cpu}`.
    pub unit: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its value; None where it is not seen.
    pub value: fn(&Sample) -> Option<f64>,
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

const fn metric(
    name: &'static str,
    unit: &'static str,
    doc: &'static str,
    value: fn(&Sample) -> Option<f64>,
) -> Metric {
    Metric { name, unit, doc, value }
}

/// All of them.
pub static METRICS: [Metric; 28] = [
    metric(
        "container.cpu.usage",
        "{cpu}",
        "CPU of the whole task, where its cgroup can be seen.",
        |s| s.whole_task.then_some(s.usage.cpu),
    ),
    metric("knee.cpu.limit", "{cpu}", "CPU that the task may use.", |s| {
        Some(s.cpu_limit.as_ref()?.value)
    }),
    metric(
        "knee.cpu.throttled",
        "1",
        "Share of 100 ms periods in which the CPU quota ran out.",
        |s| s.whole_task.then_some(s.usage.throttled),
    ),
    metric(
        "container.memory.working_set",
        "By",
        "Memory of the task, less file cache that can be dropped.",
        |s| s.whole_task.then_some(s.usage.memory.0 as f64),
    ),
    metric("knee.memory.limit", "By", "Memory that the task may use.", |s| {
        Some(s.memory_limit.as_ref()?.value.0 as f64)
    }),
    metric("knee.process.cpu.usage", "{cpu}", "CPU of the service's own processes.", |s| {
        Some(s.cpu)
    }),
    metric("knee.process.cpu.busiest", "{cpu}", "CPU of its busiest process.", |s| {
        Some(s.usage.busiest)
    }),
    metric("process.memory.usage", "By", "PSS of its processes, weighed once a minute.", |s| {
        (s.usage.pss.0 > 0).then_some(s.usage.pss.0 as f64)
    }),
    metric(
        "knee.process.memory.anonymous",
        "By",
        "Memory of its processes that no file backs.",
        |s| Some(s.anonymous.0 as f64),
    ),
    metric("knee.process.count", "{process}", "Its processes.", |s| Some(s.usage.processes.into())),
    metric("process.thread.count", "{thread}", "Threads of its processes.", |s| {
        Some(s.usage.threads.into())
    }),
    metric(
        "process.unix.file_descriptor.count",
        "{file_descriptor}",
        "Open descriptors of the process that is nearest to its limit.",
        |s| Some(s.usage.descriptors as f64),
    ),
    metric(
        "knee.file_descriptor.limit",
        "{file_descriptor}",
        "That process's soft limit of open files.",
        |s| Some(s.usage.nofile? as f64),
    ),
    metric("knee.workers", "{worker}", "Processes that serve.", |s| Some(s.workers as f64)),
    metric(
        "knee.slots",
        "{request}",
        "Requests that it can serve at once, where that is limited.",
        |s| Some(s.slots?.into()),
    ),
    metric(
        "knee.in_service",
        "{request}",
        "Requests in service, in the mean of an interval.",
        |s| Some(s.busy?.mean),
    ),
    metric("knee.in_service.most", "{request}", "Most requests in service at one look.", |s| {
        Some(s.busy?.most.into())
    }),
    metric(
        "knee.accept_queue",
        "{connection}",
        "Connections that wait to be accepted at the fullest socket.",
        |s| Some(s.usage.accept_queue.into()),
    ),
    metric("knee.accept_queue.limit", "{connection}", "How many fit there.", |s| {
        (s.usage.backlog > 0).then_some(s.usage.backlog.into())
    }),
    metric("nodejs.eventloop.delay.p50", "s", "How late the event loop is, median.", |s| {
        ms(s, "node.eventloop.delay_p50")
    }),
    metric("nodejs.eventloop.delay.p99", "s", "The same, 99th percentile.", |s| {
        ms(s, "node.eventloop.delay_p99")
    }),
    metric(
        "nodejs.eventloop.utilization",
        "1",
        "Share of the time in which the event loop did not wait.",
        |s| reading(s, "node.eventloop.utilization"),
    ),
    metric("v8js.memory.heap.used", "By", "Heap of all its V8 isolates.", |s| {
        reading(s, "node.heap.used")
    }),
    metric("v8js.memory.heap.limit", "By", "Its limit.", |s| reading(s, "node.heap.limit")),
    metric("go.goroutine.count", "{goroutine}", "Goroutines, where pprof can be asked.", |s| {
        reading(s, "go.goroutines")
    }),
    metric("knee.fpm.active", "{process}", "Children that serve, as FPM counts them.", |s| {
        reading(s, "fpm.active")
    }),
    metric(
        "knee.fpm.max_children_reached",
        "{time}",
        "Times that pm.max_children was reached in an interval.",
        |s| reading(s, "fpm.max_children_reached"),
    ),
    metric("knee.opcache.hit_rate", "1", "Share of PHP's files that came from OPcache.", |s| {
        reading(s, "opcache.hit_rate")
    }),
];

/// Every name there is, with those of counters.
pub fn names() -> Vec<&'static str> {
    METRICS.iter().map(|m| m.name).chain(COUNTERS.map(|c| c.name)).collect()
}

fn reading(sample: &Sample, name: &str) -> Option<f64> {
    sample.usage.readings.iter().find(|r| r.name == name).map(|r| r.value)
}

fn ms(sample: &Sample, name: &str) -> Option<f64> {
    reading(sample, name).map(|ms| ms / 1e3)
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
             | CloudWatch | Prometheus | unit | what |\n|---|---|---|---|\n",
        );
        for metric in &METRICS {
            let (name, unit, doc) = (metric.name, metric.unit, metric.doc);
            let _ =
                writeln!(text, "| `{name}` | `{}` | `{unit}` | {doc} |", prometheus::name(metric));
        }
        for counter in COUNTERS {
            // CloudWatch counts lines itself, and what is replaced stands in the log.
            let name = if counter == TROUBLES { "`knee.troubles`" } else { "" };
            let shown = prometheus::counter(counter.name);
            let _ = writeln!(text, "| {name} | `{shown}` | | {} |", counter.doc);
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
