//! The dashboard and the alarms of `docs/monitoring/`: they parse, and name only metrics that exist.

use crate::process::root;
use knee_watch::metrics::{COUNTERS, METRICS, names};
use knee_watch::prometheus;
use serde_json::Value;
use std::collections::BTreeSet;

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join("docs/monitoring").join(name)).unwrap()
}

/// Every member of that name, at any depth.
fn members<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(name).and_then(Value::as_str));
            object.values().for_each(|value| members(value, name, found));
        }
        Value::Array(array) => array.iter().for_each(|value| members(value, name, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let dashboard: Value = serde_json::from_str(&text("grafana.json")).unwrap();
    let mut known: BTreeSet<String> = METRICS.iter().map(prometheus::name).collect();
    known.extend(COUNTERS.map(|counter| prometheus::counter(counter.name)));
    let mut asked = Vec::new();
    for member in ["expr", "query"] {
        members(&dashboard, member, &mut asked);
    }
    let words =
        asked.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let ours = ["knee_", "container_", "process_", "nodejs_", "v8js_", "go_"];
    let metrics: BTreeSet<&str> =
        words.filter(|word| ours.iter().any(|start| word.starts_with(start))).collect();
    assert!(metrics.len() > 20, "{metrics:?}");
    let unknown: Vec<_> = metrics.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids: Vec<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), panels.len());
}

/// Names of metrics by alarm: namespace and metric.
fn cloudformation() -> BTreeSet<String> {
    let template: Value = serde_json::from_str(&text("alarms.json")).unwrap();
    let (mut metrics, mut spaces) = (Vec::new(), Vec::new());
    members(&template, "MetricName", &mut metrics);
    members(&template, "Namespace", &mut spaces);
    assert!(spaces.iter().all(|space| *space == "knee") && spaces.len() == metrics.len());
    for alarm in template["Resources"].as_object().unwrap().values() {
        assert_eq!(alarm["Type"], "AWS::CloudWatch::Alarm");
    }
    metrics.into_iter().map(Into::into).collect()
}

fn terraform() -> BTreeSet<String> {
    let body: hcl_edit::structure::Body = text("alarms.tf").parse().unwrap();
    let mut metrics = BTreeSet::new();
    for alarm in body.get_blocks("resource") {
        assert!(alarm.has_labels(&["aws_cloudwatch_metric_alarm"]));
        let inner = alarm.body.get_blocks("metric_query").flat_map(|q| q.body.get_blocks("metric"));
        for body in inner.map(|metric| &metric.body).chain([&alarm.body]) {
            let name = body.get_attribute("metric_name").and_then(|a| a.value.as_str());
            metrics.extend(name.map(String::from));
        }
    }
    metrics
}

#[test]
fn alarms_in_both_forms_watch_the_same_metrics_and_these_exist() {
    let (template, module) = (cloudformation(), terraform());
    assert_eq!(template, module);
    assert!(template.len() >= 10, "{template:?}");
    let known = names();
    let unknown: Vec<_> = template.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
