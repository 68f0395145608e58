//! Settings as edits of the user's own files.

use crate::asked::Asked;
use crate::blueprint::Blueprint;
use crate::command::{Follower, Home};
use crate::error::FilesError;
use crate::formats::dockerfile::{self, Dockerfile};
use crate::hidden;
use crate::located::{Located, locate};
use crate::plan::{Plan, plan};
use crate::program;
use crate::sources::{Sources, set_variable};
use crate::text::{Edit, apply_all};
use crate::turn::{Change, Turned, by_home, changes, program_of, project_file};
use crate::view::View;
use knee_core::service::Service;
use knee_core::settings::Settings;
use knee_core::sourced::Origin;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A change of one file of the user's. Nothing is written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The file, relative to the service's root.
    pub path: PathBuf,
    /// What it says; empty where it is a new file.
    pub before: String,
    /// What it would say.
    pub after: String,
}

impl Patch {
    /// The change as a unified diff, to be shown: what environment variables are set to is left
    /// out where it stays the same, as it may be a secret.
    pub fn diff(&self) -> String {
        let name = self.path.display();
        let old = if self.before.is_empty() { "/dev/null".into() } else { format!("a/{name}") };
        let (before, after) = hidden::shown(&self.path, &self.before, &self.after);
        similar::TextDiff::from_lines(&before, &after)
            .unified_diff()
            .header(&old, &format!("b/{name}"))
            .to_string()
    }
}

/// The edits that turn the service's knobs to these settings; none where they are today's. A
/// knob whose place is in no file of the user's is left out.
///
/// # Errors
/// A knob that the service does not have; a file that cannot be read any more or in which a
/// setting cannot be written.
pub fn patches(service: &Service, settings: &Settings) -> Result<Vec<Patch>, FilesError> {
    let mut changed = BTreeMap::new();
    for change in changes(service, settings)? {
        if let Some(path) = &change.placed.place.file {
            let new = Patcher::new(service, &changed)?.patch(&change, path)?;
            changed.extend(new);
        }
    }
    let original = Sources::read(&service.root, BTreeMap::new())?;
    let mut patches = Vec::new();
    for (path, after) in changed {
        let before = original.text(&path)?.unwrap_or_default();
        if before != after {
            patches.push(Patch { path, before, after });
        }
    }
    Ok(patches)
}

/// The user's files with what earlier changes made of them.
struct Patcher<'a> {
    service: &'a Service,
    changed: &'a BTreeMap<PathBuf, String>,
    sources: Sources,
    /// What stands in for files of the image, templates as they are written: edits are made there.
    base: Vec<(PathBuf, String)>,
}

impl<'a> Patcher<'a> {
    fn new(
        service: &'a Service,
        changed: &'a BTreeMap<PathBuf, String>,
    ) -> Result<Patcher<'a>, FilesError> {
        let sources = Sources::read(&service.root, changed.clone())?;
        let mut base = service.stand_ins.clone();
        for (at, template) in &service.made_of {
            let text = sources.text(template)?.unwrap_or_default();
            base.iter_mut()
                .filter(|(path, _)| path == at)
                .for_each(|(_, made)| made.clone_from(&text));
        }
        Ok(Patcher { service, changed, sources, base })
    }

    /// The files that a change edits, with their new texts.
    fn patch(
        &self,
        change: &Change<'_>,
        path: &Path,
    ) -> Result<BTreeMap<PathBuf, String>, FilesError> {
        let blueprint = self.blueprint(&self.service.containers[change.container].name)?;
        let Some(blueprint) = blueprint else { return Err(self.gone(change, path)) };
        let located = self.located(&blueprint)?;
        let Some(program) = program_of(&located, change.part) else {
            return Err(self.gone(change, path));
        };
        let env = |name: &str| blueprint.value(name).map(String::from);
        let text = |home: &Home| self.text(home);
        let mut new = match change.turn(program, &env, &text)? {
            Some(Turned::Rewrites(rewrites)) => self.rewritten(rewrites),
            Some(Turned::Variable { name, value }) => {
                self.with_variable(&blueprint, program, path, &name, &value)?
            }
            None => BTreeMap::new(),
        };
        if new.is_empty() {
            return Err(self.gone(change, path));
        }
        if self.sources.text(path)?.is_none() {
            new.extend(self.with_copy(&blueprint, path, change.placed.place.seen_at.as_deref())?);
        }
        Ok(new)
    }

    /// The Dockerfile with a COPY of a file that is new.
    fn with_copy(
        &self,
        blueprint: &Blueprint,
        path: &Path,
        seen_at: Option<&Path>,
    ) -> Result<Option<(PathBuf, String)>, FilesError> {
        let (Some(built), Some(seen_at)) = (&blueprint.built, seen_at) else { return Ok(None) };
        let source = path.strip_prefix(&built.context).unwrap_or(path).display().to_string();
        let text = self.sources.text(&built.path)?.unwrap_or_default();
        let readable = dockerfile::readable(&text);
        let file = Dockerfile::parse(&readable).map_err(FilesError::format(&built.path))?;
        let edit = file.insert_copy(&source, &seen_at.display().to_string());
        Ok(Some((built.path.clone(), edit.apply(&text))))
    }

    /// The container of that name as the files say it now.
    fn blueprint(&self, name: &str) -> Result<Option<Blueprint>, FilesError> {
        let names: Vec<&str> = self.service.containers.iter().map(|c| c.name.as_str()).collect();
        let command = self
            .service
            .containers
            .iter()
            .find(|container| matches!(&container.command.origin, Origin::Flag { .. }));
        let command = command.map(|container| spoken(&container.command.value));
        let asked = Asked { command: command.as_deref(), ..Asked::default() };
        let same =
            |plan: &Plan| plan.containers.iter().map(|c| c.name.as_str()).eq(names.iter().copied());
        let mut found = plan(&self.sources, asked)?;
        if !same(&found) || found.serving != self.service.serving {
            let wanted = names.get(self.service.serving).copied();
            found = plan(&self.sources, Asked { container: wanted, ..asked })?;
        }
        Ok(found.containers.into_iter().find(|blueprint| blueprint.name == name))
    }

    fn located(&self, blueprint: &Blueprint) -> Result<Vec<Located>, FilesError> {
        let text = |home: &Home| match home {
            Home::Argument(index) | Home::Text(index) => blueprint.argv.get(*index).cloned(),
            home => self.text(home),
        };
        let workdir = &blueprint.workdir;
        let set = |name: &str| blueprint.value(name).map(String::from);
        let follower = Follower { view: self.view(), workdir, text: &text, env: &set };
        let file = |name: &str| project_file(&self.service.root, &self.service.binds, name);
        locate(&follower, blueprint.commands.clone(), &file)
    }

    fn view(&self) -> View<'_> {
        View {
            root: &self.service.root,
            binds: &self.service.binds,
            base: &self.base,
            made_of: &self.service.made_of,
            changed: self.changed,
        }
    }

    fn text(&self, home: &Home) -> Option<String> {
        match home {
            Home::File(path) => self.sources.text(path).ok().flatten(),
            Home::Seen { at, own } => {
                let seen = self.view().read(at).ok().flatten().map(|seen| seen.text);
                seen.or_else(|| self.sources.text(own.as_ref()?).ok().flatten())
            }
            Home::Argument(_) | Home::Text(_) => None,
        }
    }

    /// The user's own files among those that are rewritten.
    fn rewritten(&self, rewrites: Vec<crate::command::Rewrite>) -> BTreeMap<PathBuf, String> {
        let (_, of_texts) = by_home(rewrites);
        let new = |(home, edits): (Home, Vec<Edit>)| {
            let text = apply_all(&self.text(&home).unwrap_or_default(), edits);
            match home {
                Home::File(path) | Home::Seen { own: Some(path), .. } => Some((path, text)),
                _ => None,
            }
        };
        of_texts.into_iter().filter_map(new).collect()
    }

    /// A file with an environment variable set to a value.
    fn with_variable(
        &self,
        blueprint: &Blueprint,
        program: &Located,
        path: &Path,
        name: &str,
        value: &str,
    ) -> Result<BTreeMap<PathBuf, String>, FilesError> {
        let Some(text) = self.sources.text(path)? else { return Ok(BTreeMap::new()) };
        let edit = self.variable_edit(blueprint, path, &text, name, value)?;
        let edit = edit.or_else(|| {
            // Before the program, where its words are a shell's.
            let first = program.command.words.first()?;
            let here = match &first.home {
                Home::File(home) => home == path,
                Home::Seen { own, .. } => own.as_deref() == Some(path),
                _ => false,
            };
            let value = crate::formats::word::quote(value);
            here.then(|| Edit::insert(first.word.range.start, format!("{name}={value} ")))
        });
        Ok(edit.map(|edit| (path.to_path_buf(), edit.apply(&text))).into_iter().collect())
    }

    fn variable_edit(
        &self,
        blueprint: &Blueprint,
        path: &Path,
        text: &str,
        name: &str,
        value: &str,
    ) -> Result<Option<Edit>, FilesError> {
        let of_task = self.sources.task.as_ref().filter(|task| task.path == path);
        if let (Some(task), Some(index)) = (of_task, blueprint.definition) {
            let container = &task.parsed.containers[index];
            let entry = container.env.iter().rev().find(|(n, _)| n == name);
            return Ok(match entry {
                Some((_, entry)) => Some(entry.set(text, value)),
                None => container.insert_env(name, value),
            });
        }
        let composed = self.sources.compose.as_ref().filter(|file| file.path == path);
        if let (Some(file), Some(index)) = (composed, blueprint.service) {
            return Ok(file.parsed[index].set_env(text, name, value));
        }
        if let Some(built) = blueprint.built.as_ref().filter(|built| built.path == path) {
            let entry = built.image.env.iter().rev().find(|(n, _)| n == name);
            return Ok(Some(match entry {
                Some((_, entry)) => entry.set(text, value),
                None => Dockerfile::parse(&dockerfile::readable(text))
                    .map_err(FilesError::format(path))?
                    .insert_env(name, value),
            }));
        }
        let mut deployed = self.sources.deployed(&blueprint.name).into_iter().flat_map(|d| &d.env);
        let variable = deployed.find(|v| v.name == name && v.path == path);
        Ok(variable.map(|v| v.entry.set(text, value)).or_else(|| set_variable(text, name, value)))
    }

    fn gone(&self, change: &Change<'_>, path: &Path) -> FilesError {
        FilesError::Unwritable {
            knob: change.placed.knob.name.to_string(),
            path: path.into(),
            problem: "its place is not there any more; run knee again".into(),
        }
    }
}

/// Arguments as one line, as `--command` takes it.
fn spoken(argv: &[String]) -> String {
    match argv {
        [shell, flag, text] if flag == "-c" && program::is_shell(shell) => text.clone(),
        argv => {
            argv.iter().map(|word| crate::formats::word::quote(word)).collect::<Vec<_>>().join(" ")
        }
    }
}
