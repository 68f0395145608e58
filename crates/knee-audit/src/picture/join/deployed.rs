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
use crate::picture::{values, walk};
use knee_files::formats::terraform;
use knee_files::formats::tree::Node;
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
        self.made = self.made();
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
        self.behind_the_only(&balancers, &mut behind);
        let mut attached = HashSet::new();
        let services = self.of_kind("service");
        let pairs = self.tasks_with_services(&services);
        for (at, service) in &pairs {
            let task = self.resources[*at].clone();
            let service = service.map(|s| self.resources[s].clone());
            self.task(&task, service, &behind, &mut attached, &agent);
        }
        for at in services {
            if !pairs.iter().any(|(_, service)| *service == Some(at)) && self.task_of(at).is_none()
            {
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

    /// The task definition that a service refers to.
    fn task_of(&self, service: usize) -> Option<usize> {
        let node = self.resources[service].body.get("taskDefinition");
        let names = node.map(ecs::references).unwrap_or_default();
        names.iter().find_map(|name| self.referred(name, "task", 0))
    }

    /// Each task definition with the service that runs it. Where stacks are applied apart, one is
    /// a variable of the other's: the only service without a task runs the only task without one.
    fn tasks_with_services(&self, services: &[usize]) -> Vec<(usize, Option<usize>)> {
        let of: Vec<_> = services.iter().map(|at| (*at, self.task_of(*at))).collect();
        let service =
            |task: usize| of.iter().find(|(_, own)| *own == Some(task)).map(|(at, _)| *at);
        let mut pairs: Vec<_> =
            self.of_kind("task").into_iter().map(|task| (task, service(task))).collect();
        let given = |at: &usize| self.resources[*at].body.get("taskDefinition").is_some();
        let open: Vec<_> =
            of.iter().filter(|(_, task)| task.is_none()).map(|(at, _)| *at).collect();
        let idle = pairs.iter().filter(|(_, service)| service.is_none()).count();
        if let ([only], 1) = (&open[..], idle)
            && given(only)
        {
            pairs.iter_mut().filter(|(_, s)| s.is_none()).for_each(|(_, s)| *s = Some(*only));
        }
        pairs
    }

    /// Target groups that no listener here is seen to send to are behind the only load balancer
    /// that there is: listener and group are often of stacks that are applied apart.
    fn behind_the_only(&self, balancers: &[usize], behind: &mut HashMap<usize, usize>) {
        let [only] = balancers else { return };
        if !ecs::balancer(&self.resources[*only]).application {
            return;
        }
        let http = |at: &usize| {
            let protocol = self.resources[*at].body.first(&["Protocol", "protocol"]);
            protocol.and_then(Node::text).is_none_or(|text| text.starts_with("HTTP"))
        };
        for group in self.of_kind("group").into_iter().filter(http) {
            behind.entry(group).or_insert(0);
        }
    }

    /// The target group of a service's entry; where the entry's is not known and all groups are
    /// behind one load balancer, the first of them.
    fn group_of(&self, entry: &Node, behind: &HashMap<usize, usize>) -> Vec<usize> {
        let Some(arn) = entry.get("targetGroupArn") else { return Vec::new() };
        let names = ecs::references(arn);
        let known: Vec<usize> =
            names.iter().filter_map(|name| self.referred(name, "group", 0)).collect();
        let groups = self.of_kind("group");
        let mut fronts = groups.iter().map(|group| behind.get(group));
        let first = fronts.next().flatten();
        let open = known.is_empty() && arn.unknown_because().is_some();
        if open && first.is_some() && fronts.all(|front| front == first) {
            return groups.into_iter().take(1).collect();
        }
        known
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
        let purpose = self.purpose_of(resource);
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

    /// The folder of the root module that a resource belongs to, else that of its file.
    fn root_of(&self, resource: &Resource) -> String {
        let called = resource.id.split_once('|').filter(|(_, id)| id.starts_with("module."));
        let own = || self.folder(FileId(resource.span.file));
        called.map_or_else(own, |(root, _)| root.to_string())
    }

    /// What a resource is there for: that of a module which a root module here calls is that of
    /// the root.
    fn purpose_of(&self, resource: &Resource) -> Purpose {
        let own = self.purpose(FileId(resource.span.file));
        let folder = self.root_of(resource);
        let module = folder.split('/').any(|part| part == "modules");
        match own {
            Purpose::Production if walk::is_development(&format!("{folder}/main.tf")) => {
                Purpose::Development
            }
            Purpose::Production if module => Purpose::Template,
            own => own,
        }
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
        // A module that makes both says of both.
        if service.is_none() && resource.body.get("container_definitions").is_some() {
            ecs::service(&resource.body, &mut task);
            let most = resource.body.get("autoscaling_max_capacity");
            task.maximum = most.map(|n| ecs::found(n, |node| node.number().map(|n| n as u64)));
        }
        if let Some(service) = &service {
            ecs::service(&service.body, &mut task);
            for at in self.of_kind("scaling") {
                let scaling = &self.resources[at];
                let most = scaling.body.get("MaxCapacity").filter(|_| scales(scaling, service));
                if let Some(most) = most {
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
        let list = list.map(|node| terraform::decode(&node).unwrap_or(node));
        let mut containers = Vec::new();
        for (mut container, node) in list.as_ref().map(ecs::containers).unwrap_or_default() {
            let targets = service.as_ref().map(|s| &s.body).or(Some(&resource.body));
            let targets = targets.and_then(|body| body.first(&["loadBalancers", "load_balancer"]));
            for entry in targets.map(children).unwrap_or_default() {
                let name = entry.get("containerName").and_then(Node::text);
                if name.is_some_and(|name| name != container.name) {
                    continue;
                }
                for group in self.group_of(&entry, behind) {
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
            let from = self.root_of(resource);
            let family = resource.body.get("family").and_then(Node::text).unwrap_or_default();
            let built = image.as_ref().and_then(|image| {
                self.maker(&Started {
                    image,
                    container: &container.name,
                    family: &family,
                    from: &from,
                })
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

/// Whether a target of auto-scaling is this service: by what it refers to, else by the service's
/// name at the end of `service/CLUSTER/NAME`.
fn scales(scaling: &Resource, service: &Resource) -> bool {
    let folder = |resource: &Resource| resource.id.split('|').next().map(String::from);
    let inside = service.id.rsplit('|').next().unwrap_or_default();
    let here = folder(scaling) == folder(service);
    let refers = ecs::references(&scaling.body).iter().any(|name| {
        let rest = name.strip_prefix(inside).filter(|_| here);
        *name == service.id || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let named = || {
        let target = scaling.body.get("ResourceId")?.text()?;
        let name = service.body.first(&["name", "ServiceName"])?.text()?;
        Some(here && target.rsplit_once('/')?.1 == name)
    };
    refers || named() == Some(true)
}
