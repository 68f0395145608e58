//! Metrics as Prometheus reads them (text format 0.0.4). Names as OpenTelemetry's exporters make them:
//! `_` for `.`, the unit behind it, `_total` behind a counter
//! (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>).

use crate::metrics::{METRICS, Metric, RECYCLED, SAMPLES, TROUBLES};
use crate::sample::Sample;
use crate::trouble::Kind;
use std::fmt::Write;

/// What is exported beside samples.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Samples that were taken.
    pub samples: u64,
    /// Workers that were replaced.
    pub recycled: u64,
    /// Troubles that were told: service, kind, how often.
    pub troubles: Vec<(String, Kind, u64)>,
}

impl Counts {
    /// One more trouble.
    pub fn add(&mut self, service: &str, kind: Kind) {
        match self.troubles.iter_mut().find(|(s, k, _)| s == service && *k == kind) {
            Some((_, _, count)) => *count += 1,
            None => self.troubles.push((service.into(), kind, 1)),
        }
    }
}

/// The whole page.
pub fn page(samples: &[Sample], counts: &Counts) -> String {
    let mut text = String::new();
    for metric in &METRICS {
        let values = samples.iter().filter_map(|sample| Some((sample, metric.value(sample)?)));
        let values: Vec<(&Sample, f64)> = values.collect();
        if values.is_empty() {
            continue;
        }
        let name = name(metric);
        head(&mut text, &name, metric.doc, "gauge");
        for (sample, value) in values {
            let _ = writeln!(text, "{name}{{{}}} {value}", labels(sample));
        }
    }
    for (which, count) in [(SAMPLES, counts.samples), (RECYCLED, counts.recycled)] {
        let name = counter(which.name);
        head(&mut text, &name, which.doc, "counter");
        let _ = writeln!(text, "{name} {count}");
    }
    let name = counter(TROUBLES.name);
    head(&mut text, &name, TROUBLES.doc, "counter");
    for (service, kind, count) in &counts.troubles {
        let service = escaped(service);
        let kind = kind.name();
        let _ = writeln!(text, "{name}{{service=\"{service}\",kind=\"{kind}\"}} {count}");
    }
    text
}

fn head(text: &mut String, name: &str, doc: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {doc}\n# TYPE {name} {kind}");
}

/// Several services of one runtime are told apart by their first process.
fn labels(sample: &Sample) -> String {
    format!("service=\"{}\",pid=\"{}\"", escaped(&sample.name), sample.pid)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A gauge's name.
pub fn name(metric: &Metric) -> String {
    let name = metric.name.replace('.', "_");
    match metric.unit {
        "By" => name + "_bytes",
        "s" => name + "_seconds",
        "1" => name + "_ratio",
        _ => name,
    }
}

/// A counter's name.
pub fn counter(name: &str) -> String {
    name.replace('.', "_") + "_total"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{COUNTERS, names};

    #[test]
    fn names_end_as_their_units_say() {
        let shown: Vec<String> = METRICS.iter().map(name).collect();
        for expected in [
            "container_cpu_usage",
            "process_memory_usage_bytes",
            "nodejs_eventloop_delay_p99_seconds",
            "knee_cpu_throttled_ratio",
        ] {
            assert!(shown.iter().any(|name| name == expected), "{expected}: {shown:?}");
        }
        assert_eq!(counter(TROUBLES.name), "knee_troubles_total");
        let mut unique = names();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), METRICS.len() + COUNTERS.len());
    }

    #[test]
    fn a_label_may_hold_anything() {
        let mut counts = Counts::default();
        counts.add("a\"b\\c\nd", Kind::MemoryLeak);
        counts.add("a\"b\\c\nd", Kind::MemoryLeak);
        let page = page(&[], &counts);
        let line = r#"knee_troubles_total{service="a\"b\\c\nd",kind="memory_leak"} 2"#;
        assert_eq!(page.lines().last(), Some(line));
    }
}
