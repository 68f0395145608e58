//! How a service is started under some settings: a launch for the laboratory. Nothing of the
//! user's is written: arguments, environment and copies of files are turned.

use crate::command::Home;
use crate::error::FilesError;
use crate::located::Located;
use crate::turn::{Bench, Turned, changes, program_of};
use knee_core::launch::{Answer, Ask, Container, Environment, Launch};
use knee_core::runtimes::{self, Injection, Told};
use knee_core::service::{Part, Place, Service, ServiceContainer};
use knee_core::settings::{Settings, Site};
use knee_core::task::Task;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The start of a service with its knobs turned, in a task of that size.
///
/// # Errors
/// A knob that the service does not have; a file that cannot be read any more or in which a
/// setting cannot be written.
pub fn launch(service: &Service, settings: &Settings, task: Task) -> Result<Launch, FilesError> {
    let changes = changes(service, settings)?;
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for (path, text) in &service.stand_ins {
        if !service.binds.iter().any(|bind| bind.container == *path) {
            files.insert(path.clone(), text.clone().into_bytes());
        }
    }
    let (mut containers, mut asks) = (Vec::new(), Vec::new());
    let mut changed = BTreeMap::new();
    for (index, container) in service.containers.iter().enumerate() {
        let bench = Bench { service, argv: container.command.value.clone(), changed };
        let mut start = Start { bench, container, env: container.env.clone() };
        for change in changes.iter().filter(|change| change.container == index) {
            let turned = match start.program(change.part)? {
                Some(program) => {
                    let env = |name: &str| start.env.get(name).map(String::from);
                    change.turn(&program, &env, &|home| start.bench.text(home))?
                }
                None => None,
            };
            let turned = turned.ok_or_else(|| gone(service, change.placed))?;
            start.apply(turned);
        }
        for part in &container.parts {
            asks.extend(start.inject(part, index, &mut files)?);
        }
        changed = start.bench.changed;
        containers.push(Container {
            name: container.name.clone(),
            argv: start.bench.argv,
            workdir: container.workdir.clone(),
            env: start.env,
            nofile: container.nofile.as_ref().map(|limits| limits.value),
        });
    }
    files.extend(changed.into_iter().map(|(path, text)| (path, text.into_bytes())));
    let files = files.into_iter().collect();
    Ok(Launch { task, containers, binds: service.binds.clone(), files, asks })
}

/// A knob whose place was there when the folder was read.
fn gone(service: &Service, placed: &knee_core::service::PlacedKnob) -> FilesError {
    let place = &placed.place;
    let path = place.seen_at.clone().or_else(|| place.file.clone());
    FilesError::Unwritable {
        knob: placed.knob.name.to_string(),
        path: path.unwrap_or_else(|| service.root.clone()),
        problem: "the place is not there any more; run knee again".into(),
    }
}

/// One container's start while it is made.
struct Start<'a> {
    bench: Bench<'a>,
    container: &'a ServiceContainer,
    env: Environment,
}

impl Start<'_> {
    fn program(&self, part: &Part) -> Result<Option<Located>, FilesError> {
        let located = self.bench.programs(&self.container.workdir, &self.env)?;
        Ok(program_of(&located, part).cloned())
    }

    fn apply(&mut self, turned: Turned) {
        match turned {
            Turned::Rewrites(rewrites) => self.bench.rewrite(rewrites),
            Turned::Variable { name, value } => self.env.set(name, value),
        }
    }

    /// Adds what makes a runtime tell of itself, and says where it does. What the user has set of
    /// it stays.
    fn inject(
        &mut self,
        part: &Part,
        index: usize,
        files: &mut BTreeMap<PathBuf, Vec<u8>>,
    ) -> Result<Vec<Ask>, FilesError> {
        let runtime = runtimes::by_id(part.runtime);
        let Some((runtime, injection)) = runtime.and_then(|r| Some((r, (r.inject)()?))) else {
            return Ok(Vec::new());
        };
        let Some(users) = self.inject_entries(part, &injection)? else { return Ok(Vec::new()) };
        if let (Some(directive), Some(program)) = (injection.log, self.program(part)?) {
            self.bench.rewrite(program.heard(directive)?);
        }
        for (path, text) in &injection.files {
            files.insert(path.into(), text.as_bytes().to_vec());
        }
        let ask = |told: &Told| {
            let mut how = told.in_container(index);
            if let Answer::FastCgi { listen, page } = &mut how {
                for (ours, users) in &users {
                    [&mut *listen, &mut *page]
                        .into_iter()
                        .filter(|text| *text == ours)
                        .for_each(|text| text.clone_from(users));
                }
            }
            Ask { runtime: runtime.id, how }
        };
        Ok(injection.answers.iter().map(ask).collect())
    }

    /// Adds the entries; answers the values that would be added where the user has others, with
    /// those. None where one of the entries has no place.
    fn inject_entries(
        &mut self,
        part: &Part,
        injection: &Injection,
    ) -> Result<Option<Vec<(String, String)>>, FilesError> {
        let mut users = Vec::new();
        for (site, value) in &injection.entries {
            let Some(program) = self.program(part)? else { return Ok(None) };
            if let Site::Environment { name } = site {
                self.add_to_variable(&program, name, value);
                continue;
            }
            if let Some((_, entry)) = program.configured(site)? {
                users.push((value.clone(), entry.value));
                continue;
            }
            let Some(file) = program.place_of_new(site)? else { return Ok(None) };
            let place =
                Place { site: site.clone(), file: None, seen_at: Some(file.seen.at.clone()) };
            let rewrites = program.configure(&place, value, &[], &|home| self.bench.text(home))?;
            self.bench.rewrite(rewrites);
        }
        Ok(Some(users))
    }

    /// A variable that holds a list keeps what it has.
    fn add_to_variable(&mut self, program: &Located, name: &str, value: &str) {
        let assigned = program.variable(name);
        let text = |home: &Home| self.bench.text(home);
        let now = assigned.map(|homed| homed.word.text.clone());
        let now = now.or_else(|| self.env.get(name).map(String::from)).unwrap_or_default();
        let joined = match (now.is_empty(), value.starts_with('-')) {
            (true, _) => value.to_string(),
            (false, true) => format!("{now} {value}"),
            // GODEBUG: the last of a key counts.
            (false, false) if value.contains('=') => format!("{now},{value}"),
            (false, false) => value.to_string(),
        };
        match assigned.and_then(|homed| crate::command::replace(homed, &joined, &text)) {
            Some(rewrite) => self.bench.rewrite(vec![rewrite]),
            None => self.env.set(name, joined),
        }
    }
}
