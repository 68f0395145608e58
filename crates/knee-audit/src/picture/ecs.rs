//! Services on ECS: task definitions, services, target groups and load balancers, whatever they
//! are written in, joined by what they refer to.

use super::files::{FileId, Place};
use super::found::{Found, Known, Origin};
use super::service::{Container, Launch, LoadBalancer, Nofile, Target, Task};
use super::values::Kind;
use knee_core::Bytes;
use knee_files::formats::tree::{Node, Span};
use std::collections::BTreeMap;

/// A resource of any tool.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub id: String,
    pub kind: &'static str,
    pub body: Node,
    pub span: Span,
}

/// The kind of a resource, by its name in CloudFormation or Terraform.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    Some(match name {
        "AWS::ECS::TaskDefinition" | "aws_ecs_task_definition" => "task",
        "AWS::ECS::Service" | "aws_ecs_service" => "service",
        "AWS::ElasticLoadBalancingV2::TargetGroup"
        | "aws_lb_target_group"
        | "aws_alb_target_group" => "group",
        "AWS::ElasticLoadBalancingV2::LoadBalancer" | "aws_lb" | "aws_alb" => "balancer",
        "AWS::ElasticLoadBalancingV2::Listener" | "aws_lb_listener" | "aws_alb_listener" => {
            "listener"
        }
        "AWS::ElasticLoadBalancingV2::ListenerRule"
        | "aws_lb_listener_rule"
        | "aws_alb_listener_rule" => "rule",
        "AWS::ApplicationAutoScaling::ScalableTarget" | "aws_appautoscaling_target" => "scaling",
        "AWS::AutoScaling::LaunchConfiguration"
        | "AWS::EC2::LaunchTemplate"
        | "aws_launch_template"
        | "aws_launch_configuration" => "hosts",
        "AWS::RDS::DBParameterGroup"
        | "AWS::RDS::DBClusterParameterGroup"
        | "aws_db_parameter_group"
        | "aws_rds_cluster_parameter_group" => "parameters",
        _ => return None,
    })
}

pub(super) fn place(span: &Span) -> Place {
    Place::new(FileId(span.file), span.range.clone())
}

/// A node's value, made by `read`, with its place.
pub(super) fn found<T>(node: &Node, read: impl FnOnce(&Node) -> Option<T>) -> Found<T> {
    let at = place(&node.span);
    let value = match (read(node), node.unknown_because()) {
        (Some(value), _) => Known::Is(value),
        (None, Some(because)) => Known::Unknown(because),
        (None, None) => Known::Unknown("is not understood".into()),
    };
    Found { value, origin: Origin::At(at), unless: node.unless.clone(), overrode: Vec::new() }
}

/// vCPU: `256`, `0.25 vCPU`.
fn vcpu(node: &Node) -> Option<f64> {
    if let Some(units) = node.number() {
        return (units > 0.0).then(|| if units < 64.0 { units } else { units / 1024.0 });
    }
    let text = node.text()?.to_ascii_lowercase();
    text.strip_suffix("vcpu")?.trim().parse().ok()
}

/// Bytes of an amount in MiB: `512`, `0.5GB`.
pub(super) fn mebibytes(node: &Node) -> Option<u64> {
    if let Some(n) = node.number() {
        return (n > 0.0).then_some((n * 1_048_576.0) as u64);
    }
    let text = node.text()?.replace(' ', "");
    text.parse::<Bytes>().ok().map(|bytes| bytes.0)
}

/// What a task definition says of the task.
pub(super) fn task(body: &Node) -> Task {
    let listed = body.get("requiresCompatibilities").filter(|node| !node.items().is_empty());
    let fargate = listed.map(|node| {
        let names: Vec<String> = node.items().iter().filter_map(Node::text).collect();
        let at = node.items().first().unwrap_or(node);
        found(at, |_| launch(&names.join(",")))
    });
    Task {
        cpu: body.get("cpu").map(|node| found(node, vcpu)),
        memory: body.get("memory").map(|node| found(node, mebibytes)),
        launch: fargate,
        ..Task::default()
    }
}

fn launch(text: &str) -> Option<Launch> {
    match text {
        "FARGATE" => Some(Launch::Fargate),
        "EC2" => Some(Launch::Ec2),
        "" => None,
        text if text.contains("${") => None,
        _ => Some(Launch::Other),
    }
}

/// What a service adds.
pub(super) fn service(body: &Node, task: &mut Task) {
    if let Some(node) = body.get("launchType") {
        task.launch = Some(found(node, |node| launch(&node.text()?)));
    }
    for strategy in body
        .first(&["capacityProviderStrategy", "capacityProviderStrategies"])
        .map(Node::items)
        .unwrap_or_default()
    {
        let Some(provider) = strategy.get("capacityProvider") else { continue };
        match provider.text().as_deref() {
            Some("FARGATE_SPOT") => {
                task.spot = Some(found(provider, |_| Some(true)));
                task.launch.get_or_insert(found(provider, |_| Some(Launch::Fargate)));
            }
            Some("FARGATE") => {
                task.launch.get_or_insert(found(provider, |_| Some(Launch::Fargate)));
            }
            // Fargate's providers are nobody's resource: what is one has instances.
            None if provider.reference().is_some_and(|r| r.contains("capacity_provider")) => {
                task.launch.get_or_insert(found(provider, |_| Some(Launch::Ec2)));
            }
            _ => {}
        }
    }
    let number = |node: &Node| node.number().map(|n| n as u64);
    task.desired = body.get("desiredCount").map(|node| found(node, number));
    let grace = body.get("healthCheckGracePeriodSeconds");
    task.health_check_grace = grace.map(|node| found(node, Node::number));
}

/// Where instances are said to be those of ECS: by their image, or by what they are started with.
pub(super) fn instances(body: &Node) -> Option<&Node> {
    let says = |node: &Node, words: &[&str]| {
        let text = node.text().or_else(|| node.unknown_because()).unwrap_or_default();
        words.iter().any(|word| text.contains(word))
    };
    let body = body.first(&["LaunchTemplateData"]).unwrap_or(body);
    let image = body.get("ImageId").filter(|n| says(n, &["ecs/optimized-ami", "ecs-optimized"]));
    image.or_else(|| {
        let data = body.get("UserData")?;
        let mut todo = vec![data];
        while let Some(node) = todo.pop() {
            if says(node, &["ECS_CLUSTER"]) {
                return Some(data);
            }
            todo.extend(node.entries().iter().map(|(_, node)| node));
            if node.is_list() {
                todo.extend(node.items());
            }
        }
        None
    })
}

/// The containers of a list, or of a map by name.
pub(super) fn containers(list: &Node) -> Vec<(Container, Node)> {
    let named: Vec<(Option<String>, Node)> = match list.is_map() {
        true => {
            list.entries().iter().map(|(name, node)| (Some(name.clone()), node.clone())).collect()
        }
        false => list.items().iter().map(|node| (None, node.clone())).collect(),
    };
    let known = named.into_iter().filter(|(_, node)| node.is_map());
    known.enumerate().map(|(at, (name, node))| (container(at, name, &node), node)).collect()
}

fn container(at: usize, name: Option<String>, node: &Node) -> Container {
    let name = node.get("name").and_then(Node::text).or(name);
    let mut env = BTreeMap::new();
    for variable in node.get("environment").map(Node::items).unwrap_or_default() {
        if let (Some(name), Some(value)) =
            (variable.get("name").and_then(Node::text), variable.get("value"))
        {
            env.insert(name, found(value, |node| node.text().filter(|text| !text.contains("${"))));
        }
    }
    for secret in node.get("secrets").map(Node::items).unwrap_or_default() {
        if let Some(name) = secret.get("name") {
            env.insert(
                name.text().unwrap_or_default(),
                Found::unknown("is a secret", place(&name.span)),
            );
        }
    }
    let nofile = node
        .get("ulimits")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .find(|limit| limit.get("name").and_then(Node::text).as_deref() == Some("nofile"));
    Container {
        name: name.unwrap_or_else(|| format!("container{}", at + 1)),
        place: place(&node.span),
        image: None,
        cpu: node.get("cpu").map(|node| found(node, Node::number)),
        memory: node.get("memory").map(|node| found(node, mebibytes)),
        memory_reservation: node.get("memoryReservation").map(|node| found(node, mebibytes)),
        stop_timeout: node.get("stopTimeout").map(|node| found(node, Node::number)),
        nofile: nofile.and_then(|limit| {
            let (soft, hard) = (limit.get("softLimit")?, limit.get("hardLimit")?);
            Some(found(soft, |soft| {
                Some(Nofile { soft: soft.number()? as u64, hard: hard.number()? as u64 })
            }))
        }),
        init: node
            .path(&["linuxParameters", "initProcessEnabled"])
            .map(|node| found(node, Node::switch)),
        stop_signal: None,
        essential: node.get("essential").and_then(Node::switch) != Some(false),
        port: node.get("portMappings").and_then(|node| node.items().first()).and_then(|mapping| {
            let port = mapping.get("containerPort")?;
            Some(found(port, |port| port.number().map(|n| n as u16)))
        }),
        env,
        command: None,
        targets: Vec::new(),
        programs: Vec::new(),
    }
}

/// The value of an attribute that CloudFormation keeps in a list of keys and values.
fn attribute<'n>(body: &'n Node, list: &str, key: &str, plain: &str) -> Option<&'n Node> {
    let listed = body
        .get(list)
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .find(|attribute| attribute.get("Key").and_then(Node::text).as_deref() == Some(key));
    listed.and_then(|attribute| attribute.get("Value")).or_else(|| body.get(plain))
}

/// A load balancer.
pub(super) fn balancer(resource: &Resource) -> LoadBalancer {
    let body = &resource.body;
    let idle =
        attribute(body, "LoadBalancerAttributes", "idle_timeout.timeout_seconds", "idle_timeout");
    let kind = body.first(&["Type", "load_balancer_type"]).and_then(Node::text);
    LoadBalancer {
        place: place(&resource.span),
        application: kind.is_none_or(|kind| kind == "application"),
        idle_timeout: idle
            .map_or_else(|| Found::default(60.0, "ALB"), |node| found(node, Node::number)),
    }
}

/// A target group.
pub(super) fn target(resource: &Resource) -> Target {
    let body = &resource.body;
    let delay = attribute(
        body,
        "TargetGroupAttributes",
        "deregistration_delay.timeout_seconds",
        "deregistration_delay",
    );
    let interval =
        body.get("HealthCheckIntervalSeconds").or_else(|| body.path(&["health_check", "interval"]));
    Target {
        place: place(&resource.span),
        deregistration_delay: delay.map_or_else(
            || Found::default(300.0, "target group"),
            |node| found(node, Node::number),
        ),
        health_interval: interval.map(|node| found(node, Node::number)),
        load_balancer: None,
        port: body.get("Port").and_then(Node::number).map(|n| n as u16),
    }
}

/// What a node refers to, also from inside a text.
pub(super) fn references(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![node];
    while let Some(node) = todo.pop() {
        if let Some(name) = node.reference() {
            found.push(name.to_string());
        } else if let Some(text) = node.text().filter(|text| text.contains("${")) {
            found.extend(
                text.split("${")
                    .skip(1)
                    .filter_map(|part| Some(part.split('}').next()?.to_string())),
            );
        }
        todo.extend(node.entries().iter().map(|(_, node)| node));
        if node.is_list() {
            todo.extend(node.items());
        }
    }
    found
}

/// Seconds of `35s`, `1m30s`, `30`.
pub(super) fn seconds(node: &Node) -> Option<f64> {
    let found = super::settings::of_node(Kind::Seconds, node);
    let simple = found.get().and_then(super::found::Datum::number);
    simple.or_else(|| {
        let text = node.text()?;
        let (minutes, rest) = text.split_once('m')?;
        let rest = rest.trim_end_matches('s');
        Some(minutes.parse::<f64>().ok()? * 60.0 + rest.parse::<f64>().unwrap_or(0.0))
    })
}
