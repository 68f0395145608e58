//! Manifests of AWS Copilot: a service on Fargate in a few lines, with the defaults that Copilot's
//! stacks give it: <https://aws.github.io/copilot-cli/docs/manifest/lb-web-service/>.

use super::compose::variables;
use super::container::Start;
use super::{Join, empty};
use crate::picture::ecs;
use crate::picture::files::{FileId, joined};
use crate::picture::found::Found;
use crate::picture::image::{self, Built};
use crate::picture::service::{Container, Deployment, Launch, LoadBalancer, Service, Target, Task};
use knee_files::formats::tree::Node;

/// Seconds that Copilot lets a target finish, and ALB's own idle time-out, where nothing is said.
const DEREGISTRATION: f64 = 60.0;
const IDLE: f64 = 60.0;

impl Join {
    pub(super) fn copilot(&mut self, id: FileId, root: &Node) {
        let environments = root.get("environments");
        let production = environments.and_then(|all| all.first(&["production", "prod", "live"]));
        // What production says wins over what all environments share.
        let says =
            |path: &[&str]| production.and_then(|own| own.path(path)).or_else(|| root.path(path));
        let Some(kind) = root.get("type").filter(|kind| kind.text().is_some()) else { return };
        let name = root.get("name").and_then(Node::text).unwrap_or_else(|| "service".into());
        let kind_text = kind.text().unwrap_or_default();
        if kind_text.contains("Job") || kind_text.contains("Static") {
            return;
        }
        let mut container = empty(&name, ecs::place(&root.span));
        container.port = says(&["image", "port"])
            .map(|node| ecs::found(node, |node| node.number().map(|n| n as u16)));
        for variables in [root.get("variables"), production.and_then(|own| own.get("variables"))] {
            container.env.extend(variables.map(self::variables).unwrap_or_default());
        }
        let fronts = says(&["http", "target_container"]).and_then(Node::text);
        let own = fronts.is_none_or(|target| target == name);
        if let Some(http) = root.get("http").filter(|_| own && kind_text.contains("Load Balanced"))
        {
            container
                .targets
                .push(self.copilot_target(http, says(&["http", "deregistration_delay"])));
        }
        let built = says(&["image", "build"]).and_then(|build| self.copilot_image(id, build));
        let start = Start {
            entrypoint: says(&["entrypoint"]).and_then(|node| self.command(node)),
            cmd: says(&["command"]).and_then(|node| self.command(node)),
        };
        self.fill(&mut container, built, start, says(&["image", "location"]));
        let count = says(&["count"]);
        let task = Task {
            launch: Some(ecs::found(kind, |_| Some(Launch::Fargate))),
            desired: count
                .filter(|count| !count.is_map())
                .map(|count| ecs::found(count, |count| count.number().map(|n| n as u64))),
            maximum: count.and_then(|count| count.get("range")).map(most),
            spot: count
                .and_then(|count| count.first(&["spot", "spot_from"]))
                .or_else(|| count.and_then(|count| count.path(&["range", "spot_from"])))
                .map(|node| ecs::found(node, |_| Some(true))),
            ..sized(says(&["cpu"]), says(&["memory"]))
        };
        self.push_copilot(id, name, root, task, container);
    }

    fn push_copilot(
        &mut self,
        id: FileId,
        name: String,
        root: &Node,
        task: Task,
        container: Container,
    ) {
        let purpose = self.purpose(id);
        self.picture.services.push(Service {
            name,
            purpose,
            deployment: Deployment::Ecs,
            place: ecs::place(&root.span),
            task,
            containers: vec![container],
        });
    }

    /// The target group and the load balancer that Copilot makes for `http`.
    fn copilot_target(&mut self, http: &Node, delay: Option<&Node>) -> Target {
        let place = ecs::place(&http.span);
        self.picture.load_balancers.push(LoadBalancer {
            place: place.clone(),
            application: true,
            idle_timeout: Found::default(IDLE, "ALB"),
        });
        Target {
            place,
            deregistration_delay: delay.map_or_else(
                || Found::default(DEREGISTRATION, "Copilot"),
                |node| ecs::found(node, ecs::seconds),
            ),
            health_interval: None,
            load_balancer: Some(self.picture.load_balancers.len() - 1),
            port: None,
        }
    }

    /// The image of `build`: a Dockerfile's path, or one with its context, from the folder above
    /// `copilot/`.
    fn copilot_image(&self, id: FileId, build: &Node) -> Option<Built> {
        let folder = self.folder(id);
        let project = project(&folder);
        let path = build.text().or_else(|| build.get("dockerfile")?.text())?;
        let context = build.get("context").and_then(Node::text).map(|path| joined(project, &path));
        let dockerfile = *self.index.get(&joined(project, &path))?;
        let stage = build.get("target").and_then(Node::text);
        image::build(&self.picture.files, dockerfile, stage.as_deref(), context.as_deref()).ok()
    }
}

/// The most tasks of a range: `1-10`, or a map with `max`.
fn most(range: &Node) -> Found<u64> {
    let node = range.get("max").unwrap_or(range);
    ecs::found(node, |node| match node.text() {
        Some(text) => text.rsplit('-').next()?.trim().parse().ok(),
        None => node.number().map(|n| n as u64),
    })
}

/// The folder that holds `copilot/`, of one inside that.
fn project(folder: &str) -> &str {
    let parts: Vec<&str> = folder.split('/').collect();
    let own = parts.iter().rposition(|part| *part == "copilot").unwrap_or(0);
    let length = parts[..own].iter().map(|part| part.len() + 1).sum::<usize>();
    folder[..length].trim_end_matches('/')
}

/// A task of that size.
fn sized(cpu: Option<&Node>, memory: Option<&Node>) -> Task {
    Task {
        cpu: cpu.map(|node| ecs::found(node, |node| node.number().map(|units| units / 1024.0))),
        memory: memory.map(|node| ecs::found(node, ecs::mebibytes)),
        ..Task::default()
    }
}

#[cfg(test)]
mod tests {
    use super::project;
    use crate::picture::tests::picture;

    #[test]
    fn the_most_tasks_of_a_range() {
        let most = |count: &str| {
            let manifest = format!("name: web\ntype: Backend Service\ncount:\n  range: {count}\n");
            let picture = picture(&[("copilot/web/manifest.yml", &manifest)]);
            picture.services[0].task.maximum.as_ref().and_then(|most| most.get().copied())
        };
        assert_eq!((most("1-3"), most("{min: 1, max: 4}"), most("x")), (Some(3), Some(4), None));
    }

    #[test]
    fn the_folder_around_copilots() {
        assert_eq!(project("copilot/web"), "");
        assert_eq!(project("a/b/copilot/web"), "a/b");
        assert_eq!(project("shop/copilot/copilot-web"), "shop");
        assert_eq!(project("copilot-demo/copilot/web"), "copilot-demo");
    }
}
