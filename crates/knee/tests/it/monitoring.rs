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

/// An alarm in both forms: its name, what it says, its threshold, and the metrics with their statistics.
type Alarm = (String, String, f64, BTreeSet<(String, String)>);

fn cloudformation() -> Vec<Alarm> {
    let template: Value = serde_json::from_str(&text("alarms.json")).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_string();
    let alarm = |alarm: &Value| {
        assert_eq!(alarm["Type"], "AWS::CloudWatch::Alarm");
        let of = &alarm["Properties"];
        let queries =
            of["Metrics"].as_array().into_iter().flatten().map(|query| &query["MetricStat"]);
        let queries = queries.filter(|query| !query.is_null());
        let of_query = |query: &Value| {
            assert_eq!(query["Metric"]["Namespace"], "knee");
            (word(&query["Metric"]["MetricName"]), word(&query["Stat"]))
        };
        let alone = of.get("MetricName").map(|name| (word(name), word(&of["Statistic"])));
        let name = word(&of["AlarmName"]["Fn::Sub"]).replace("${Service}-knee-", "");
        let metrics = queries.map(of_query).chain(alone).collect();
        (name, word(&of["AlarmDescription"]), of["Threshold"].as_f64().unwrap(), metrics)
    };
    let mut all: Vec<Alarm> =
        template["Resources"].as_object().unwrap().values().map(alarm).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn terraform() -> Vec<Alarm> {
    use hcl_edit::expr::{Expression, Object};
    let body: hcl_edit::structure::Body = text("alarms.tf").parse().unwrap();
    let locals = body.get_blocks("locals").next().unwrap();
    let member = |object: &Object, name: &str| -> Option<Expression> {
        let (_, value) =
            object.iter().find(|(key, _)| key.as_ident().is_some_and(|k| k.as_str() == name))?;
        Some(value.expr().clone())
    };
    let mut all = vec![];
    for list in ["metrics", "shares"] {
        let list = locals.body.get_attribute(list).unwrap();
        for (key, alarm) in list.value.as_object().unwrap() {
            let alarm = alarm.expr().as_object().unwrap();
            let word = |name: &str| Some(member(alarm, name)?.as_str()?.to_string());
            let used = (word("metric").unwrap(), word("statistic").unwrap());
            let most = word("most").map(|most| (most, "Average".to_string()));
            let threshold =
                member(alarm, "threshold").unwrap().as_number().unwrap().as_f64().unwrap();
            let metrics = most.into_iter().chain([used]).collect();
            let name = key.as_ident().unwrap().to_string();
            all.push((name, word("description").unwrap(), threshold, metrics));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn alarms_are_the_same_in_both_forms_and_watch_metrics_that_exist() {
    let all = cloudformation();
    assert_eq!(all, terraform());
    assert_eq!(all.len(), 7);
    let known = names();
    for (name, _) in all.iter().flat_map(|(_, _, _, metrics)| metrics) {
        assert!(known.contains(&name.as_str()), "{name}");
    }
}
