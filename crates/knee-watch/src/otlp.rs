//! Metrics as OpenTelemetry's collectors take them over HTTP: the JSON encoding of an
//! `ExportMetricsServiceRequest`, in which 64-bit integers are strings.
//!
//! Sources: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>,
//! `opentelemetry/proto/metrics/v1/metrics.proto` of opentelemetry-proto.

use crate::metrics::{Counter, Instrument, METRICS, RECYCLED, SAMPLES, TROUBLES};
use crate::prometheus::Counts;
use crate::sample::Sample;
use serde::Serialize;

/// Names of the attributes of a value: as the labels of the Prometheus page, whose dashboards then
/// fit, and OpenTelemetry's own name for the process.
const SERVICE: &str = "service";
const PID: &str = "process.pid";
const KIND: &str = "kind";

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u32 = 2;

/// What is exported at one time, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// One for each service.
    pub samples: &'a [Sample],
    /// What is counted since the beginning.
    pub counts: &'a Counts,
    /// When counting began.
    pub began: u64,
    /// Now.
    pub now: u64,
    /// What they are of: names and values of a resource.
    pub resource: &'a [(String, String)],
}

/// The document of a round.
pub fn export<'a>(round: &Round<'a>) -> Export<'a> {
    let attributes = round.resource.iter().map(|(name, value)| text(name, value)).collect();
    let scope = Scope { name: "knee", version: env!("CARGO_PKG_VERSION") };
    let levels = METRICS.iter().filter_map(|metric| {
        let value = |sample: &'a Sample| {
            let attributes = vec![text(SERVICE, &sample.name), number(PID, sample.pid)];
            let value = Value::AsDouble(metric.value(sample)?);
            // What comes at once, such as a gauge, began at no time.
            let start = (metric.instrument == Instrument::UpDownCounter).then_some(round.began);
            Some(Point::new(attributes, start, round.now, value))
        };
        let data_points: Vec<Point> = round.samples.iter().filter_map(value).collect();
        let data = match metric.instrument {
            Instrument::Gauge => Data::Gauge { data_points },
            Instrument::UpDownCounter => Data::sum(data_points, false),
        };
        data.is_some().then_some(Metric {
            name: metric.name,
            unit: metric.unit,
            description: metric.doc,
            data,
        })
    });
    let metrics = levels.chain(counters(round)).collect();
    let resource = Resource { attributes };
    Export {
        resource_metrics: [ResourceMetrics {
            resource,
            scope_metrics: [ScopeMetrics { scope, metrics }],
        }],
    }
}

fn counters<'a>(round: &Round<'a>) -> impl Iterator<Item = Metric<'a>> {
    let point = |attributes, count: u64| {
        Point::new(attributes, Some(round.began), round.now, Value::AsInt(count.to_string()))
    };
    let Counts { samples, recycled, troubles } = round.counts;
    let troubles = troubles.iter().map(|(service, kind, count)| {
        point(vec![text(SERVICE, service), text(KIND, kind.name())], *count)
    });
    let all: [(Counter, Vec<Point>); 3] = [
        (SAMPLES, vec![point(vec![], *samples)]),
        (RECYCLED, vec![point(vec![], *recycled)]),
        (TROUBLES, troubles.collect()),
    ];
    let metric = |(counter, points): (Counter, Vec<Point<'a>>)| Metric {
        name: counter.name,
        unit: "1",
        description: counter.doc,
        data: Data::sum(points, true),
    };
    all.into_iter().map(metric).filter(|metric| metric.data.is_some())
}

/// An `ExportMetricsServiceRequest`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export<'a> {
    resource_metrics: [ResourceMetrics<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Resource<'a>,
    scope_metrics: [ScopeMetrics<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Debug, Serialize)]
struct ScopeMetrics<'a> {
    scope: Scope,
    metrics: Vec<Metric<'a>>,
}

#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Metric<'a> {
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    #[serde(flatten)]
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Gauge { data_points: Vec<Point<'a>> },
    #[serde(rename_all = "camelCase")]
    Sum { data_points: Vec<Point<'a>>, aggregation_temporality: u32, is_monotonic: bool },
}

impl<'a> Data<'a> {
    fn sum(data_points: Vec<Point<'a>>, is_monotonic: bool) -> Data<'a> {
        Data::Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic }
    }

    /// Whether there is a value at all.
    fn is_some(&self) -> bool {
        match self {
            Data::Gauge { data_points } | Data::Sum { data_points, .. } => !data_points.is_empty(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point<'a> {
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_unix_nano: Option<String>,
    time_unix_nano: String,
    #[serde(flatten)]
    value: Value,
}

impl<'a> Point<'a> {
    fn new(
        attributes: Vec<Attribute<'a>>,
        start: Option<u64>,
        now: u64,
        value: Value,
    ) -> Point<'a> {
        let start_time_unix_nano = start.map(|start| start.to_string());
        Point { attributes, start_time_unix_nano, time_unix_nano: now.to_string(), value }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    AsDouble(f64),
    AsInt(String),
}

#[derive(Debug, Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Any<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Any<'a> {
    StringValue(&'a str),
    IntValue(String),
}

fn text<'a>(key: &'a str, value: &'a str) -> Attribute<'a> {
    Attribute { key, value: Any::StringValue(value) }
}

fn number(key: &str, value: i32) -> Attribute<'_> {
    Attribute { key, value: Any::IntValue(value.to_string()) }
}
