//! Where a value is written: the environment, the command's own words, a pool file that comes last,
//! a copy of nginx's configuration. Never a file of the user's.

use super::find::Found;
use super::tell::Asks;
use super::{Filled, Overlay, fpm, nginx};
use knee_core::runtimes::Choice;
use knee_core::settings::{Site, Text};
use std::io;
use std::path::{Path, PathBuf};

/// Before the name of nginx's file in that of its copy.
const COPY: &str = "knee-";

/// Writes the choices for one program.
pub struct Writer<'a> {
    found: &'a Found,
    config: Option<&'a Path>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// Choices for the configuration file: a line about each, and where it goes.
    filed: Vec<(Choice, Filed)>,
    /// What has its pool tell how it is doing.
    asks: Option<Asks>,
}

/// An entry of a configuration file.
enum Filed {
    Key(Text, String),
    Directive(Text, Text, String),
}

impl<'a> Writer<'a> {
    /// For a program with that configuration file.
    pub fn new(
        found: &'a Found,
        config: Option<&'a Path>,
        variable: &'a dyn Fn(&str) -> Option<String>,
    ) -> Writer<'a> {
        Writer { found, config, variable, filed: vec![], asks: None }
    }

    /// Sets a choice where the environment or the command's own words can; a file waits for
    /// [`Writer::finish`].
    pub fn enter(&mut self, choice: &Choice, filled: &mut Filled) {
        let runtime = self.found.runtime;
        let knobs = (runtime.knobs)();
        let Some(knob) = knobs.into_iter().find(|knob| knob.name == choice.knob) else { return };
        let value = (runtime.write)(choice.knob, &choice.value);
        let variable = knob.sites.iter().rev().find_map(|site| match site {
            Site::Environment { name } => Some((name.to_string(), value.clone())),
            Site::EnvironmentFlag { name, long } => {
                let before = filled.variables.get(&**name).cloned();
                let before = before.or_else(|| (self.variable)(name));
                let before = before.map(|b| format!("{} ", b.trim())).unwrap_or_default();
                let entry = format!("{before}{long}={value}");
                Some((name.to_string(), entry.trim_start().to_string()))
            }
            _ => None,
        });
        if let Some((name, entry)) = variable {
            // What stood there before may be a secret: only what is added is told.
            filled.told.push(line(choice, &value, &name));
            filled.variables.insert(name, entry);
            return;
        }
        match knob.sites.into_iter().next() {
            Some(Site::Flag { long, .. }) if self.found.at.is_some() => {
                filled.told.push(line(choice, &value, &long));
                filled.command.push(format!("{long}={value}").into());
            }
            Some(Site::Flag { long, .. }) => filled.told.push(format!(
                "{} stays open, as a shell starts it: {long}={value} would be right: {}",
                choice.knob, choice.because
            )),
            Some(Site::Ini { key }) => self.filed.push((choice.clone(), Filed::Key(key, value))),
            Some(Site::Directive { context, name }) => {
                self.filed.push((choice.clone(), Filed::Directive(context, name, value)));
            }
            _ => {}
        }
    }

    /// Has the pool tell how it is doing, too.
    pub fn ask(&mut self, asks: Option<Asks>) {
        self.asks = asks;
    }

    /// Writes what belongs into a file.
    pub fn finish(self, put: &mut dyn FnMut(&Overlay) -> io::Result<()>, filled: &mut Filled) {
        let made = match self.filed.first() {
            None if self.asks.is_none() => return,
            Some((_, Filed::Directive(..))) => self.copy(),
            _ => self.pool(),
        };
        let written = made.and_then(|overlay| {
            let folder = overlay.path.parent().unwrap_or(Path::new("/")).display().to_string();
            put(&overlay).map_err(|error| format!("{folder} takes no file: {error}"))?;
            Ok(overlay.path)
        });
        if let (Ok(path), Some((_, Filed::Directive(..)))) = (&written, self.filed.first()) {
            self.point(path, filled);
        }
        for (choice, _) in &self.filed {
            let value = &choice.value;
            filled.told.push(match &written {
                Ok(path) => line(choice, &value.to_string(), &path.display().to_string()),
                Err(why) => format!(
                    "{} stays as it is, as {why}; {value} would be right: {}",
                    choice.knob, choice.because
                ),
            });
        }
        if let Some(asks) = &self.asks {
            filled.told.push(asks.told(written.as_deref()));
        }
    }

    fn pool(&self) -> Result<Overlay, String> {
        let main = self.config.ok_or("its configuration was not found")?;
        let pools = fpm::read(main).ok_or("its configuration cannot be read")?;
        let (pool, _) = pools.only().ok_or("there is not exactly one pool")?;
        let none = || format!("no file can come last in what {} includes", main.display());
        let path = pools.last.clone().ok_or_else(none)?;
        let key = |(_, filed): &(Choice, Filed)| match filed {
            Filed::Key(key, value) => Some((key.to_string(), value.clone())),
            Filed::Directive(..) => None,
        };
        let mut values: Vec<(String, String)> = self.filed.iter().filter_map(key).collect();
        values.extend(self.asks.iter().flat_map(Asks::keys));
        let fills = self.asks.as_ref().map(|asks| asks.folder.clone());
        Ok(Overlay { path, text: fpm::overlay(pool, &values), fills })
    }

    fn copy(&self) -> Result<Overlay, String> {
        let main = self.config.ok_or("its configuration was not found")?;
        if self.found.at.is_none() {
            return Err("a shell starts it".into());
        }
        let text = super::find::text(main).ok_or("its configuration cannot be read")?;
        let changed = self.filed.iter().try_fold(text, |text, (_, filed)| match filed {
            Filed::Directive(context, name, value) => nginx::with(&text, context, name, value),
            Filed::Key(..) => Some(text),
        });
        let text = changed.ok_or("its configuration has another form than is known")?;
        let name = main.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        Ok(Overlay { path: main.with_file_name(format!("{COPY}{name}")), text, fills: None })
    }

    /// Makes the command name the copy.
    fn point(&self, path: &Path, filled: &mut Filled) {
        let Some(own) = self.found.at.clone() else { return };
        let named = filled.command.get(own.clone()).and_then(|words| {
            Some(own.start.saturating_add(words.iter().position(|word| word == "-c")?))
        });
        let value: PathBuf = path.into();
        match named.and_then(|at| filled.command.get_mut(at.saturating_add(1))) {
            Some(word) => *word = value.into(),
            None => filled.command.extend(["-c".into(), value.into()]),
        }
    }
}

fn line(choice: &Choice, value: &str, place: &str) -> String {
    format!("{} {value} ({place}): {}", choice.knob, choice.because)
}
