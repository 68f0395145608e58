//! What the metrics are of: the task as its metadata describes it, under OpenTelemetry's names, and what
//! the user's own variables say, which count more.
//! Source: <https://opentelemetry.io/docs/specs/semconv/resource/cloud-provider/aws/ecs/>.

use super::asked::list;
use crate::size::metadata::{self, Documents};
use serde_json::Value;
use std::collections::BTreeMap;

/// Names and values, from what the metadata has said already, else it is asked.
pub fn resource(documents: Option<Documents>) -> Vec<(String, String)> {
    let ask = || {
        let endpoint = std::env::var(metadata::VARIABLE).ok()?;
        Some(Documents::ask(&endpoint, &mut vec![]))
    };
    let said = documents.filter(|said| *said != Documents::default());
    of(&said.or_else(ask).unwrap_or_default(), &|name| std::env::var(name).ok())
}

fn of(documents: &Documents, variable: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut all: BTreeMap<String, String> = task(documents);
    // As every program that says nothing of itself.
    all.entry("service.name".into()).or_insert("unknown_service".into());
    all.extend(list(&variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()));
    if let Some(name) = variable("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
        all.insert("service.name".into(), name);
    }
    all.into_iter().collect()
}

/// What the metadata says, where it says it.
fn task(Documents { task, container }: &Documents) -> BTreeMap<String, String> {
    let said = |of: &Option<Value>, name: &str| Some(of.as_ref()?.get(name)?.as_str()?.to_string());
    let (arn, id) = (said(task, "TaskARN"), said(container, "DockerId"));
    let own = said(container, "ContainerARN");
    // arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID
    let part = |n: usize| arn.as_ref()?.split(':').nth(n).map(str::to_string);
    // The agent of EC2 may name the cluster alone.
    let cluster = said(task, "Cluster").and_then(|cluster| match cluster.starts_with("arn:") {
        true => Some(cluster),
        false => Some(format!("{}:cluster/{cluster}", arn.as_ref()?.rsplit_once(":task/")?.0)),
    });
    let launch = said(task, "LaunchType").map(|kind| kind.to_lowercase());
    let here = |text: &str| arn.is_some().then(|| text.to_string());
    [
        ("service.name", said(task, "Family")),
        ("service.instance.id", own.clone().or(id.clone())),
        ("cloud.provider", here("aws")),
        ("cloud.platform", here("aws_ecs")),
        ("cloud.region", part(3)),
        ("cloud.account.id", part(4)),
        ("cloud.availability_zone", said(task, "AvailabilityZone")),
        ("aws.ecs.cluster.arn", cluster),
        ("aws.ecs.launchtype", launch),
        ("aws.ecs.task.arn", arn.clone()),
        ("aws.ecs.task.id", arn.as_ref().and_then(|arn| Some(arn.rsplit('/').next()?.to_string()))),
        ("aws.ecs.task.family", said(task, "Family")),
        ("aws.ecs.task.revision", said(task, "Revision")),
        ("aws.ecs.container.arn", own),
        ("container.id", id),
        ("container.name", said(container, "Name")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_string(), value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_task_describes_itself_and_the_users_words_count_more() {
        let documents = Documents {
            task: Some(json!({
                "Cluster": "default", "Family": "orders", "Revision": "26", "LaunchType": "FARGATE",
                "TaskARN": "arn:aws:ecs:us-east-1:111122223333:task/default/158d1c80",
            })),
            container: Some(json!({"DockerId": "ea32", "Name": "web"})),
        };
        let shown = |variable: &dyn Fn(&str) -> Option<String>| {
            let all = of(&documents, variable).into_iter();
            all.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            shown(&|_| None),
            "aws.ecs.cluster.arn=arn:aws:ecs:us-east-1:111122223333:cluster/default \
             aws.ecs.launchtype=fargate aws.ecs.task.arn=arn:aws:ecs:us-east-1:111122223333:task/default/158d1c80 \
             aws.ecs.task.family=orders aws.ecs.task.id=158d1c80 aws.ecs.task.revision=26 \
             cloud.account.id=111122223333 cloud.platform=aws_ecs cloud.provider=aws cloud.region=us-east-1 \
             container.id=ea32 container.name=web \
             service.instance.id=ea32 service.name=orders"
        );
        let own = |name: &str| match name {
            "OTEL_RESOURCE_ATTRIBUTES" => Some("service.name=a,team=shop".to_string()),
            "OTEL_SERVICE_NAME" => Some("checkout".to_string()),
            _ => None,
        };
        let text = shown(&own);
        assert!(text.contains("service.name=checkout") && text.contains("team=shop"), "{text}");
        let none = of(&Documents::default(), &|_| None);
        assert_eq!(none, [("service.name".to_string(), "unknown_service".to_string())]);
    }
}
