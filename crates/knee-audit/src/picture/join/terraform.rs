//! Terraform: the resources of each root module, and calls of modules that are known by their arguments.

use super::{Join, empty};
use crate::picture::ecs::{self, Resource};
use crate::picture::service::{Container, Deployment, Purpose, Service, Task};
use knee_files::formats::terraform::Terraform;
use knee_files::formats::tree::{Node, Span, Value};

impl Join {
    pub(super) fn terraform(&mut self) {
        let mut terraform = Terraform::default();
        let files = self.picture.files.clone();
        let ends = [".tf", ".tfvars", ".tfvars.json", "terragrunt.hcl"];
        let own = |path: &str| ends.iter().any(|end| path.ends_with(end));
        for (id, file) in files.iter().filter(|(_, file)| own(&file.path)) {
            if let Err(error) = terraform.add(&file.path, id.0, &file.text) {
                self.note(id, &error);
            }
        }
        let index = self.index.clone();
        let read = |path: &str| index.get(path).map(|id| (id.0, files.get(*id).text.to_string()));
        for folder in terraform.roots() {
            let plan = terraform.plan(&folder, &read);
            let named = |id: &str| format!("{folder}|{id}");
            for resource in plan.resources {
                let Some(kind) = ecs::kind(&resource.kind) else { continue };
                let body = renamed(resource.body, &folder);
                self.resources.push(Resource {
                    id: named(&resource.id),
                    kind,
                    body,
                    span: resource.span,
                });
            }
            for call in plan.calls {
                let body = renamed(call.body, &folder);
                self.module(named(&call.id), &call.kind, body, call.span);
            }
        }
        for folder in terraform.folders().cloned().collect::<Vec<_>>() {
            for (name, node) in terraform.defaults(&folder, &read) {
                let stop = matches!(name.as_str(), "stopTimeout" | "stop_timeout");
                if stop && node.number().is_some() {
                    self.template_default(&folder, node);
                }
            }
        }
    }

    /// The default that a module gives its users.
    pub(super) fn template_default(&mut self, folder: &str, node: Node) {
        let place = ecs::place(&node.span);
        let container = Container {
            stop_timeout: Some(ecs::found(&node, Node::number)),
            ..empty("module default", place.clone())
        };
        self.picture.services.push(Service {
            name: folder.rsplit('/').next().unwrap_or(folder).into(),
            purpose: Purpose::Template,
            deployment: Deployment::Ecs,
            place,
            task: Task::default(),
            containers: vec![container],
        });
    }

    /// A call of a module that is known by its arguments: a service, a container, a balancer.
    pub(super) fn module(&mut self, id: String, source: &str, body: Node, span: Span) {
        let resource = |kind, body| Resource { id: id.clone(), kind, body, span: span.clone() };
        // https://registry.terraform.io/modules/terraform-aws-modules/ecs/aws: services by name.
        let services = body.get("services").map(Node::entries).unwrap_or_default();
        for (name, service) in
            services.iter().filter(|(_, s)| s.get("container_definitions").is_some())
        {
            self.module(format!("{id}.{name}"), source, service.clone(), service.span.clone());
        }
        if let Some(body) = of_image(&body) {
            return self.resources.push(resource("task", body));
        }
        let sized = body.get("cpu").is_some() && body.get("memory").is_some();
        if body.get("container_definitions").is_some() {
            let known = self.resources.iter().any(|r| {
                r.kind == "task" && r.id.starts_with(&format!("{id}.")) && has_containers(&r.body)
            });
            if !known {
                self.resources.push(resource("task", body.clone()));
            }
            return;
        }
        if sized && body.first(&["image", "container_image"]).is_some() {
            let list = Node { value: Value::List(vec![body.clone()]), ..body.clone() };
            let entries = vec![("container_definitions".to_string(), list)];
            self.resources.push(resource("task", Node { value: Value::Map(entries), ..body }));
            return;
        }
        if source.contains("alb") || body.get("target_groups").is_some() {
            for group in body.get("target_groups").map(children).unwrap_or_default() {
                let span = group.span.clone();
                self.resources.push(Resource { id: id.clone(), kind: "group", body: group, span });
            }
            self.resources.push(resource("balancer", body));
        }
    }
}

/// A task out of the arguments of a module that takes one image with its size, by the names that
/// such modules have for them.
fn of_image(body: &Node) -> Option<Node> {
    let image = body.first(&["container_image", "image_url", "docker_image"])?;
    let cpu = body.first(&["task_cpu", "fargate_cpu", "ecs_task_cpu"])?;
    let memory = body.first(&["task_memory", "fargate_memory", "ecs_task_memory"])?;
    let named = |pairs: &[(&str, &[&str])]| -> Vec<(String, Node)> {
        let of =
            |(name, from): &(&str, &[&str])| Some((name.to_string(), body.first(from)?.clone()));
        pairs.iter().filter_map(of).collect()
    };
    let mut container = named(&[
        ("name", &["container_name", "service_name"]),
        ("command", &["container_command", "container_commands", "command"]),
        ("entryPoint", &["container_entrypoint", "entrypoint"]),
        ("environment", &["container_environment", "container_envvars", "environment"]),
        ("secrets", &["container_secrets", "secrets"]),
        ("ulimits", &["container_ulimits", "ulimits"]),
        ("stopTimeout", &["container_stop_timeout", "stop_timeout"]),
        ("linuxParameters", &["container_linux_parameters", "linux_parameters"]),
    ]);
    container.push(("image".into(), image.clone()));
    let map = |entries| Node { value: Value::Map(entries), ..body.clone() };
    let list = |entries| Node { value: Value::List(vec![map(entries)]), ..body.clone() };
    if let Some(port) = body.first(&["container_port", "app_port"]) {
        container.push(("portMappings".into(), list(vec![("containerPort".into(), port.clone())])));
    }
    let mut task = named(&[
        ("family", &["task_name", "service_name"]),
        ("desiredCount", &["desired_count"]),
        ("autoscaling_max_capacity", &["autoscaling_max_capacity"]),
        ("launchType", &["launch_type"]),
    ]);
    task.push(("cpu".into(), cpu.clone()));
    task.push(("memory".into(), memory.clone()));
    if let Some(arn) =
        body.first(&["lb_target_group_arn", "target_group_arn", "alb_target_group_arn"])
    {
        task.push(("loadBalancers".into(), list(vec![("targetGroupArn".into(), arn.clone())])));
    }
    let mut containers = vec![map(container)];
    containers.extend(
        body.get("container_definitions").map(|more| more.items().to_vec()).unwrap_or_default(),
    );
    let all = Node { value: Value::List(containers), ..body.clone() };
    task.push(("container_definitions".into(), all));
    Some(map(task))
}

/// The elements of a list, or the values of a map of maps.
pub(super) fn children(node: &Node) -> Vec<Node> {
    let maps = !node.entries().is_empty() && node.entries().iter().all(|(_, n)| n.is_map());
    if maps {
        node.entries().iter().map(|(_, n)| n.clone()).collect()
    } else {
        node.items().to_vec()
    }
}

pub(super) fn has_containers(body: &Node) -> bool {
    body.get("containerDefinitions").is_some_and(|node| !ecs::containers(node).is_empty())
}

/// References of a plan with the folder that they mean.
pub(super) fn renamed(node: Node, folder: &str) -> Node {
    let value = match node.value {
        Value::Reference(name) => Value::Reference(format!("{folder}|{name}")),
        Value::List(items) => Value::List(items.into_iter().map(|n| renamed(n, folder)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(k, n)| (k, renamed(n, folder))).collect())
        }
        value => value,
    };
    Node { value, ..node }
}
