//! knee.toml: what a user says where no other file does. Every mistake has its line and column.
//!
//! What lives here: keys, their values and their documentation. What never does: what knee makes
//! of them together with the other files (`discover`).

mod allows;
mod field;
mod keys;
mod knobs;
mod mistakes;
mod requests;
mod tables;

pub(crate) use keys::{About, TABLES, Table};
pub use knobs::{KnobRule, OwnKnob};
pub use mistakes::Mistakes;

use crate::formats::FormatError;
use crate::text::Position;
use field::Field;
use knee_core::sourced::Sourced;
use knee_core::units::{Bytes, Seconds};
use knee_core::workload::Request;
use std::path::PathBuf;
use toml_edit::Document;

/// A value of knee.toml.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated<T> {
    /// The value.
    pub value: T,
    /// 1-based line.
    pub line: u32,
}

impl<T: Clone> Stated<T> {
    /// The value with its origin; `path` is knee.toml as the user would type it.
    pub fn sourced(&self, path: &str) -> Sourced<T> {
        Sourced::from_file(self.value.clone(), path, self.line)
    }
}

/// What knee.toml says. What it leaves out is None.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[service]`
    pub service: ServiceTable,
    /// `[task]`
    pub task: TaskTable,
    /// `[[request]]`, in order. Files of bodies are relative to knee.toml's folder.
    pub requests: Vec<Stated<Request>>,
    /// `[goal]`
    pub goal: GoalTable,
    /// `[knobs]` by the knob's name, in order.
    pub knobs: Vec<(String, Stated<KnobRule>)>,
    /// `[tune]`
    pub tune: TuneTable,
    /// `[[allow]]`, in order.
    pub allows: Vec<Stated<Allowed>>,
}

/// What the audit does not report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Name of the rule.
    pub rule: String,
    /// Where: a file, or a folder with everything below. None for everywhere.
    pub path: Option<String>,
    /// Why.
    pub because: String,
}

/// What starts the service and where it answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceTable {
    /// What starts it, in one line.
    pub command: Option<Stated<String>>,
    /// Path that answers 2xx when it is ready.
    pub ready: Option<Stated<String>>,
    /// The port that takes requests.
    pub port: Option<Stated<u16>>,
    /// The container that takes requests, where a task has several.
    pub container: Option<Stated<String>>,
    /// The folder that the command starts in.
    pub dir: Option<Stated<PathBuf>>,
    /// Names of variables that are taken from knee's own environment.
    pub env: Option<Stated<Vec<String>>>,
    /// A file of variables, relative to knee.toml's folder.
    pub env_file: Option<Stated<PathBuf>>,
}

/// The task that it runs in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskTable {
    /// vCPU.
    pub cpu: Option<Stated<f64>>,
    /// Memory limit.
    pub memory: Option<Stated<Bytes>>,
    /// Soft and hard limit of open files.
    pub nofile: Option<Stated<(u64, u64)>>,
}

/// What has to be held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GoalTable {
    /// The quantile in (0, 1), and the latency that it must not exceed.
    pub latency: Option<Stated<(f64, Seconds)>>,
    /// Highest share of requests that may fail, in [0, 1).
    pub errors: Option<Stated<f64>>,
    /// A load to carry, requests/s.
    pub rate: Option<Stated<f64>>,
}

/// How far the search goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TuneTable {
    /// Most trials, today's settings among them.
    pub trials: Option<Stated<usize>>,
    /// Share of the task's memory that has to stay free, in [0, 1).
    pub head_room: Option<Stated<f64>>,
    /// Makes the arrivals repeatable.
    pub seed: Option<Stated<u64>>,
}

impl Config {
    /// Reads the text of a knee.toml.
    ///
    /// # Errors
    /// All mistakes: an unknown key with the nearest known one, or a value that the key does not
    /// take, with what to write; of what is no TOML the first place alone.
    pub fn parse(text: &str) -> Result<Config, Mistakes> {
        let document = Document::parse(text).map_err(|error| FormatError {
            at: Position::of(text, error.span().map_or(0, |span| span.start)),
            problem: format!("is no TOML: {}", error.message().replace('\n', ", ")),
        })?;
        let mut config = Config::default();
        let fields = Field::root(text, document.as_table()).fields()?;
        Mistakes::none(fields.iter().map(|field| {
            let table = TABLES.iter().find(|table| table.name == field.name);
            let table = table.ok_or_else(|| field.unknown(TABLES.iter().map(|t| t.name)))?;
            (table.read)(&mut config, field)
        }))?;
        Ok(config)
    }
}

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
