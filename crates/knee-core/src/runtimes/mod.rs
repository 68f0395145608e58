//! The runtimes: one folder each, pure knowledge. It teaches every verb at once.
//!
//! To add one: a folder here with a `pub static RUNTIME: Runtime`, its line in [`all`], and a
//! folder in `examples/`. The contract suite runs over every entry.

mod celery;
#[cfg(test)]
mod contract;
pub mod figure;
mod go;
mod gunicorn;
mod hypercorn;
mod nginx;
mod node;
mod octane;
mod php_fpm;
mod pm2;
mod room;
mod uvicorn;

pub use go::GO_PPROF;
pub use room::{Needs, Room};

use crate::launch::Answer;
use crate::model::Network;
use crate::observe::{Stall, Usage};
use crate::settings::{Effect, Knob, Range, Settings, Site, Value};
use figure::Figure;

/// A runtime is knowledge, not behaviour: statics and pure functions.
pub struct Runtime {
    /// Short, stable: `php-fpm`, `gunicorn`, `uvicorn`, `hypercorn`, `node`, `go`, `nginx`.
    pub id: &'static str,
    /// As its makers write it.
    pub title: &'static str,
    /// Whether it stands in front of what serves: its model counts only where nothing that is
    /// known stands behind it.
    pub front: bool,
    /// Whether it works off a queue and takes no requests.
    pub queue: bool,
    /// Whether a command starts it; the reason for people if so.
    pub recognise: fn(&Evidence) -> Option<String>,
    /// What may be turned.
    pub knobs: fn() -> Vec<Knob>,
    /// What a knob is when nothing sets it.
    pub default: fn(knob: &str, &Surroundings) -> Option<Value>,
    /// Settings that follow from others or exclude each other, made consistent
    /// (spare servers within max_children; threads only with gthread).
    pub settle: fn(&Settings) -> Settings,
    /// Whether settings can run what today's run (a WSGI application under a WSGI worker).
    pub suits: fn(today: &Settings, settings: &Settings) -> bool,
    /// The settings as a network of stations; None where no model is known (a foreign worker class).
    pub model: fn(&Settings, &Surroundings) -> Option<Network>,
    /// What its collector was seen to do on so many lanes at low load; None where there is none that
    /// settings pace, or where it takes too little to be worth a model.
    pub heap: fn(&Usage, lanes: f64) -> Option<Heap>,
    /// What other settings of its memory cost, where a collector trades memory for CPU.
    pub collect: fn(today: &Settings, then: &Settings, Heap) -> Cost,
    /// What was left open, for a container of that size, by rules that are stated and rest on no
    /// measurement: conservative ones. Nothing that is set is chosen again.
    pub choose: fn(set: &Settings, &Room) -> Vec<Choice>,
    /// Signal that stops it gracefully, as a number.
    pub stop: i32,
    /// Signal that makes it read its configuration again, if there is one.
    pub reload: Option<i32>,
    /// Signal at which one of its workers finishes its request and ends, and the first process starts
    /// another in its place; None where a worker would lose its request, or nobody replaces it.
    pub recycle: Option<i32>,
    /// What is added at its start so that it says how it is doing, and where it says so.
    pub inject: fn() -> Option<Injection>,
    /// Decodes one answer of its status.
    pub decode: fn(&[u8]) -> Result<Vec<Figure>, DecodeError>,
    /// The longest stall of late that the same answer tells of, where there is an event loop.
    pub stall: fn(&[u8]) -> Option<Stall>,
    /// How its configuration file is found, if it reads one.
    pub config: Option<ConfigFile>,
    /// A knob's value where it is written otherwise than as the bare number or choice
    /// (`auto`, `1GiB`).
    pub read: fn(knob: &str, text: &str, &Surroundings) -> Option<Value>,
    /// A knob's value as it is written at its site.
    pub write: fn(knob: &str, &Value) -> String,
    /// Knobs that are variables which only the program itself may read: without it they do nothing.
    pub asked: &'static [&'static str],
    /// What a knob needs beside other directives of the same configuration to act at all.
    pub along: &'static [Along],
    /// Words right behind the program that say what it is to do: its options belong behind them.
    pub subcommands: &'static [&'static str],
    /// Names of unix sockets by which it is managed: nobody is served there.
    pub managed_at: &'static [&'static str],
}

/// How a runtime's configuration file is found.
pub struct ConfigFile {
    /// The option that names it, long and short form, if there is one.
    pub flag: Option<(&'static str, Option<&'static str>)>,
    /// Where it stands without that option, by the program and its arguments: the first that is
    /// there. A relative path is below the working folder.
    pub default: fn(argv: &[String]) -> Vec<String>,
}

/// A directive that has to stand where another does, for a knob to act.
pub struct Along {
    /// The knob.
    pub knob: &'static str,
    /// The directive beside which it has to stand.
    pub beside: &'static str,
    /// What has to stand there: name and arguments.
    pub directive: &'static [&'static str],
}

/// What a runtime is recognised by: one command and what the folder holds.
pub struct Evidence<'a> {
    /// Program and arguments, a shell's `-c` text already split.
    pub argv: &'a [String],
    /// The file name of the program, without its folder.
    pub program: &'a str,
    /// Text of a file below the service's root, for example `package.json`, `go.mod`.
    pub file: &'a dyn Fn(&str) -> Option<String>,
}

/// What a runtime sees around it, and what it should have seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surroundings {
    /// CPUs that the process sees: the host's, on ECS.
    pub visible_cpus: u32,
    /// vCPU of the task.
    pub task_cpu: f64,
    /// Memory of the task, bytes.
    pub task_memory: u64,
}

/// A value for a knob that was left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The knob.
    pub knob: &'static str,
    /// Its value.
    pub value: Value,
    /// The rule, in words.
    pub because: String,
}

/// A collected heap under today's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heap {
    /// The collector's share of the program's CPU, in [0, 1].
    pub collector: f64,
    /// What is alive after a collection, bytes.
    pub live: f64,
    /// CPU of one collection, seconds; 0 where it is not known.
    pub cycle: f64,
    /// Bytes allocated per second while this was seen; 0 where it is not known.
    pub allocated: f64,
}

/// What settings cost compared with today's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// CPU of a request over today's.
    pub cpu: f64,
    /// Memory more than today, bytes; negative for less.
    pub memory: f64,
}

impl Default for Cost {
    /// As today.
    fn default() -> Self {
        Cost { cpu: 1.0, memory: 0.0 }
    }
}

/// What a runtime is given at its start so that it tells of itself. Never a user's setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Settings at their sites, each with its value; added to what a list-like environment
    /// variable already holds.
    pub entries: Vec<(Site, String)>,
    /// A directive of its configuration that says where its log goes: to standard error, where it
    /// is heard, in every place that names a file.
    pub log: Option<&'static str>,
    /// Files that it needs, by absolute path as the service sees them.
    pub files: Vec<(&'static str, &'static str)>,
    /// Where it then answers.
    pub answers: Vec<Told>,
}

/// Where a runtime tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A page over FastCGI.
    FastCgi {
        /// The socket, as the service sees it.
        listen: &'static str,
        /// The page.
        page: &'static str,
    },
    /// A script over FastCGI, among the injected files.
    Script {
        /// The socket, as the service sees it.
        listen: &'static str,
        /// The script.
        script: &'static str,
    },
    /// A file per process in this folder.
    Folder(&'static str),
    /// Lines on standard error.
    Stderr,
}

impl Told {
    /// Where the runtime in a launch's container of that index answers.
    pub fn in_container(self, container: usize) -> Answer {
        match self {
            Told::FastCgi { listen, page } => {
                Answer::FastCgi { listen: listen.into(), page: page.into() }
            }
            Told::Script { listen, script } => {
                Answer::Script { listen: listen.into(), script: script.into() }
            }
            Told::Folder(path) => Answer::Folder(path.into()),
            Told::Stderr => Answer::Stderr(container),
        }
    }
}

/// A status that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{runtime} status: {problem}")]
pub struct DecodeError {
    /// The runtime's id.
    pub runtime: &'static str,
    /// What is wrong with the text.
    pub problem: String,
}

/// Every runtime, in the order in which recognition is tried.
pub fn all() -> &'static [&'static Runtime] {
    static ALL: [&Runtime; 8] = [
        &gunicorn::RUNTIME,
        &uvicorn::RUNTIME,
        &hypercorn::RUNTIME,
        &php_fpm::RUNTIME,
        &node::RUNTIME,
        &pm2::RUNTIME,
        &nginx::RUNTIME,
        &go::RUNTIME,
    ];
    &ALL
}

/// What the entrypoint knows beside [`all`]: it sizes these, and no laboratory has measured them, so
/// that no other verb takes them for a service. `knee plan` forecasts them from what is stated.
pub fn started() -> impl Iterator<Item = &'static Runtime> {
    static MORE: [&Runtime; 2] = [&celery::RUNTIME, &octane::RUNTIME];
    MORE.iter().chain(all()).copied()
}

/// The runtime of that id.
pub fn by_id(id: &str) -> Option<&'static Runtime> {
    started().find(|r| r.id == id)
}

/// Whether a runtime starts the application anew for each request: PHP-FPM does, and what keeps it
/// in memory (Octane) pays for it once for each process.
pub fn starts_for_each_request(runtime: &str) -> bool {
    runtime == php_fpm::RUNTIME.id
}

/// No value is written in a way of its own.
fn plain(_: &str, _: &str, _: &Surroundings) -> Option<Value> {
    None
}

/// As the bare number or choice.
fn bare(_: &str, value: &Value) -> String {
    value.to_string()
}

/// No memory to be traded for CPU.
fn same(_: &Settings, _: &Settings, _: Heap) -> Cost {
    Cost::default()
}

/// No collector that settings pace.
fn uncollected(_: &Usage, _: f64) -> Option<Heap> {
    None
}

/// No answer to decode.
fn silent(_: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    Ok(vec![])
}

/// The number of a member of a flat JSON object.
fn member(text: &str, key: &str) -> Option<f64> {
    let after = |(at, _): (usize, &str)| text[at..].strip_prefix(key)?.strip_prefix('"');
    let rest =
        text.match_indices(key).filter(|(at, _)| text[..*at].ends_with('"')).find_map(after)?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    rest[..end].trim().parse().ok().filter(|n: &f64| n.is_finite())
}

/// The words of a member of a flat JSON object; None where they hold an escape.
fn words<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{key}\":\""))?;
    rest.split('"').next().filter(|words| !words.contains('\\'))
}

/// A range of whole numbers.
const fn from_to(min: i64, max: i64) -> Range {
    Range::Integers { min, max }
}

/// The queue of a listening socket, as a server's own option sets it.
fn backlog(sites: Vec<Site>) -> Knob {
    Knob {
        name: "backlog".into(),
        doc: "connections that wait to be accepted; the kernel caps it at somaxconn".into(),
        unit: "connections".into(),
        range: from_to(64, 4096),
        sites,
        effect: Effect::Limit,
    }
}

/// The file name of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a program is this one, perhaps with a version behind it: `python3.11`, `php-fpm8.2`.
fn is(program: &str, name: &str) -> bool {
    base(program)
        .strip_prefix(name)
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-'))
}
