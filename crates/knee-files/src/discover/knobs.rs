//! What each knob is today, after precedence, and the one place where it is written.

use crate::blueprint::{Blueprint, Variable};
use crate::command::{Home, Homed};
use crate::error::FilesError;
use crate::formats::expression::{Expression, Values};
use crate::formats::python;
use crate::formats::word::{Dress, Word};
use crate::located::Located;
use crate::turn::UNSET;
use knee_core::runtimes::{Runtime, Surroundings};
use knee_core::service::{Place, PlacedKnob};
use knee_core::settings::{Knob, Range, Site, Value};
use knee_core::sourced::{Origin, Sourced};
use std::cell::Cell;
use std::path::PathBuf;

/// Variables that stand for each other no deeper than this.
const DEEPEST: usize = 8;

/// No more names of a Python file are looked up: each reads the file anew.
pub(super) const MOST_NAMES: u32 = 500;

/// The file of a user's own with settings of php-fpm's pool: its name comes last, so that it wins.
const OWN_POOL: &str = "zzz-knee.conf";

/// Reads the knobs of one program.
pub(super) struct Reader<'a> {
    pub blueprint: &'a Blueprint,
    pub program: &'a Located,
    pub around: Surroundings,
    /// The file that a new environment variable is written in.
    pub variables: Option<PathBuf>,
    /// The text that a home's words stand in.
    pub text: &'a dyn Fn(&Home) -> Option<String>,
    /// Names of a Python file that may still be looked up, see [`MOST_NAMES`].
    pub names: Cell<u32>,
}

/// A value as it is written somewhere.
struct Raw {
    text: String,
    notation: Notation,
    origin: Origin,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// As it is.
    Plain,
    Shell,
    Python,
}

/// A value once its variables are followed.
struct Traced {
    /// None where it is computed in a way that knee does not follow.
    text: Option<String>,
    origin: Origin,
    place: Place,
}

impl Reader<'_> {
    /// The knob as it is today.
    pub fn read(&self, knob: Knob, siblings: &[Knob]) -> Result<PlacedKnob, FilesError> {
        for site in &knob.sites {
            if let Some(raw) = self.raw(site, &knob)? {
                let traced = self.trace(raw, 0);
                let value = traced.text.as_deref().and_then(|text| self.value(&knob, text));
                let current = match value {
                    Some(value) => Sourced::new(value, traced.origin),
                    None => {
                        let because = format!(
                            "{} says something that knee cannot read; this is what holds without it",
                            traced.origin
                        );
                        Sourced::assumed(self.default(&knob).value, because)
                    }
                };
                let place = self.made_own(traced.place);
                return Ok(PlacedKnob { knob, current, place });
            }
        }
        let (current, place) = (self.default(&knob), self.place_of_new(&knob, siblings)?);
        Ok(PlacedKnob { knob, current, place: self.made_own(place) })
    }

    /// Whether any file or command says a knob.
    pub fn stands(&self, knob: &Knob) -> Result<bool, FilesError> {
        for site in &knob.sites {
            if self.raw(site, knob)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A setting of a pool that stands in the image's files only goes into a file of the user's
    /// own, which is copied beside those.
    fn made_own(&self, place: Place) -> Place {
        let pool = matches!(place.site, Site::Ini { .. }) && place.file.is_none();
        let built = self.blueprint.built.as_ref().filter(|_| pool);
        match (built, self.program.folder_of_pools()) {
            (Some(built), Some(folder)) => Place {
                site: place.site,
                file: Some(built.path.with_file_name(OWN_POOL)),
                seen_at: Some(folder.join(OWN_POOL)),
            },
            _ => place,
        }
    }

    /// What the program was recognised by.
    pub fn recognised(&self) -> Sourced<String> {
        let word = &self.program.command.words[self.program.at];
        Sourced::new(self.program.reason.clone(), self.origin(&word.home, &word.word))
    }

    /// What a program does when nothing is set.
    fn default(&self, knob: &Knob) -> Sourced<Value> {
        let unset = || Sourced::assumed(Value::from(UNSET), "nothing sets it");
        let Some(runtime) = self.program.runtime else { return unset() };
        match (runtime.default)(&knob.name, &self.around) {
            Some(value) => Sourced::new(value, Origin::Default { program: runtime.title.into() }),
            None => unset(),
        }
    }

    fn value(&self, knob: &Knob, text: &str) -> Option<Value> {
        value(self.program.runtime, knob, text, &self.around)
    }

    /// What stands at a site; None where nothing does.
    fn raw(&self, site: &Site, knob: &Knob) -> Result<Option<Raw>, FilesError> {
        Ok(match site {
            Site::Flag { long, short } => {
                let found = self.program.flag(long, short.as_deref());
                found.map(|(homed, found)| self.homed(homed, found.value, site))
            }
            Site::Environment { name } => self.variable(name, false),
            Site::EnvironmentFlag { name, long } => self.variable(name, false).and_then(|raw| {
                let words: Vec<&str> = raw.text.split_whitespace().collect();
                let short = short_of(knob, long);
                let found = crate::formats::argv::find(&words, long, short)?;
                let place = Place { site: site.clone(), ..raw.place };
                Some(Raw { text: found.value, place, ..raw })
            }),
            _ => self.program.configured(site)?.map(|(file, entry)| {
                let (text, notation) = match site {
                    Site::PythonAssignment { .. } => (entry.word.text.clone(), Notation::Python),
                    // php-fpm replaces `${NAME}` by the variable.
                    Site::Ini { .. } if entry.value.starts_with("${") => {
                        (entry.value.clone(), Notation::Shell)
                    }
                    _ => (entry.value.clone(), Notation::Plain),
                };
                let path = file.seen.shown();
                Raw {
                    text,
                    notation,
                    origin: Origin::File { path, line: entry.line },
                    place: Place {
                        site: site.clone(),
                        file: file.seen.own.clone(),
                        seen_at: Some(file.seen.at.clone()),
                    },
                }
            }),
        })
    }

    /// A value in a command; `text` is the part of the word that says it.
    fn homed(&self, homed: &Homed, text: String, site: &Site) -> Raw {
        let (file, seen_at) = match &homed.home {
            Home::File(path) => (Some(path.clone()), None),
            Home::Seen { at, own } => (own.clone(), Some(at.clone())),
            Home::Argument(_) | Home::Text(_) => (None, None),
        };
        Raw {
            text,
            notation: if homed.word.dynamic { Notation::Shell } else { Notation::Plain },
            origin: self.origin(&homed.home, &homed.word),
            place: Place { site: site.clone(), file, seen_at },
        }
    }

    fn origin(&self, home: &Home, word: &Word) -> Origin {
        let path = match home {
            Home::File(path) => path,
            Home::Seen { at, own } => own.as_ref().unwrap_or(at),
            Home::Argument(_) | Home::Text(_) => return self.blueprint.origin.clone(),
        };
        let line = (self.text)(home).map_or(1, |text| word.line(&text));
        Origin::File { path: path.display().to_string(), line }
    }

    /// An environment variable, as the commands or the files set it; `outer` leaves out the
    /// commands.
    fn variable(&self, name: &str, outer: bool) -> Option<Raw> {
        let site = Site::Environment { name: name.to_string().into() };
        if let Some(homed) = self.program.variable(name).filter(|_| !outer) {
            return Some(self.homed(homed, homed.word.text.clone(), &site));
        }
        let Variable { value, path, line, .. } =
            self.blueprint.variables.iter().find(|variable| variable.name == name)?;
        Some(Raw {
            text: value.clone(),
            notation: Notation::Plain,
            origin: Origin::File { path: path.display().to_string(), line: *line },
            place: Place { site, file: Some(path.clone()), seen_at: None },
        })
    }

    /// Follows a value that is a variable to where that is set, and computes one that can be.
    fn trace(&self, raw: Raw, depth: usize) -> Traced {
        let Raw { text, notation, origin, place } = raw;
        let expression = match notation {
            Notation::Plain => return Traced { text: Some(text), origin, place },
            Notation::Shell => Expression::shell(&text),
            Notation::Python => Expression::python(&text),
        };
        let Some(expression) = expression else { return Traced { text: None, origin, place } };
        if let (Some((name, default)), true) = (expression.as_variable(), depth < DEEPEST) {
            // `N=${N:-4}` means the N of before.
            let same = matches!(&place.site, Site::Environment { name: own } if own == name);
            if let Some(set) = self.variable(name, same).filter(|raw| !raw.text.is_empty()) {
                return self.trace(set, depth + 1);
            }
            let text = default.and_then(|default| self.evaluate(default, depth));
            let place = match &self.variables {
                Some(file) => Place {
                    site: Site::Environment { name: name.to_string().into() },
                    file: Some(file.clone()),
                    seen_at: None,
                },
                None => place,
            };
            return Traced { text, origin, place };
        }
        Traced { text: self.evaluate(&expression, depth), origin, place }
    }

    fn evaluate(&self, expression: &Expression, depth: usize) -> Option<String> {
        let variable = |name: &str| {
            let raw = self.variable(name, false).filter(|_| depth < DEEPEST)?;
            self.trace(raw, depth + 1).text
        };
        let python = self.program.config.first().map(|file| file.seen.text.as_str());
        let name = |name: &str| Expression::python(&self.named(python?, name, depth + 1)?);
        let cpus = self.around.visible_cpus;
        expression.evaluate(&Values { cpus, variable: &variable, name: &name })
    }

    /// What a name of a Python file is set to in the branches that are taken; None where it cannot be
    /// told whether one is.
    fn named(&self, python: &str, name: &str, depth: usize) -> Option<String> {
        let mut found = None;
        // Names may stand for each other in circles.
        let left = self.names.get().checked_sub(1).filter(|_| depth < DEEPEST)?;
        self.names.set(left);
        let branches = python::branches(python, name);
        if branches.iter().all(|branch| branch.conditions.is_empty()) {
            return Some(python::find(python, name)?.word.text);
        }
        for branch in branches {
            let mut conditions = branch.conditions.iter();
            let taken = conditions.try_fold(true, |taken, (condition, wanted)| {
                // Behind one that does not hold the others are no matter.
                let holds = || self.holds(python, condition, depth + 1);
                Some(taken && holds()? == *wanted)
            });
            if taken? {
                found = Some(branch.value.to_string());
            }
        }
        found
    }

    /// Whether a condition of a Python file holds: a name, alone or compared with None.
    fn holds(&self, python: &str, condition: &str, depth: usize) -> Option<bool> {
        let (condition, negated) = match condition.strip_prefix("not ") {
            Some(condition) => (condition.trim(), true),
            None => (condition.trim(), false),
        };
        let (name, negated) = match condition.split_once(" is ") {
            Some((name, "not None")) => (name, negated),
            Some((name, "None")) => (name, !negated),
            Some(_) => return None,
            None => (condition, negated),
        };
        let value = self.named(python, name.trim(), depth)?;
        let says = match value.as_str() {
            "None" | "False" | "0" | "''" | "\"\"" => false,
            value => {
                let expression = Expression::python(value)?;
                let said = self.evaluate(&expression, depth);
                // A variable that nothing sets says nothing.
                let known = said.is_some() || expression.as_variable().is_some();
                known.then(|| said.is_some_and(|said| !said.is_empty() && said != "0"))?
            }
        };
        Some(says != negated)
    }

    /// Where a knob goes that stands nowhere yet: into the program's own configuration, beside
    /// the options that it has, into the task's environment, else where it can be had.
    fn place_of_new(&self, knob: &Knob, siblings: &[Knob]) -> Result<Place, FilesError> {
        let configured = self.in_configuration(knob)?;
        let own = configured.clone().filter(|place| place.file.is_some());
        let flag = self.as_flag(knob);
        let beside = flag.clone().filter(|_| {
            let flags = siblings.iter().flat_map(|knob| &knob.sites);
            flags.into_iter().any(|site| match site {
                Site::Flag { long, short } => self.program.flag(long, short.as_deref()).is_some(),
                _ => false,
            })
        });
        let variable = self.as_variable(knob);
        let written = |place: &Option<Place>| place.clone().filter(|place| place.file.is_some());
        let best = own.or(beside).or_else(|| written(&variable)).or_else(|| written(&flag));
        let best = best.or_else(|| self.as_assignment(knob));
        Ok(best.or(configured).or(variable).or(flag).unwrap_or_else(|| Place {
            site: knob.sites[0].clone(),
            file: None,
            seen_at: None,
        }))
    }

    fn in_configuration(&self, knob: &Knob) -> Result<Option<Place>, FilesError> {
        for site in &knob.sites {
            if let Some(file) = self.program.place_of_new(site)? {
                return Ok(Some(Place {
                    site: site.clone(),
                    file: file.seen.own.clone(),
                    seen_at: Some(file.seen.at.clone()),
                }));
            }
        }
        Ok(None)
    }

    fn as_flag(&self, knob: &Knob) -> Option<Place> {
        let site = knob.sites.iter().find(|site| matches!(site, Site::Flag { .. }))?;
        let anchor = self.program.command.words.get(self.program.at)?;
        let raw = self.homed(anchor, String::new(), site);
        self.program.takes_flags().then_some(raw.place)
    }

    /// A variable of its own rather than a word in one.
    fn as_variable(&self, knob: &Knob) -> Option<Place> {
        let bare = knob.sites.iter().find(|site| matches!(site, Site::Environment { .. }));
        let within = || knob.sites.iter().find(|s| matches!(s, Site::EnvironmentFlag { .. }));
        let site = bare.or_else(within)?;
        Some(Place { site: site.clone(), file: self.variables.clone(), seen_at: None })
    }

    /// A variable before the program, where its words are a shell's.
    fn as_assignment(&self, knob: &Knob) -> Option<Place> {
        let site = knob.sites.iter().find(|site| matches!(site, Site::Environment { .. }))?;
        let first = self.program.command.words.first()?;
        let shell = matches!(first.word.dress, Dress::Shell(_));
        let place = self.homed(first, String::new(), site).place;
        Some(place).filter(|place| shell && place.file.is_some())
    }
}

/// The short form of an option whose long form a variable may hold too.
fn short_of<'k>(knob: &'k Knob, wanted: &str) -> Option<&'k str> {
    knob.sites.iter().find_map(|site| match site {
        Site::Flag { long, short } if long == wanted => short.as_deref(),
        _ => None,
    })
}

/// A knob's value as its runtime reads it.
fn value(
    runtime: Option<&Runtime>,
    knob: &Knob,
    text: &str,
    around: &Surroundings,
) -> Option<Value> {
    let text = text.trim();
    if let Some(special) = runtime.and_then(|runtime| (runtime.read)(&knob.name, text, around)) {
        return Some(special);
    }
    match knob.range {
        Range::Integers { .. } => text.parse().ok().map(Value::Int),
        Range::Choices(_) => (!text.is_empty()).then(|| text.into()),
    }
}
