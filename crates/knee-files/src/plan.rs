//! Which containers a task has, which of them take part here, and which takes the requests.

use crate::blueprint::{Asked, Blueprint, Draft};
use crate::copies::{Built, built};
use crate::error::FilesError;
use crate::formats::{FormatError, compose};
use crate::official;
use crate::sources::Sources;
use crate::text::Position;
use std::path::{Path, PathBuf};

/// The containers of a task.
pub(crate) struct Plan {
    /// In start order.
    pub containers: Vec<Blueprint>,
    /// Index of the one that takes the requests.
    pub serving: usize,
    pub left_out: Vec<LeftOut>,
}

/// A container that takes no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub name: String,
    pub why: String,
    pub path: PathBuf,
    pub line: u32,
}

/// Where a Dockerfile stands that no other file names.
const DOCKERFILES: [&str; 10] = [
    "Dockerfile",
    "Containerfile",
    "Dockerfile.prod",
    "Dockerfile.production",
    "prod.Dockerfile",
    "docker/Dockerfile",
    ".docker/Dockerfile",
    "build/Dockerfile",
    "deploy/Dockerfile",
    "docker/prod/Dockerfile",
];
/// Names that people give to the container that is the service itself.
const USUAL: [&str; 8] = ["app", "web", "api", "service", "server", "backend", "php", "main"];
/// Images that stand beside a service, by what their name begins with or holds.
const FOREIGN: [&str; 34] = [
    "amazon/",
    "aws-observability/",
    "datadog/",
    "newrelic/",
    "fluent/",
    "grafana/",
    "otel/",
    "prom/",
    "bitnami/",
    "envoyproxy/",
    "public.ecr.aws/",
    "ghcr.io/open-telemetry/",
    "docker.io/",
    "aws-for-fluent-bit",
    "aws-otel-collector",
    "aws-xray-daemon",
    "amazon-ecs-",
    "cloudwatch-agent",
    "splunk/",
    "dynatrace/",
    "hashicorp/",
    "redis",
    "postgres",
    "mysql",
    "mariadb",
    "mongo",
    "memcached",
    "rabbitmq",
    "traefik",
    "haproxy",
    "nginx",
    "envoy",
    "busybox",
    "alpine",
];

/// Draws the containers that the folder's files say.
pub(crate) fn plan(sources: &Sources, asked: Asked<'_>) -> Result<Plan, FilesError> {
    let config = sources.config.as_ref().and_then(|c| c.parsed.service.container.as_ref());
    let wanted = asked.container.or(config.map(|stated| stated.value.as_str()));
    let planner = Planner { sources, asked, wanted };
    if sources.task.as_ref().is_some_and(|task| !task.parsed.containers.is_empty()) {
        return planner.of_task();
    }
    match &sources.compose {
        Some(file) if !file.parsed.is_empty() => planner.of_compose(),
        _ => planner.alone(),
    }
}

struct Planner<'a> {
    sources: &'a Sources,
    asked: Asked<'a>,
    /// The container that has to take the requests.
    wanted: Option<&'a str>,
}

/// A container of the task definition or the compose file, while it is decided on.
struct Candidate {
    name: String,
    image: Option<String>,
    line: u32,
    port: bool,
    essential: bool,
    depends_on: Vec<String>,
    built: Option<Built>,
}

impl Candidate {
    /// Whether it can be started here: its own image, or one whose program is known.
    fn can_start(&self, foreign: bool) -> bool {
        self.built.is_some() || !foreign
    }
}

impl Planner<'_> {
    fn of_task(&self) -> Result<Plan, FilesError> {
        let Some(task) = &self.sources.task else { return self.alone() };
        let mut candidates = Vec::new();
        for container in &task.parsed.containers {
            candidates.push(Candidate {
                name: container.name.clone(),
                image: container.image.clone(),
                line: container.line,
                port: container.port.is_some(),
                essential: container.essential,
                depends_on: container.depends_on.clone(),
                built: self.own(&container.name, container.image.as_deref())?,
            });
        }
        let main = self.main(&candidates, &task.path)?;
        if candidates[main].built.is_none() {
            candidates[main].built = self.default()?;
        }
        let foreign = |c: &Candidate| c.image.as_deref().is_some_and(is_foreign);
        let takes_part: Vec<bool> = (0..candidates.len())
            .map(|i| i == main || candidates[i].can_start(foreign(&candidates[i])))
            .collect();
        self.finish(candidates, &takes_part, main, &task.path)
    }

    /// Of a compose file: the service that takes the requests, and what it depends on.
    fn of_compose(&self) -> Result<Plan, FilesError> {
        let Some(file) = &self.sources.compose else { return self.alone() };
        let mut candidates = Vec::new();
        for service in &file.parsed {
            let image = service.image.as_ref().map(|image| image.value.clone());
            candidates.push(Candidate {
                name: service.name.clone(),
                line: service.line,
                port: service.port.is_some(),
                essential: true,
                depends_on: service.depends_on.clone(),
                built: self.composed(service, image.as_deref())?,
                image,
            });
        }
        let mut can_start = Vec::new();
        for (service, candidate) in file.parsed.iter().zip(&candidates) {
            let image = candidate.image.as_deref();
            // A public image serves with the files that are mounted into it.
            let given = !service.mounts.is_empty() && image.and_then(official::image).is_some();
            can_start.push(candidate.can_start(image.is_none_or(is_foreign)) || given);
        }
        let own: Vec<u8> = can_start.iter().map(|can| u8::from(*can)).collect();
        let main = self.main_of(&candidates, &own, &file.path)?;
        let mut reached = vec![false; candidates.len()];
        let mut todo = vec![main];
        while let Some(next) = todo.pop() {
            if !std::mem::replace(&mut reached[next], true) {
                let needed = |i: &usize| candidates[next].depends_on.contains(&candidates[*i].name);
                todo.extend((0..candidates.len()).filter(needed));
            }
        }
        let takes_part: Vec<bool> =
            (0..candidates.len()).map(|i| i == main || (reached[i] && can_start[i])).collect();
        self.finish(candidates, &takes_part, main, &file.path)
    }

    /// One container, of a Dockerfile or of nothing but a command.
    fn alone(&self) -> Result<Plan, FilesError> {
        let name = self.wanted.unwrap_or("app").to_string();
        let draft = Draft {
            sources: self.sources,
            name,
            definition: None,
            service: None,
            built: self.default()?,
            serving: true,
        };
        let containers = vec![draft.draw(self.asked)?];
        Ok(Plan { containers, serving: 0, left_out: Vec::new() })
    }

    /// The container that the folder's own Dockerfile builds.
    fn main(&self, candidates: &[Candidate], path: &Path) -> Result<usize, FilesError> {
        let foreign = |c: &Candidate| c.image.as_deref().is_some_and(is_foreign);
        let rank = |c: &Candidate| match (foreign(c), &c.built) {
            (true, _) => 0,
            // One that has a Dockerfile of its own does not need the folder's.
            (false, Some(_)) => 1,
            (false, None) => 2,
        };
        let own: Vec<u8> = candidates.iter().map(rank).collect();
        self.main_of(candidates, &own, path)
    }

    fn main_of(
        &self,
        candidates: &[Candidate],
        own: &[u8],
        path: &Path,
    ) -> Result<usize, FilesError> {
        if let Some(wanted) = self.wanted {
            let found = candidates.iter().position(|c| c.name == wanted);
            return found.ok_or_else(|| self.no_such(wanted, candidates, path));
        }
        let rank = |(index, c): (usize, &Candidate)| {
            let usual = USUAL.iter().any(|name| c.name.eq_ignore_ascii_case(name));
            // The last of equals is taken by `max`; the first is meant.
            (own[index], c.port, usual, c.essential, std::cmp::Reverse(index))
        };
        let best = candidates.iter().enumerate().max_by_key(|(i, c)| rank((*i, c)));
        Ok(best.map_or(0, |(index, _)| index))
    }

    fn no_such(&self, wanted: &str, candidates: &[Candidate], path: &Path) -> FilesError {
        let names: Vec<&str> = candidates.iter().map(|c| c.name.as_str()).collect();
        let problem = format!(
            "`{wanted}` is no container of {}; there are {}",
            path.display(),
            names.join(", ")
        );
        let stated = self.sources.config.as_ref().and_then(|source| {
            Some((source.path.clone(), source.parsed.service.container.as_ref()?.line))
        });
        match stated.filter(|_| self.asked.container.is_none()) {
            Some((path, line)) => {
                let error = FormatError { at: Position { line, column: 1 }, problem };
                FilesError::Format { path, error }
            }
            None => FilesError::Flag { flag: "--container", problem },
        }
    }

    /// Draws those that take part, in start order.
    fn finish(
        &self,
        candidates: Vec<Candidate>,
        takes_part: &[bool],
        main: usize,
        path: &Path,
    ) -> Result<Plan, FilesError> {
        let of_task = self.sources.task.as_ref().is_some_and(|task| task.path == path);
        let left_out = candidates.iter().zip(takes_part).filter(|(_, part)| !**part);
        let left_out = left_out.map(|(c, _)| LeftOut {
            name: c.name.clone(),
            why: c.image.as_ref().map_or_else(
                || "nothing here builds it".into(),
                |image| format!("nothing here builds its image {image}"),
            ),
            path: path.into(),
            line: c.line,
        });
        let mut plan = Plan { containers: Vec::new(), serving: 0, left_out: left_out.collect() };
        let order = order(&candidates);
        let front = self.front(&candidates, takes_part, main);
        let mut built: Vec<Option<Built>> = candidates.iter().map(|c| c.built.clone()).collect();
        for index in order.into_iter().filter(|index| takes_part[*index]) {
            let draft = Draft {
                sources: self.sources,
                name: candidates[index].name.clone(),
                definition: of_task.then_some(index),
                service: self.service_index(&candidates[index].name),
                built: built[index].take(),
                serving: index == main,
            };
            let blueprint = draft.draw(self.asked)?;
            if blueprint.argv.is_empty() && index != main {
                let why = "no file says what starts it".into();
                let Candidate { name, line, .. } = &candidates[index];
                plan.left_out.push(LeftOut {
                    name: name.clone(),
                    why,
                    path: path.into(),
                    line: *line,
                });
                continue;
            }
            if index == front {
                plan.serving = plan.containers.len();
            }
            plan.containers.push(blueprint);
        }
        Ok(plan)
    }

    /// The one that takes the requests: the wanted one, the only one with a port, or the main one.
    fn front(&self, candidates: &[Candidate], takes_part: &[bool], main: usize) -> usize {
        if self.wanted.is_some() || candidates[main].port {
            return main;
        }
        let with_port = |i: &usize| takes_part[*i] && candidates[*i].port;
        (0..candidates.len()).find(with_port).unwrap_or(main)
    }

    fn service_index(&self, name: &str) -> Option<usize> {
        let file = self.sources.compose.as_ref()?;
        file.parsed.iter().position(|service| service.name == name)
    }

    /// The image of the Dockerfile that no other file names.
    fn default(&self) -> Result<Option<Built>, FilesError> {
        let paths = DOCKERFILES.map(String::from);
        match self.sources.first(&paths) {
            Some(path) => built(self.sources, &path, None, None),
            None => Ok(None),
        }
    }

    /// The image of a container's own Dockerfile, by the container's name or its image's.
    fn own(&self, name: &str, image: Option<&str>) -> Result<Option<Built>, FilesError> {
        let service = self.sources.compose.as_ref();
        let service = service.and_then(|file| file.parsed.iter().find(|s| s.name == name));
        if let Some(service) = service.filter(|s| s.build.is_some()) {
            return self.composed(service, None);
        }
        let repository = image.and_then(|image| image.rsplit('/').next());
        let repository = repository.and_then(|r| r.split([':', '@']).next());
        let names = [Some(name), repository];
        let paths = names.into_iter().flatten().flat_map(|name| {
            [
                format!("{name}/Dockerfile"),
                format!("docker/{name}/Dockerfile"),
                format!(".docker/{name}/Dockerfile"),
                format!("services/{name}/Dockerfile"),
                format!("Dockerfile.{name}"),
                format!("{name}.Dockerfile"),
                format!("docker/Dockerfile.{name}"),
                format!("docker/{name}.Dockerfile"),
            ]
        });
        match self.sources.first(&paths.collect::<Vec<_>>()) {
            Some(path) => built(self.sources, &path, None, None),
            None => Ok(None),
        }
    }

    /// The image that a compose service builds.
    fn composed(
        &self,
        service: &compose::Service,
        image: Option<&str>,
    ) -> Result<Option<Built>, FilesError> {
        let Some(build) = &service.build else {
            let foreign = image.is_none_or(is_foreign);
            return if foreign { Ok(None) } else { self.default() };
        };
        let context = Path::new(&build.context);
        if context.is_absolute() || build.context.contains("://") {
            return Ok(None);
        }
        let file = build.dockerfile.as_deref().unwrap_or("Dockerfile");
        let path: PathBuf =
            context.join(file).components().filter(|c| c.as_os_str() != ".").collect();
        built(self.sources, &path, build.target.as_deref(), Some(context))
    }
}

/// Whether an image is a public one, which stands beside services.
fn is_foreign(image: &str) -> bool {
    FOREIGN.iter().any(|name| match name.strip_suffix('/') {
        Some(_) => image.starts_with(name),
        None => {
            let repository = image.rsplit('/').next().unwrap_or(image);
            let repository = repository.split([':', '@']).next().unwrap_or(repository);
            // `nginx` is public, `123.dkr.ecr.eu-central-1.amazonaws.com/nginx` is the user's.
            let public = !image.contains('/') && repository == *name;
            public || (name.contains('-') && repository.contains(name))
        }
    })
}

/// Indices in an order in which what a container depends on stands before it.
fn order(candidates: &[Candidate]) -> Vec<usize> {
    let mut done: Vec<usize> = Vec::new();
    while done.len() < candidates.len() {
        let waits = |i: &usize| {
            candidates[*i].depends_on.iter().any(|name| {
                let needed = candidates.iter().position(|c| c.name == *name);
                needed.is_some_and(|needed| needed != *i && !done.contains(&needed))
            })
        };
        let left = || (0..candidates.len()).filter(|i| !done.contains(i));
        // In a circle nobody can be first: the order of the file decides.
        let next = left().find(|i| !waits(i)).or_else(|| left().next());
        done.extend(next);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_images_are_not_the_users() {
        for (image, foreign) in [
            ("nginx:1.27", true),
            ("datadog/agent:7", true),
            ("public.ecr.aws/aws-observability/aws-for-fluent-bit:stable", true),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/aws-for-fluent-bit:1", true),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/nginx:7", false),
            ("orders-go:latest", false),
            ("${REGISTRY}/orders:1", false),
        ] {
            assert_eq!(is_foreign(image), foreign, "{image}");
        }
    }
}
