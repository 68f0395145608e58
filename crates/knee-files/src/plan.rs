//! Which containers a task has, which of them take part here, and which takes the requests.

use crate::asked::Asked;
use crate::blueprint::{Blueprint, Draft};
use crate::copies::{Built, built};
use crate::error::FilesError;
use crate::formats::{FormatError, compose};
use crate::official::{self, is_foreign};
use crate::sources::Sources;
use crate::text::Position;
use crate::view::read_text;
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
const DOCKERFILES: [&str; 15] = [
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
    "app/Dockerfile",
    "src/Dockerfile",
    "api/Dockerfile",
    "server/Dockerfile",
    "backend/Dockerfile",
];
/// Names that people give to the container that is the service itself.
const USUAL: [&str; 8] = ["app", "web", "api", "service", "server", "backend", "php", "main"];
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
        let builds = file.parsed.iter().any(|service| service.build.is_some());
        let mut candidates = Vec::new();
        for service in &file.parsed {
            let image = service.image.as_ref().map(|image| image.value.clone());
            let own = !builds && image.as_deref().is_some_and(|image| !is_foreign(image));
            candidates.push(Candidate {
                name: service.name.clone(),
                line: service.line,
                port: service.port.is_some(),
                essential: true,
                depends_on: service.depends_on.clone(),
                built: if own { self.default()? } else { self.composed(service)? },
                image,
            });
        }
        let mut can_start = Vec::new();
        for (service, candidate) in file.parsed.iter().zip(&candidates) {
            // A public image serves with the files that are mounted into it.
            let known = candidate.image.as_deref().and_then(official::image).is_some();
            can_start.push(candidate.built.is_some() || (known && !service.mounts.is_empty()));
        }
        let own: Vec<u8> = can_start.iter().map(|can| u8::from(*can)).collect();
        let main = self.main_of(&candidates, &own, &file.path)?;
        let mut reached = vec![false; candidates.len()];
        let mut todo = vec![main];
        while let Some(next) = todo.pop() {
            if !std::mem::replace(&mut reached[next], true) {
                let configured = self.configuration(&file.parsed[next], &candidates[next])?;
                let needed = |i: &usize| {
                    let name = &candidates[*i].name;
                    let known = candidates[next].depends_on.contains(name);
                    known || configured.iter().any(|text| names_host(text, name))
                };
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
            why: match &c.image {
                Some(image) if c.built.is_none() && !of_task => format!(
                    "nothing here builds its image {image}; its name leads to this machine, where it \
                     has to be started"
                ),
                Some(image) if c.built.is_none() => {
                    format!("nothing here builds its image {image}")
                }
                None if c.built.is_none() => "nothing here builds it".into(),
                _ if c.port => format!(
                    "it is a service of its own, which --container {} takes instead of {}",
                    c.name, candidates[main].name
                ),
                _ => "what takes the requests does not depend on it".into(),
            },
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
        let named =
            self.sources.first(&paths).or_else(|| self.sources.dockerfiles().into_iter().next());
        match named {
            Some(path) => built(self.sources, &path, None, None),
            None => Ok(None),
        }
    }

    /// The image of a container's own Dockerfile, by the container's name or its image's.
    fn own(&self, name: &str, image: Option<&str>) -> Result<Option<Built>, FilesError> {
        let service = self.sources.compose.as_ref();
        let service = service.and_then(|file| file.parsed.iter().find(|s| s.name == name));
        if let Some(service) = service.filter(|s| s.build.is_some()) {
            return self.composed(service);
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

    /// The texts of the configuration that a compose service is given.
    fn configuration(
        &self,
        service: &compose::Service,
        candidate: &Candidate,
    ) -> Result<Vec<String>, FilesError> {
        let mounted = service.mounts.iter().map(|(host, _)| self.sources.root.join(host));
        let copied = candidate.built.iter().flat_map(|b| &b.binds).map(|bind| bind.host.clone());
        let mut texts = Vec::new();
        for path in mounted.chain(copied) {
            let inside = std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path());
            for path in std::iter::once(path.clone()).chain(inside) {
                let name = path.to_string_lossy();
                if name.ends_with(".conf") || name.ends_with(".template") {
                    texts.extend(read_text(&path, &path)?);
                }
            }
        }
        Ok(texts)
    }

    /// The image that a compose service builds.
    fn composed(&self, service: &compose::Service) -> Result<Option<Built>, FilesError> {
        let Some(build) = &service.build else { return Ok(None) };
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

/// Whether a configuration passes requests to a host of that name.
fn names_host(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        before.is_some_and(|c| c == '/' || c.is_whitespace())
            && after.is_some_and(|c| matches!(c, ':' | ';' | '/') || c.is_whitespace())
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
