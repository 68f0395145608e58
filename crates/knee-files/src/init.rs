//! `knee init`: a knee.toml that says all that was read, with the documentation of every key.
//!
//! What another file says stays commented out, so that it is said in one place. Values of header
//! fields are not written: they may be secrets.

use crate::config::{About, TABLES, Table};
use crate::discover::Discovery;
use crate::formats::word::quote;
use knee_core::runtimes;
use knee_core::service::{PlacedKnob, ServiceContainer};
use knee_core::settings::{Range, Site, Value};
use knee_core::sourced::Origin;
use knee_core::units::{Bytes, Seconds};
use knee_core::workload::{Body, Request};
use std::path::PathBuf;

/// Where comments are wrapped.
const WIDTH: usize = 96;

/// The text of a knee.toml for what was discovered. It is read back to the same meaning.
pub fn init(discovery: &Discovery) -> String {
    let mut page = Page(String::new());
    page.prose(
        "knee.toml: what knee cannot read elsewhere, and what you want to say otherwise. What \
         stands in your other files is commented out here, behind the place where it was read: \
         remove the mark to say it here instead.",
    );
    for missing in &discovery.missing {
        page.prose(&format!("NEEDED: {}; for example {}", missing.what, missing.example));
    }
    for table in &TABLES {
        page.0.push('\n');
        page.prose(table.doc);
        match table.name {
            "request" => page.requests(table, discovery),
            "knobs" => page.knobs(table, discovery),
            _ => page.table(table, discovery),
        }
    }
    page.0
}

/// A value as TOML, with its origin for people. None where nothing is known.
type Known = Option<(String, Origin)>;

struct Page(String);

impl Page {
    /// A comment, wrapped.
    fn prose(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
                self.0.push_str(&line);
                self.0.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.0.push_str(&line);
        self.0.push('\n');
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// A blank line between keys.
    fn gap(&mut self, at: usize) {
        if at > 0 {
            self.0.push('\n');
        }
    }

    fn table(&mut self, table: &Table, discovery: &Discovery) {
        self.line(table.header);
        for (at, about) in (table.keys)().into_iter().enumerate() {
            self.gap(at);
            let name = match (table.name, about.name) {
                ("goal", "p99") => key(&discovery.goal.value.quantile_name()),
                _ => about.name.into(),
            };
            self.prose(about.doc);
            match known(table.name, about.name, discovery) {
                Some((value, origin)) => self.value(&name, &value, &origin),
                None => self.line(&format!("#{name} = {}", about.example)),
            }
        }
        if table.name == "service" && discovery.service.containers.len() > 1 {
            self.containers(&discovery.service.containers);
        }
    }

    /// A key with its value and origin: commented out where it is said elsewhere.
    fn value(&mut self, name: &str, value: &str, origin: &Origin) {
        self.prose(&format!("({origin})"));
        let mark = if is_elsewhere(origin) { "#" } else { "" };
        self.line(&format!("{mark}{name} = {value}"));
    }

    /// A task of several containers has no one command that could be written down.
    fn containers(&mut self, containers: &[ServiceContainer]) {
        self.prose("The containers of the task:");
        for container in containers {
            let command = line_of(&container.command.value);
            self.prose(&format!("- {}: {command} ({})", container.name, container.command.origin));
        }
    }

    /// Every key for the first request, and what is said for the others.
    fn requests(&mut self, table: &Table, discovery: &Discovery) {
        let mark = if discovery.requests.is_empty() { "#" } else { "" };
        self.line(&format!("{mark}{}", table.header));
        for (at, about) in (table.keys)().into_iter().enumerate() {
            self.gap(at);
            self.prose(about.doc);
            match discovery.requests.first() {
                Some(request) => self.request_key(&about, request, true),
                None => self.line(&format!("#{} = {}", about.name, about.example)),
            }
        }
        for request in discovery.requests.iter().skip(1) {
            self.line(&format!("\n{}", table.header));
            for about in (table.keys)() {
                self.request_key(&about, request, false);
            }
        }
    }

    fn request_key(&mut self, about: &About, request: &Request, example: bool) {
        if about.name == "headers" && !request.headers.is_empty() {
            let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
            self.prose(&format!(
                "To be written by you, as they may be secrets: {}.",
                names.join(", ")
            ));
        }
        match request_value(about.name, request) {
            Some(value) => self.line(&format!("{} = {value}", about.name)),
            None if example => self.line(&format!("#{} = {}", about.name, about.example)),
            None => {}
        }
    }

    fn knobs(&mut self, table: &Table, discovery: &Discovery) {
        self.line(table.header);
        let knobs: Vec<_> =
            discovery.service.knobs().map(|(part, knob)| (part.runtime, knob)).collect();
        for (runtime, placed) in &knobs {
            if let Some(usual) = usual_range(runtime, placed) {
                let knob = &placed.knob;
                let today = format!("{}: {}. Today: {}", knob.name, knob.doc, placed.current);
                self.prose(&today);
                let mark = if usual == knob.range { "#" } else { "" };
                self.line(&format!("{mark}{} = {}", key(&knob.name), range(&knob.range)));
            }
        }
        let own: Vec<_> = knobs.iter().filter(|(r, k)| usual_range(r, k).is_none()).collect();
        if own.is_empty() {
            self.line("\n#[knobs.POOL_SIZE]");
            for about in (table.keys)() {
                self.prose(about.doc);
                self.line(&format!("#{} = {}", about.name, about.example));
            }
        }
        own.into_iter().for_each(|(_, placed)| self.own_knob(placed));
    }

    fn own_knob(&mut self, placed: &PlacedKnob) {
        let knob = &placed.knob;
        self.line(&format!("\n[knobs.{}]", key(&knob.name)));
        match knob.sites.first() {
            Some(Site::Environment { name }) => self.line(&format!("env = {}", text(name))),
            Some(Site::Flag { long, .. }) => self.line(&format!("flag = {}", text(long))),
            _ => {}
        }
        self.line(&format!("range = {}", text(&knob.range.to_string())));
        let default = match &placed.current.value {
            Value::Int(number) => number.to_string(),
            Value::Text(choice) => text(choice),
        };
        self.value("default", &default, &placed.current.origin);
        for (name, said) in [("unit", &knob.unit), ("doc", &knob.doc)] {
            if !said.trim().is_empty() {
                self.line(&format!("{name} = {}", text(said)));
            }
        }
    }
}

/// What was read for a key.
fn known(table: &str, key: &str, discovery: &Discovery) -> Known {
    let service = &discovery.service;
    let only = match service.containers.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let task = service.task.as_ref();
    let goal = &discovery.goal;
    Some(match (table, key) {
        ("service", "command") => {
            let command = &only?.command;
            (text(&line_of(&command.value)), command.origin.clone())
        }
        ("service", "dir") => {
            let container = only.filter(|c| !is_elsewhere(&c.command.origin))?;
            let dir = container.workdir.strip_prefix(&service.root).ok()?.to_str()?;
            (Some(dir).filter(|dir| !dir.is_empty()).map(text)?, container.command.origin.clone())
        }
        ("service", "ready") => {
            let ready = service.ready.as_ref()?;
            (text(&ready.value), ready.origin.clone())
        }
        ("service", "port") => {
            let port = service.port.as_ref()?;
            (port.value.to_string(), port.origin.clone())
        }
        ("task", "cpu") => (number(task?.value.cpu), task?.origin.clone()),
        ("task", "memory") => (text(&memory(task?.value.memory)), task?.origin.clone()),
        ("task", "nofile") => {
            let nofile = only?.nofile.as_ref()?;
            (format!("[{}, {}]", nofile.value.0, nofile.value.1), nofile.origin.clone())
        }
        ("goal", "p99") => (text(&millis(goal.value.latency)), goal.origin.clone()),
        ("goal", "errors") => (number(goal.value.errors), goal.origin.clone()),
        ("goal", "rate") => (number(goal.value.rate?), goal.origin.clone()),
        ("tune", "head_room") => {
            (number(discovery.head_room.value), discovery.head_room.origin.clone())
        }
        _ => return None,
    })
}

fn request_value(key: &str, request: &Request) -> Option<String> {
    let path = |path: &PathBuf| text(&path.to_string_lossy());
    match (key, &request.body) {
        ("path", _) => Some(text(&request.path)),
        ("method", _) => Some(text(&request.method)),
        ("weight", _) => Some(number(request.weight)),
        ("body", Body::Inline(bytes)) => Some(text(std::str::from_utf8(bytes).ok()?)),
        ("body_file", Body::Files(files)) if files.len() == 1 => Some(path(&files[0])),
        ("body_files", Body::Files(files)) if files.len() > 1 => {
            Some(format!("[{}]", files.iter().map(path).collect::<Vec<_>>().join(", ")))
        }
        _ => None,
    }
}

/// Whether a value holds without knee.toml, so that it should be said in one place only.
fn is_elsewhere(origin: &Origin) -> bool {
    match origin {
        Origin::File { path, .. } => !path.ends_with("knee.toml"),
        Origin::Flag { .. } | Origin::Assumed { .. } | Origin::Proposed => false,
        Origin::Environment { .. } | Origin::Default { .. } | Origin::Observed { .. } => true,
    }
}

/// The range that the runtime itself offers; None for a knob of the user's own.
fn usual_range(runtime: &str, placed: &PlacedKnob) -> Option<Range> {
    let knobs = runtimes::by_id(runtime).map(|runtime| (runtime.knobs)()).unwrap_or_default();
    knobs.into_iter().find(|knob| knob.name == placed.knob.name).map(|knob| knob.range)
}

fn range(range: &Range) -> String {
    match range {
        Range::Integers { min, max } if min == max => min.to_string(),
        range => text(&range.to_string()),
    }
}

/// A command as one line; what a shell is given is taken for its text.
fn line_of(argv: &[String]) -> String {
    match argv {
        [shell, flag, text] if shell == "/bin/sh" && flag == "-c" => text.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    }
}

fn memory(bytes: Bytes) -> String {
    if bytes.0.is_multiple_of(1 << 20) {
        format!("{}MiB", bytes.0 >> 20)
    } else {
        format!("{}B", bytes.0)
    }
}

/// To a millionth of a millisecond: what arithmetic adds beyond is not shown.
fn millis(latency: Seconds) -> String {
    format!("{}ms", (latency.as_millis() * 1e6).round() / 1e6)
}

/// A number as TOML, whose whole numbers end where those of 64 bits do.
fn number(number: f64) -> String {
    if number.abs() < 1e15 { number.to_string() } else { format!("{number:?}") }
}

/// A text as TOML.
fn text(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// A key as TOML.
fn key(name: &str) -> String {
    toml_edit::Key::new(name).to_string()
}

#[cfg(test)]
mod tests;
