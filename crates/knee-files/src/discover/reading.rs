//! The containers of a task while they are read, and the service that they become.

use super::container::{self, Container, text_of};
use super::facts::Facts;
use super::knobs::{MOST_NAMES, Reader};
use super::{Discovery, Missing, Overrides, hints, parts, ports, requests, size};
use crate::blueprint::{Blueprint, Variable};
use crate::command::Home;
use crate::error::FilesError;
use crate::official;
use crate::plan::LeftOut;
use crate::program;
use crate::sources::{CONFIG, Sources};
use crate::view::View;
use knee_core::event::Fact;
use knee_core::goal::Goal;
use knee_core::launch::Bind;
use knee_core::runtimes::Surroundings;
use knee_core::service::{Part, Service, ServiceContainer};
use knee_core::settings::Site;
use knee_core::sourced::{Origin, Sourced};
use knee_core::task::Task;
use knee_core::workload::Request;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The port that a command which wants one in PORT is given.
const PORT: u16 = 8000;
/// Share of the task's memory that stays free unless knee.toml says otherwise.
const HEAD_ROOM: f64 = 0.1;

pub(super) struct Reading<'a> {
    pub sources: &'a Sources,
    pub containers: Vec<Container>,
    pub serving: usize,
    binds: Vec<Bind>,
    stand_ins: Vec<(PathBuf, String)>,
    made_of: Vec<(PathBuf, PathBuf)>,
    facts: Vec<Fact>,
    missing: Vec<Missing>,
    /// Whether what serves takes no requests at all.
    of_queue: bool,
}

/// The services of a compose file know each other by name; here they share one network, also with
/// those that are left out and that somebody has started on this machine.
fn hosts(sources: &Sources, blueprints: &[Blueprint]) -> Option<(PathBuf, String)> {
    let composed = |b: &Blueprint| b.definition.is_none() && b.service.is_some();
    let file = sources.compose.as_ref().filter(|_| blueprints.iter().any(composed))?;
    let names: Vec<&str> = file.parsed.iter().map(|service| service.name.as_str()).collect();
    let known = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let text = format!("{}\n127.0.0.1 {}\n", known.trim_end(), names.join(" "));
    (names.len() > 1).then(|| ("/etc/hosts".into(), text))
}

impl<'a> Reading<'a> {
    pub fn new(
        sources: &'a Sources,
        blueprints: Vec<Blueprint>,
        serving: usize,
    ) -> Result<Reading<'a>, FilesError> {
        let mut binds: Vec<Bind> = Vec::new();
        for blueprint in &blueprints {
            binds.extend(blueprint.built.iter().flat_map(|built| built.binds.clone()));
            binds.extend(blueprint.mounts.clone());
            let official = blueprint.image().and_then(official::image);
            let led = |bind: &Bind| {
                let places = official.map(|o| official::elsewhere(o, &bind.container));
                let to = |container: PathBuf| Bind { container, ..bind.clone() };
                places.unwrap_or_default().into_iter().map(to).collect::<Vec<_>>()
            };
            let elsewhere: Vec<Bind> = binds.iter().flat_map(led).collect();
            binds.extend(elsewhere);
        }
        let mut made_of = Vec::new();
        let mut stand_ins = official::stand_ins(&blueprints);
        let nginx = blueprints.iter().filter(|b| b.image().is_some_and(official::has_templates));
        for blueprint in nginx {
            let env = container::environment(blueprint, &sources.root);
            for made in crate::templates::rendered(&binds, &env) {
                let own = made.template.strip_prefix(&sources.root).ok();
                made_of.extend(own.map(|own| (made.at.clone(), own.to_path_buf())));
                stand_ins.push((made.at, made.text));
            }
        }
        stand_ins.extend(hosts(sources, &blueprints));
        let (containers, facts, missing) = (Vec::new(), Vec::new(), Vec::new());
        let mut reading = Reading {
            sources,
            containers,
            serving,
            binds,
            stand_ins,
            made_of,
            facts,
            missing,
            of_queue: false,
        };
        for blueprint in blueprints {
            let changed = BTreeMap::new();
            let container = container::read(sources, blueprint, &reading.view(&changed))?;
            reading.containers.push(container);
        }
        Ok(reading)
    }

    fn view<'v>(&'v self, changed: &'v BTreeMap<PathBuf, String>) -> View<'v> {
        View {
            root: &self.sources.root,
            binds: &self.binds,
            base: &self.stand_ins,
            made_of: &self.made_of,
            changed,
        }
    }

    /// The programs of each container, each runtime once: that of the serving container first.
    pub fn find_parts(&mut self, around: Surroundings) -> Result<(), FilesError> {
        let mut order: Vec<usize> = (0..self.containers.len()).collect();
        order.sort_by_key(|index| *index != self.serving);
        let mut taken: Vec<&str> = Vec::new();
        for index in order {
            for program in 0..self.containers[index].located.len() {
                let Some(runtime) = self.containers[index].located[program].runtime else {
                    continue;
                };
                if taken.contains(&runtime.id) {
                    let blueprint = &self.containers[index].blueprint;
                    let (name, origin) = (&blueprint.name, blueprint.origin.clone());
                    let told = format!("the {} of container {name} stays as it is", runtime.title);
                    self.fact("not tuned", told, origin);
                    continue;
                }
                taken.push(runtime.id);
                let sources = self.sources;
                let (part, mut facts) = self.with_reader(index, program, around, |reader| {
                    parts::part(reader, runtime, sources)
                })?;
                self.facts.append(&mut facts);
                self.containers[index].parts.push(part);
            }
        }
        self.add_own_knobs(around)?;
        self.tell_held();
        self.tell_sizes();
        let parts = self.containers.iter_mut().flat_map(|container| &mut container.parts);
        parts::govern(parts.flat_map(|part| &mut part.knobs).collect(), self.sources)
    }

    /// Says which knobs stay as they are because no file of the user's can say them.
    fn tell_held(&mut self) {
        let knobs = self.containers.iter().flat_map(|c| &c.parts).flat_map(|part| &part.knobs);
        let held = knobs.filter(|k| k.place.seen_at.is_some() && k.place.file.is_none());
        let told: Vec<_> = held
            .map(|k| {
                (format!("{}: no file of yours says it", k.knob.name), k.current.origin.clone())
            })
            .collect();
        told.into_iter().for_each(|(told, origin)| self.fact("not tuned", told, origin));
    }

    /// Says which variables may be sizes of something that no knob is about, such as a pool of
    /// connections to the database.
    fn tell_sizes(&mut self) {
        let serving = &self.containers[self.serving];
        let placed = serving.parts.iter().flat_map(|part| &part.knobs).map(|k| &k.place.site);
        let runtimes = serving.located.iter().filter_map(|program| program.runtime);
        let known: Vec<_> = runtimes.flat_map(|runtime| (runtime.knobs)()).collect();
        let sites = known.iter().flat_map(|knob| &knob.sites).chain(placed);
        let names: Vec<&str> = sites
            .filter_map(|site| match site {
                Site::Environment { name } | Site::EnvironmentFlag { name, .. } => Some(&**name),
                _ => None,
            })
            .collect();
        let told = |(variable, line): (&Variable, String)| {
            let told = format!("{}: let it move in {CONFIG}: [knobs] {line}", variable.name);
            (told, Origin::File { path: variable.path.display().to_string(), line: variable.line })
        };
        let sizes: Vec<_> = match known.is_empty() {
            true => Vec::new(),
            false => {
                let sizes = hints::sizes(&serving.blueprint.variables, &names);
                sizes.into_iter().map(told).collect()
            }
        };
        sizes.into_iter().for_each(|(told, origin)| self.fact("not tuned", told, origin));
    }

    /// The user's own knobs belong to the program that serves, known or not.
    fn add_own_knobs(&mut self, around: Surroundings) -> Result<(), FilesError> {
        let (index, sources) = (self.serving, self.sources);
        let front =
            |runtime: Option<&knee_core::runtimes::Runtime>| runtime.is_some_and(|r| r.front);
        let located = &self.containers[index].located;
        let serves = located.iter().rposition(|program| !front(program.runtime));
        let Some(program) = serves.or(located.len().checked_sub(1)) else { return Ok(()) };
        let runtime = located[program].runtime;
        let (own, recognised) = self.with_reader(index, program, around, |reader| {
            Ok((parts::own(reader, sources)?, reader.recognised()))
        })?;
        for part in self.containers.iter_mut().flat_map(|container| &mut container.parts) {
            part.knobs.retain(|knob| !own.iter().any(|own| own.knob.name == knob.knob.name));
        }
        let parts = &mut self.containers[index].parts;
        match (runtime, parts.iter_mut().find(|part| Some(part.runtime) == runtime.map(|r| r.id))) {
            (Some(_), Some(part)) => part.knobs.extend(own),
            _ => {
                let argv = self.containers[index].located[program].command.argv();
                if let Some(runtime) = program::of_queue(&argv).filter(|_| own.is_empty()) {
                    self.of_queue = true;
                    let base = program::base(&argv[program::program(&argv)]);
                    self.missing.push(Missing {
                        what: format!(
                            "a service that takes requests: `{base}` is a {} worker, which works off \
                             a queue ({})",
                            runtime.title, recognised.origin
                        ),
                        flag: "knee run".into(),
                        example: format!(
                            "ENTRYPOINT [\"knee-run\", \"--\"] before {base}: it sets the concurrency \
                             by the task's size at each start"
                        ),
                    });
                } else if own.is_empty() {
                    let container = &self.containers[index];
                    let variables = &container.blueprint.variables;
                    self.missing.push(Missing {
                        what: format!("something to turn: {recognised}"),
                        flag: format!("[knobs] in {CONFIG}"),
                        example: hints::knob(&container.located[program].command.argv(), variables),
                    });
                }
                let parts = &mut self.containers[index].parts;
                parts.push(Part { runtime: "generic", recognised, knobs: own });
            }
        }
        Ok(())
    }

    fn with_reader<T>(
        &self,
        container: usize,
        program: usize,
        around: Surroundings,
        read: impl FnOnce(&Reader<'_>) -> Result<T, FilesError>,
    ) -> Result<T, FilesError> {
        let container = &self.containers[container];
        let changed = BTreeMap::new();
        let view = self.view(&changed);
        let argv = &container.blueprint.argv;
        let text = |home: &Home| text_of(self.sources, &view, argv, home);
        read(&Reader {
            blueprint: &container.blueprint,
            program: &container.located[program],
            around,
            variables: container.blueprint.file_of_variables(self.sources),
            text: &text,
            names: Cell::new(MOST_NAMES),
        })
    }

    fn fact(&mut self, what: &str, value: String, origin: Origin) {
        self.facts.push(Fact { what: what.into(), value: Sourced::new(value, origin) });
    }

    /// The service, and what is told of it.
    pub fn finish(
        mut self,
        overrides: &Overrides,
        task: Option<Sourced<Task>>,
        no_task: Option<Missing>,
        left_out: &[LeftOut],
    ) -> Result<Discovery, FilesError> {
        let port = self.port(overrides);
        let ready = {
            let serving = &self.containers[self.serving].blueprint;
            ports::ready(self.sources, serving, port.as_ref().map(|p| p.value), overrides)
        };
        let goal = self.goal(overrides);
        let head_room = self.config().and_then(|c| c.tune.head_room.as_ref());
        let head_room = head_room.map_or_else(
            || Sourced::assumed(HEAD_ROOM, "room for a burst before the kernel kills"),
            |stated| stated.sourced(CONFIG),
        );
        let (requests, of_requests, no_value) =
            requests::requests(self.sources, overrides, &self.containers[self.serving].env);
        self.missing.extend(no_value);
        self.ask(no_task, &requests);
        let name = self.name();
        let told = Facts {
            sources: self.sources,
            containers: &self.containers,
            serving: &self.containers[self.serving].blueprint,
            left_out,
            task: task.as_ref(),
            port: port.as_ref(),
            ready: ready.as_ref(),
            goal: &goal,
            requests: &requests,
            of_requests,
        };
        let mut facts = told.all();
        facts.append(&mut self.facts);
        let stand_ins = self.containers.iter().flat_map(|container| container.stand_ins.clone());
        self.binds.extend(stand_ins);
        let sources = self.sources;
        let passed = self.containers[self.serving].blueprint.passed.clone();
        let containers = self.containers.into_iter().map(|container| ServiceContainer {
            name: container.blueprint.name.clone(),
            nofile: size::nofile(sources, &container.blueprint),
            command: Sourced::new(container.argv, container.blueprint.origin),
            workdir: container.blueprint.workdir,
            env: container.env,
            parts: container.parts,
        });
        let service = Service {
            root: sources.root.clone(),
            name,
            containers: containers.collect(),
            serving: self.serving,
            binds: self.binds,
            stand_ins: self.stand_ins,
            made_of: self.made_of,
            task,
            port,
            ready,
        };
        let config = sources.config.as_ref().map(|source| sources.root.join(&source.path));
        let stated = self.sources.config.as_ref().map(|source| source.parsed.clone());
        Ok(Discovery {
            service,
            goal,
            requests,
            head_room,
            env: passed,
            env_file: overrides.asked().file(sources)?,
            facts,
            missing: self.missing,
            config,
            stated: stated.unwrap_or_default(),
        })
    }

    fn config(&self) -> Option<&'a crate::config::Config> {
        self.sources.config.as_ref().map(|source| &source.parsed)
    }

    /// The port that takes requests. A command that wants it in PORT is given it there.
    fn port(&mut self, overrides: &Overrides) -> Option<Sourced<u16>> {
        let serving = &self.containers[self.serving];
        let env = |name: &str| serving.env.get(name).map(String::from);
        let (blueprint, programs) = (&serving.blueprint, &serving.located);
        let mut port = ports::port(self.sources, blueprint, programs, overrides, &env);
        if serving.env.get("PORT").is_none() && serving.expands("PORT") {
            let given = port.get_or_insert_with(|| {
                Sourced::assumed(PORT, "the command wants a port in PORT, and nothing sets it")
            });
            let value = given.value.to_string();
            self.containers[self.serving].env.set("PORT", value);
        }
        port
    }

    fn goal(&self, overrides: &Overrides) -> Sourced<Goal> {
        if let Some(goal) = overrides.goal {
            return Sourced::new(goal, Origin::Flag { name: "--goal".into() });
        }
        let mut goal = Goal::default();
        let mut line = None;
        if let Some(table) = self.config().map(|config| &config.goal) {
            if let Some(rate) = &table.rate {
                (goal.rate, line) = (Some(rate.value), Some(rate.line));
            }
            if let Some(errors) = &table.errors {
                (goal.errors, line) = (errors.value, Some(errors.line));
            }
            if let Some(latency) = &table.latency {
                (goal.quantile, goal.latency) = latency.value;
                line = Some(latency.line);
            }
        }
        match line {
            Some(line) => Sourced::from_file(goal, CONFIG, line),
            None => Sourced::assumed(goal, "no goal is stated; this suits an interactive service"),
        }
    }

    /// Asks for what is needed and was not found.
    fn ask(&mut self, no_task: Option<Missing>, requests: &[Request]) {
        if let Some(silent) = self.containers.iter().find(|container| container.argv.is_empty()) {
            let image = silent.blueprint.image().map(|image| format!(" (its image is {image})"));
            let silent = Missing {
                what: format!(
                    "what starts the service{}: no task definition, compose file, Dockerfile or \
                     Procfile here says it",
                    image.unwrap_or_default()
                ),
                flag: "--command".into(),
                example: "--command 'gunicorn -b 127.0.0.1:8000 app:app'".into(),
            };
            self.missing.push(silent);
        }
        for container in &mut self.containers {
            self.missing.append(&mut container.missing);
        }
        self.missing.extend(no_task);
        if requests.is_empty() && !self.of_queue {
            self.missing.push(Missing {
                what: "what to send to the service: one path suffices".into(),
                flag: "--request".into(),
                example: "--request '/api/orders?limit=20'".into(),
            });
        }
    }

    /// The task definition's family, else the folder's name.
    fn name(&self) -> String {
        let family = self.sources.task.as_ref().and_then(|task| task.parsed.family.as_ref());
        let plain = family.filter(|name| !name.value.contains(['$', '<', '{']));
        let folder = || self.sources.root.file_name().unwrap_or_default().to_string_lossy().into();
        plain.map_or_else(folder, |name| name.value.clone())
    }
}
