//! Metrics in CloudWatch's embedded metric format: a line of JSON that the log's reader makes
//! metrics of. Source:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.

use crate::metrics::{METRICS, TROUBLES};
use crate::sample::Sample;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The namespace of all of them.
pub const NAMESPACE: &str = "knee";

/// A line's document.
#[derive(Debug)]
pub struct Line<'a> {
    aws: Aws,
    service: &'a str,
    values: Vec<(&'static str, f64)>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_aws", &self.aws)?;
        map.serialize_entry("service", self.service)?;
        for (name, value) in &self.values {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws {
    timestamp: u64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Described>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    name: &'static str,
    unit: &'static str,
}

/// Of a sample at a time in milliseconds since 1970, with as many troubles as were told of it. One
/// directive may name 100 metrics, which is more than there are.
pub fn line(sample: &Sample, millis: u64, troubles: u32) -> Line<'_> {
    let seen = METRICS.iter().filter_map(|metric| Some((metric, metric.value(sample)?)));
    let seen: Vec<_> = seen.collect();
    let described = seen.iter().map(|(metric, _)| (metric.name, unit(metric.unit)));
    let described = described.chain([(TROUBLES.name, "Count")]);
    let directive = Directive {
        namespace: NAMESPACE,
        dimensions: [["service"]],
        metrics: described.map(|(name, unit)| Described { name, unit }).collect(),
    };
    let values = seen.iter().map(|(metric, value)| (metric.name, *value));
    Line {
        aws: Aws { timestamp: millis, cloud_watch_metrics: [directive] },
        service: &sample.name,
        values: values.chain([(TROUBLES.name, f64::from(troubles))]).collect(),
    }
}

/// CloudWatch's word for a unit.
fn unit(ucum: &str) -> &'static str {
    match ucum {
        "By" => "Bytes",
        "s" => "Seconds",
        "1" | "{cpu}" => "None",
        _ => "Count",
    }
}
