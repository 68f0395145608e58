//! Knobs turned: which of them settings change, and the rewrites that each change comes to. Knows
//! neither a launch's arguments nor the user's files: whoever applies the rewrites does.

use crate::command::{Follower, Home, Rewrite, arguments, replace};
use crate::error::FilesError;
use crate::located::Located;
use crate::text::{Edit, apply_all};
use knee_core::launch::Environment;
use knee_core::runtimes::{self, Along, Runtime};
use knee_core::service::{Part, PlacedKnob, Service};
use knee_core::settings::{Settings, Site, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a knob is where nothing sets it and nobody knows what that means.
pub(crate) const UNSET: &str = "unset";

/// A knob that settings turn to another value.
pub(crate) struct Change<'a> {
    /// Index of the container.
    pub container: usize,
    pub part: &'a Part,
    pub placed: &'a PlacedKnob,
    pub value: Value,
}

/// What a change comes to.
pub(crate) enum Turned {
    Rewrites(Vec<Rewrite>),
    /// An environment variable that no command sets.
    Variable {
        name: String,
        value: String,
    },
}

/// The knobs that settings turn, made consistent; none where they come to the same as today's.
pub(crate) fn changes<'a>(
    service: &'a Service,
    settings: &Settings,
) -> Result<Vec<Change<'a>>, FilesError> {
    let today = service.current();
    if let Some(unknown) = settings.0.keys().find(|name| !today.0.contains_key(*name)) {
        let known: Vec<&str> = today.0.keys().map(String::as_str).collect();
        return Err(FilesError::UnknownKnob { knob: unknown.clone(), known: known.join(", ") });
    }
    let mut changes = Vec::new();
    for (container, parts) in service.containers.iter().map(|c| &c.parts).enumerate() {
        for part in parts {
            let now = own(part, &today);
            let mut then = now.clone();
            then.0.extend(own(part, settings).0);
            let (now, then) = match runtimes::by_id(part.runtime) {
                Some(runtime) => ((runtime.settle)(&now), (runtime.settle)(&then)),
                None => (now, then),
            };
            for placed in &part.knobs {
                let name = &*placed.knob.name;
                let value = then.0.get(name).filter(|value| now.0.get(name) != Some(value));
                if let Some(value) = value.filter(|value| value.as_text() != Some(UNSET)) {
                    changes.push(Change { container, part, placed, value: value.clone() });
                }
            }
        }
    }
    Ok(changes)
}

/// The settings of one part's knobs.
fn own(part: &Part, settings: &Settings) -> Settings {
    let value = |placed: &PlacedKnob| {
        Some((placed.knob.name.to_string(), settings.0.get(&*placed.knob.name)?.clone()))
    };
    Settings(part.knobs.iter().filter_map(value).collect())
}

/// The program that a part is, among those of its container.
pub(crate) fn program_of<'l>(located: &'l [Located], part: &Part) -> Option<&'l Located> {
    located.iter().find(|program| match program.runtime {
        Some(runtime) => runtime.id == part.runtime,
        None => runtimes::by_id(part.runtime).is_none(),
    })
}

impl Change<'_> {
    /// The rewrites of the program's words, variables or files; `env` is what is set outside of
    /// the commands. None where the place is not there any more.
    pub fn turn(
        &self,
        program: &Located,
        env: &dyn Fn(&str) -> Option<String>,
        text: &dyn Fn(&Home) -> Option<String>,
    ) -> Result<Option<Turned>, FilesError> {
        let runtime = runtimes::by_id(self.part.runtime);
        let value = match runtime {
            Some(runtime) => (runtime.write)(&self.placed.knob.name, &self.value),
            None => self.value.to_string(),
        };
        let place = &self.placed.place;
        Ok(match &place.site {
            Site::Flag { long, short } => {
                let kin = self.flags();
                let kin: Vec<_> = kin.iter().map(|(l, s)| (l.as_str(), s.as_deref())).collect();
                let rewrite = program.turn((long, short.as_deref()), &value, &kin, text);
                rewrite.map(|rewrite| Turned::Rewrites(vec![rewrite]))
            }
            Site::Environment { name } => Some(self.variable(program, name, value, text)),
            Site::EnvironmentFlag { name, long } => {
                let set = self.assigned(program, name).map(|homed| homed.word.text.clone());
                let words = set.or_else(|| env(name)).unwrap_or_default();
                let short = self.short_of(long);
                let turned = option_in(&words, long, short.as_deref(), &value);
                Some(self.variable(program, name, turned, text))
            }
            _ => {
                let along = along(runtime, &self.placed.knob.name);
                let rewrites = program.configure(place, &value, &along, text)?;
                (!rewrites.is_empty()).then_some(Turned::Rewrites(rewrites))
            }
        })
    }

    fn variable(
        &self,
        program: &Located,
        name: &str,
        value: String,
        text: &dyn Fn(&Home) -> Option<String>,
    ) -> Turned {
        let homed = self.assigned(program, name);
        match homed.and_then(|homed| replace(homed, &value, text)) {
            Some(rewrite) => Turned::Rewrites(vec![rewrite]),
            None => Turned::Variable { name: name.into(), value },
        }
    }

    /// The word that sets the variable, if the knob's place is there: `N=${N:-4}` only passes on.
    fn assigned<'p>(&self, program: &'p Located, name: &str) -> Option<&'p crate::command::Homed> {
        let place = &self.placed.place;
        program.variable(name).filter(|homed| {
            let here = match &homed.home {
                Home::Seen { at, .. } => place.seen_at.as_ref() == Some(at),
                Home::File(path) => place.file.as_ref() == Some(path),
                Home::Argument(_) | Home::Text(_) => place.seen_at.is_none(),
            };
            let passes_on = homed.word.dynamic && homed.word.text.contains(name);
            here && !passes_on
        })
    }

    /// The options of the part's knobs, beside which a new one belongs.
    fn flags(&self) -> Vec<(String, Option<String>)> {
        let sites = self.part.knobs.iter().flat_map(|placed| &placed.knob.sites);
        let flag = |site: &Site| match site {
            Site::Flag { long, short } => {
                Some((long.to_string(), short.as_ref().map(|short| short.to_string())))
            }
            _ => None,
        };
        sites.filter_map(flag).collect()
    }

    fn short_of(&self, wanted: &str) -> Option<String> {
        let flags = self.flags();
        flags.into_iter().find(|(long, _)| long == wanted).and_then(|(_, short)| short)
    }
}

/// What a knob needs beside other directives.
fn along(runtime: Option<&'static Runtime>, knob: &str) -> Vec<&'static Along> {
    let all = runtime.map_or(&[][..], |runtime| runtime.along);
    all.iter().filter(|along| along.knob == knob).collect()
}

/// A command line in a variable with one of its options turned; the rest stays as it is.
fn option_in(words: &str, long: &str, short: Option<&str>, value: &str) -> String {
    let mut parts: Vec<String> = words.split(' ').map(String::from).collect();
    match crate::formats::argv::find(&parts, long, short) {
        Some(found) => {
            parts[found.index] = format!("{}{value}", found.before);
            parts.join(" ")
        }
        None if words.trim().is_empty() => format!("{long}={value}"),
        None => format!("{} {long}={value}", words.trim_end()),
    }
}

/// Edits of texts by their home, each home's made at once.
pub(crate) fn by_home(
    rewrites: Vec<Rewrite>,
) -> (Vec<crate::formats::argv::Change>, BTreeMap<Home, Vec<Edit>>) {
    let mut of_arguments = Vec::new();
    let mut of_texts: BTreeMap<Home, Vec<Edit>> = BTreeMap::new();
    for rewrite in rewrites {
        match rewrite {
            Rewrite::Arguments(change) => of_arguments.push(change),
            Rewrite::Text(home, edit) => of_texts.entry(home).or_default().push(edit),
        }
    }
    (of_arguments, of_texts)
}

/// A container of a service on the bench: what is turned here reaches no file.
pub(crate) struct Bench<'a> {
    pub service: &'a Service,
    pub argv: Vec<String>,
    /// Changed texts by the path at which the service sees them.
    pub changed: BTreeMap<PathBuf, String>,
}

impl Bench<'_> {
    /// The programs that the arguments start, as they are now.
    pub fn programs(&self, workdir: &Path, env: &Environment) -> Result<Vec<Located>, FilesError> {
        let view = self.view();
        let set = |name: &str| env.get(name).map(String::from);
        let text = |home: &Home| self.text(home);
        let follower = Follower { view, workdir, text: &text, env: &set };
        let file = |name: &str| project_file(&self.service.root, &self.service.binds, name);
        crate::located::locate(&follower, arguments(&self.argv), &file)
    }

    fn view(&self) -> crate::view::View<'_> {
        crate::view::View {
            root: &self.service.root,
            binds: &self.service.binds,
            base: &self.service.stand_ins,
            made_of: &self.service.made_of,
            changed: &self.changed,
        }
    }

    /// The text that a home's words stand in.
    pub fn text(&self, home: &Home) -> Option<String> {
        match home {
            Home::Argument(index) | Home::Text(index) => self.argv.get(*index).cloned(),
            Home::Seen { at, .. } => self.view().read(at).ok().flatten().map(|seen| seen.text),
            Home::File(_) => None,
        }
    }

    /// Makes rewrites.
    pub fn rewrite(&mut self, rewrites: Vec<Rewrite>) {
        let (of_arguments, of_texts) = by_home(rewrites);
        for (home, edits) in of_texts {
            let text = apply_all(&self.text(&home).unwrap_or_default(), edits);
            match home {
                Home::Text(index) => self.argv[index] = text,
                Home::Seen { at, .. } => drop(self.changed.insert(at, text)),
                Home::Argument(_) | Home::File(_) => {}
            }
        }
        of_arguments.into_iter().for_each(|change| change.apply(&mut self.argv));
    }
}

/// A file that tells what a project is (`go.mod`): in the folder, or beside what an image copies.
pub(crate) fn project_file(
    root: &Path,
    binds: &[knee_core::launch::Bind],
    name: &str,
) -> Option<String> {
    let beside = binds.iter().flat_map(|bind| bind.host.ancestors().skip(1));
    let mut folders = vec![root];
    folders.extend(beside.filter(|folder| folder.starts_with(root)));
    folders.dedup();
    let read = |folder: &Path| {
        let path = folder.join(name);
        crate::view::read_text(&path, &path).ok().flatten()
    };
    folders.into_iter().find_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_inside_a_variable() {
        for (words, turned) in [
            ("", "--max=8"),
            ("--max=4 --x", "--max=8 --x"),
            ("--x  --max 4", "--x  --max 8"),
            ("-m4", "-m8"),
            ("--x=\"a b\"", "--x=\"a b\" --max=8"),
        ] {
            assert_eq!(option_in(words, "--max", Some("-m"), "8"), turned, "{words}");
        }
    }
}
