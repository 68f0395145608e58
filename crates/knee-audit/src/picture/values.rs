//! Values as programs read them: variables followed to where they are set, expressions computed as
//! far as the files say.

use super::files::{FileId, Place};
use super::found::{Datum, Found, Overrode};
use knee_core::{Bytes, Seconds};
use knee_files::formats::expression::Expression;
use knee_files::formats::python;
use std::collections::BTreeMap;

/// Variables lead to each other no further than this.
const DEEPEST: usize = 12;

/// What a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Seconds,
    Bytes,
    Switch,
    Text,
}

/// What a value is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Plain,
    Shell,
    Python,
}

/// A value as it is written.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub text: String,
    pub notation: Notation,
    pub place: Place,
}

/// What values are read with.
#[derive(Clone, Default)]
pub(super) struct Context {
    /// Variables that scripts on the way set, the last one last.
    pub assigned: Vec<(String, Raw)>,
    /// Variables of the container: task over image; None for a value that is not known.
    pub env: BTreeMap<String, Found<String>>,
    /// A settings file in Python.
    pub python: Option<(FileId, std::sync::Arc<str>)>,
}

impl Context {
    pub fn assign(&mut self, name: &str, raw: Raw) {
        self.assigned.push((name.into(), raw));
    }

    /// What a variable says now, if it is set to something known.
    pub fn variable(&self, name: &str) -> Option<String> {
        let found = self.lookup(name, self.assigned.len(), 0)?;
        found.get().map(ToString::to_string)
    }

    fn lookup(&self, name: &str, before: usize, depth: usize) -> Option<Found<Datum>> {
        let set = self.assigned[..before].iter().rposition(|(known, _)| known == name);
        if let Some(at) = set {
            return Some(self.resolve(Kind::Text, &self.assigned[at].1, at, depth + 1));
        }
        let found = self.env.get(name)?;
        Some(Found {
            value: match &found.value {
                super::found::Known::Is(text) => super::found::Known::Is(Datum::Text(text.clone())),
                super::found::Known::Unknown(why) => super::found::Known::Unknown(why.clone()),
            },
            origin: found.origin.clone(),
            unless: found.unless.clone(),
            overrode: found.overrode.clone(),
        })
    }

    /// The value of a setting.
    pub fn read(&self, kind: Kind, raw: &Raw) -> Found<Datum> {
        self.resolve(kind, raw, self.assigned.len(), 0)
    }

    fn resolve(&self, kind: Kind, raw: &Raw, before: usize, depth: usize) -> Found<Datum> {
        let text = raw.text.trim();
        let expression = match raw.notation {
            _ if depth > DEEPEST => None,
            Notation::Python => Expression::python(text),
            Notation::Shell if text.contains(['$', '`']) => {
                Expression::shell(text.trim_matches('"'))
            }
            Notation::Shell | Notation::Plain => return typed(kind, text, raw.place.clone()),
        };
        let unknown =
            || Found::unknown(format!("is written as `{}`", short(text)), raw.place.clone());
        let Some(expression) = expression else {
            if raw.notation == Notation::Python && matches!(text, "True" | "False") {
                return typed(kind, text, raw.place.clone());
            }
            return unknown();
        };
        self.expression(kind, &expression, raw, before, depth).unwrap_or_else(unknown)
    }

    fn expression(
        &self,
        kind: Kind,
        expression: &Expression,
        raw: &Raw,
        before: usize,
        depth: usize,
    ) -> Option<Found<Datum>> {
        if depth > DEEPEST {
            return None;
        }
        if let Some(place) = self.cpus(expression, &raw.place, depth) {
            return Some(Found::at(Datum::Cpus(short(raw.text.trim())), place));
        }
        if let Some((name, default)) = expression.as_variable() {
            if let Some(found) = self.lookup(name, before, depth) {
                return Some(retyped(kind, found));
            }
            let default = self.expression(kind, default?, raw, before, depth + 1)?;
            return Some(Found { unless: Some(name.into()), ..default });
        }
        match expression {
            Expression::Number(n) => typed(kind, &n.to_string(), raw.place.clone()).into(),
            Expression::Text(text) => typed(kind, text, raw.place.clone()).into(),
            Expression::Name(name) => {
                let raw = self.named(name)?;
                Some(self.resolve(kind, &raw, before, depth + 1))
            }
            Expression::Operation(_, of) => match of.as_slice() {
                // `int(x)` says what x says.
                [one] if matches!(one, Expression::Name(_)) => {
                    self.expression(kind, one, raw, before, depth + 1)
                }
                _ => {
                    // What was set before: a variable may count itself up.
                    let variable = |name: &str| {
                        let found = self.lookup(name, before, depth)?;
                        found.get().map(ToString::to_string)
                    };
                    let name = |name: &str| Expression::python(&self.named(name)?.text);
                    let values = knee_files::formats::expression::Values {
                        cpus: 0,
                        variable: &variable,
                        name: &name,
                    };
                    Some(typed(kind, &expression.evaluate(&values)?, raw.place.clone()))
                }
            },
            _ => None,
        }
    }

    /// What a name of the settings file stands for: the assignment at top level, else one in a
    /// branch, one that counts CPUs first.
    fn named(&self, name: &str) -> Option<Raw> {
        let (file, text) = self.python.as_ref()?;
        if let Some(entry) = python::find(text, name) {
            let place = Place::new(*file, entry.word.range.clone());
            return Some(Raw { text: entry.word.text, notation: Notation::Python, place });
        }
        let mut found = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let body = line.trim_start();
            let value =
                body.strip_prefix(name).map(str::trim_start).and_then(|b| b.strip_prefix('='));
            if let Some(value) = value.filter(|v| !v.starts_with('=')) {
                let start = at + line.len() - value.trim_start().len();
                let text = value.trim().to_string();
                let place = Place::new(*file, start..start + text.len());
                found.push(Raw { text, notation: Notation::Python, place });
            }
            at += line.len();
        }
        let max =
            found.iter().position(|raw| raw.text.contains("max(") || raw.text.contains("cpu"));
        let at = max.or(found.len().checked_sub(1))?;
        Some(found.swap_remove(at))
    }

    /// Where CPUs are counted, if the expression depends on that.
    fn cpus(&self, expression: &Expression, place: &Place, depth: usize) -> Option<Place> {
        if depth > DEEPEST {
            return None;
        }
        match expression {
            Expression::Cpus => Some(place.clone()),
            Expression::Operation(_, of) => {
                of.iter().find_map(|inner| self.cpus(inner, place, depth + 1))
            }
            Expression::Name(name) => {
                let raw = self.named(name)?;
                let inner = Expression::python(&raw.text)?;
                self.cpus(&inner, &raw.place, depth + 1)
            }
            Expression::Variable(_, Some(default)) => self.cpus(default, place, depth + 1),
            _ => None,
        }
    }
}

fn retyped(kind: Kind, found: Found<Datum>) -> Found<Datum> {
    let (Some(Datum::Text(text)), Some(place)) = (found.get(), found.place()) else { return found };
    let typed = typed(kind, text, place.clone());
    Found { unless: found.unless.clone(), overrode: found.overrode.clone(), ..typed }
}

/// A text as a value of that kind.
pub(super) fn typed(kind: Kind, text: &str, place: Place) -> Found<Datum> {
    let text = text.trim().trim_matches(['"', '\'']);
    let datum = match kind {
        Kind::Text => Some(Datum::Text(text.into())),
        Kind::Switch => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "on" | "yes" | "" => Some(Datum::Switch(true)),
            "0" | "false" | "off" | "no" => Some(Datum::Switch(false)),
            _ => None,
        },
        _ if matches!(text, "auto" | "max") => Some(Datum::Cpus(text.into())),
        Kind::Number => text
            .parse()
            .ok()
            .map(Datum::Number)
            .or_else(|| (text == "off").then_some(Datum::Number(-1.0))),
        Kind::Seconds => {
            let bare = text.parse::<f64>().ok();
            bare.or_else(|| text.parse::<Seconds>().ok().map(|s| s.0)).map(Datum::Number)
        }
        Kind::Bytes => text.parse::<Bytes>().ok().map(|bytes| Datum::Number(bytes.0 as f64)),
    };
    match datum {
        Some(datum) => Found::at(datum, place),
        None => Found::unknown(format!("is written as `{}`", short(text)), place),
    }
}

/// The value that counts, with those that it wins over.
pub(super) fn strongest(mut found: Vec<Found<Datum>>) -> Option<Found<Datum>> {
    if found.is_empty() {
        return None;
    }
    let mut first = found.remove(0);
    first.overrode.extend(
        found.into_iter().map(|other| Overrode { value: shown(&other), origin: other.origin }),
    );
    Some(first)
}

/// A value for people.
pub(super) fn shown<T: std::fmt::Display>(found: &Found<T>) -> String {
    match &found.value {
        super::found::Known::Is(value) => match &found.unless {
            Some(name) => format!("{value} (unless {name} is set)"),
            None => value.to_string(),
        },
        super::found::Known::Unknown(why) => format!("unknown: {why}"),
    }
}

/// The beginning of a text, on one line.
pub(super) fn short(text: &str) -> String {
    let one: Vec<&str> = text.split_whitespace().collect();
    let one = one.join(" ");
    if one.chars().count() > 100 { one.chars().take(100).chain(['…']).collect() } else { one }
}
