//! Services on ECS out of resources: tasks with their containers, and which load balancer sends to them.

use super::container::Start;
use super::documents::pattern;
use super::maker::Started;
use super::terraform::children;
use super::{Join, empty};
use crate::picture::ecs::{self, Resource};
use crate::picture::files::{FileId, Place};
use crate::picture::found::{Datum, Found};
use crate::picture::service::{Container, Deployment, Launch, Purpose, Service, Target, Task};
use crate::picture::values;
use knee_files::formats::loose;
use knee_files::formats::tree::{Node, Value};
use std::collections::{HashMap, HashSet};

impl Join {
    /// The resource that a name refers to, by way of exports.
    pub(super) fn referred(&self, name: &str, kind: &str, depth: usize) -> Option<usize> {
        if let Some(import) = name.strip_prefix("import:") {
            let wanted = pattern(import);
            let (_, value) = self.exports.iter().find(|(export, _)| *export == wanted)?;
            return ecs::references(value).iter().find_map(|name| {
                (depth < 4).then(|| self.referred(name, kind, depth + 1)).flatten()
            });
        }
        let exact = |r: &Resource| {
            r.kind == kind && (r.id == name || r.id.starts_with(&format!("{name}[")))
        };
        self.resources.iter().position(exact)
    }

    pub(super) fn ecs(&mut self) {
        let agent = self.agent_stop_timeout();
        self.tagged = self.tagged();
        let balancers: Vec<usize> = self.of_kind("balancer");
        for at in &balancers {
            let balancer = ecs::balancer(&self.resources[*at]);
            self.picture.load_balancers.push(balancer);
        }
        // Which balancer sends to which group: by listeners and their rules.
        let mut behind: HashMap<usize, usize> = HashMap::new();
        for kind in ["listener", "rule"] {
            for at in self.of_kind(kind) {
                let names = ecs::references(&self.resources[at].body);
                let groups: Vec<usize> =
                    names.iter().filter_map(|n| self.referred(n, "group", 0)).collect();
                let through = names.iter().find_map(|n| self.referred(n, "listener", 0));
                let through =
                    through.map(|l| ecs::references(&self.resources[l].body)).unwrap_or_default();
                let balancer =
                    names.iter().chain(&through).find_map(|n| self.referred(n, "balancer", 0));
                let balancer = balancer.and_then(|b| balancers.iter().position(|at| *at == b));
                for group in groups {
                    behind.extend(balancer.map(|balancer| (group, balancer)));
                }
            }
        }
        for at in self.of_kind("group") {
            let id = self.resources[at].id.clone();
            let own = balancers.iter().position(|b| self.resources[*b].id == id);
            behind.extend(own.map(|balancer| (at, balancer)));
        }
        let mut attached = HashSet::new();
        let services = self.of_kind("service");
        for at in self.of_kind("task") {
            let task = self.resources[at].clone();
            let service = services.iter().copied().find(|s| {
                let node = self.resources[*s].body.get("taskDefinition");
                let names = node.map(ecs::references).unwrap_or_default();
                names.iter().any(|name| self.referred(name, "task", 0) == Some(at))
            });
            self.task(
                &task,
                service.map(|s| self.resources[s].clone()),
                &behind,
                &mut attached,
                &agent,
            );
        }
        for at in services {
            let body = &self.resources[at].body;
            let names = body.get("taskDefinition").map(ecs::references).unwrap_or_default();
            if !names.iter().any(|name| self.referred(name, "task", 0).is_some()) {
                let resource = self.resources[at].clone();
                let mut task = Task { agent_stop_timeout: agent.clone(), ..Task::default() };
                ecs::service(&resource.body, &mut task);
                self.push(&resource, task, Vec::new());
            }
        }
        // A group that no service is seen behind is told of too.
        for at in self.of_kind("group") {
            if !attached.contains(&at) {
                let resource = self.resources[at].clone();
                let mut target = ecs::target(&resource);
                target.load_balancer = behind.get(&at).copied();
                let container = Container {
                    targets: vec![target],
                    ..empty("unknown", ecs::place(&resource.span))
                };
                let service = self.push(&resource, Task::default(), vec![container]);
                service.purpose = Purpose::Template;
            }
        }
    }

    pub(super) fn of_kind(&self, kind: &str) -> Vec<usize> {
        (0..self.resources.len()).filter(|at| self.resources[*at].kind == kind).collect()
    }

    pub(super) fn push(
        &mut self,
        resource: &Resource,
        task: Task,
        containers: Vec<Container>,
    ) -> &mut Service {
        let family = resource.body.first(&["family", "name", "ServiceName"]).and_then(Node::text);
        let id = resource.id.rsplit(['#', '|', '/']).next().unwrap_or(&resource.id).to_string();
        let at = FileId(resource.span.file);
        let path = self.picture.files.get(at).path.clone();
        let module = path.split('/').any(|part| part == "modules");
        let purpose = match self.purpose(at) {
            Purpose::Production if module => Purpose::Template,
            purpose => purpose,
        };
        self.picture.services.push(Service {
            name: family.filter(|name| !name.contains("${")).unwrap_or(id),
            purpose,
            deployment: Deployment::Ecs,
            place: ecs::place(&resource.span),
            task,
            containers,
        });
        self.picture.services.last_mut().expect("was pushed")
    }

    pub(super) fn task(
        &mut self,
        resource: &Resource,
        service: Option<Resource>,
        behind: &HashMap<usize, usize>,
        attached: &mut HashSet<usize>,
        agent: &Option<Found<f64>>,
    ) {
        let mut task = ecs::task(&resource.body);
        task.agent_stop_timeout.clone_from(agent);
        if let Some(service) = &service {
            ecs::service(&service.body, &mut task);
            for at in self.of_kind("scaling") {
                let body = &self.resources[at].body;
                let own = ecs::references(body).contains(&service.id);
                if let Some(most) = body.get("MaxCapacity").filter(|_| own) {
                    task.maximum = Some(ecs::found(most, |node| node.number().map(|n| n as u64)));
                }
            }
        }
        if task.launch.is_none() && service.is_some() {
            // Where nothing is said a service runs on the cluster's instances.
            let hosts = self.of_kind("hosts");
            let here = hosts.iter().find_map(|at| ecs::instances(&self.resources[*at].body));
            task.launch = here.map(|node| Found::at(Launch::Ec2, ecs::place(&node.span)));
        }
        let list = resource.body.get("containerDefinitions").cloned();
        let list = list.map(|node| match &node.value {
            Value::Text(text) => decoded(text, &node).unwrap_or(node),
            _ => node,
        });
        let mut containers = Vec::new();
        for (mut container, node) in list.as_ref().map(ecs::containers).unwrap_or_default() {
            let targets = service.as_ref().map(|s| &s.body).or(Some(&resource.body));
            let targets = targets.and_then(|body| body.first(&["loadBalancers", "load_balancer"]));
            for entry in targets.map(children).unwrap_or_default() {
                let name = entry.get("containerName").and_then(Node::text);
                if name.is_some_and(|name| name != container.name) {
                    continue;
                }
                let names = entry.get("targetGroupArn").map(ecs::references).unwrap_or_default();
                for group in names.iter().filter_map(|name| self.referred(name, "group", 0)) {
                    attached.insert(group);
                    let mut target: Target = ecs::target(&self.resources[group]);
                    target.load_balancer = behind.get(&group).copied();
                    let port = entry.get("containerPort").and_then(Node::number).map(|n| n as u16);
                    target.port = port.or(target.port);
                    container.targets.push(target);
                }
            }
            let start = Start {
                entrypoint: node.get("entryPoint").and_then(|n| self.command(n)),
                cmd: node.get("command").and_then(|n| self.command(n)),
            };
            let image = node.get("image").cloned();
            let from = FileId(resource.span.file);
            let family = resource.body.get("family").and_then(Node::text).unwrap_or_default();
            let built = image.as_ref().and_then(|image| {
                self.maker(&Started { image, container: &container.name, family: &family, from })
            });
            self.fill(&mut container, built, start, image.as_ref());
            containers.push(container);
        }
        self.push(resource, task, containers);
    }

    /// `ECS_CONTAINER_STOP_TIMEOUT` in the user data of instances.
    pub(super) fn agent_stop_timeout(&self) -> Option<Found<f64>> {
        let needle = "ECS_CONTAINER_STOP_TIMEOUT=";
        self.picture.files.iter().find_map(|(id, file)| {
            let ends = [".yml", ".yaml", ".json", ".tf", ".tpl", ".sh", ".template", ".tftpl"];
            let at = ends
                .iter()
                .any(|end| file.path.ends_with(end))
                .then(|| file.text.find(needle))??;
            let value = &file.text[at + needle.len()..];
            let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
            let place = Place::new(id, at..at + needle.len() + end);
            let found = values::typed(values::Kind::Seconds, &value[..end], place.clone());
            found.get().and_then(Datum::number).map(|n| Found::at(n, place))
        })
    }
}

/// A structured text at the places of its node.
pub(super) fn decoded(text: &str, node: &Node) -> Option<Node> {
    let read = loose::parse(text, node.span.file).ok()??;
    Some(knee_files::formats::terraform::placed(read, node))
}
