//! `knee init`: a knee.toml that says all that was read, with the documentation of every key.
//!
//! What another file says stays commented out, so that it is said in one place. What may be a
//! secret (values of header fields, assignments in a command) is not written, except where
//! knee.toml itself holds it: a variable that a command assigns is named in `env`, and its value is
//! for knee's own environment.

mod spoken;

use crate::config::{About, Allowed, KnobRule, OwnKnob, Stated, TABLES, Table};
use crate::discover::{Discovery, command_line};
use crate::error::FilesError;
use crate::formats::word::quote;
use crate::sources::CONFIG;
use knee_core::service::ServiceContainer;
use knee_core::settings::{Site, Value};
use knee_core::sourced::Origin;
use knee_core::units::{Bytes, Seconds};
use knee_core::workload::{Body, Request};
use std::path::{Path, PathBuf};

/// Where comments are wrapped.
const WIDTH: usize = 96;

/// The text of a knee.toml for what was discovered. It is read back to the same meaning.
///
/// # Errors
/// A command of knee's own command line with a value in it that may be a secret and cannot be
/// left out.
pub fn init(discovery: &Discovery) -> Result<String, FilesError> {
    let discovery = &spoken::without_values(discovery)?;
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
            "allow" => page.allows(table, &discovery.stated.allows),
            _ => page.table(table, discovery),
        }
    }
    Ok(page.0)
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

    /// What is allowed already; else an example, commented out.
    fn allows(&mut self, table: &Table, stated: &[Stated<Allowed>]) {
        for Stated { value, .. } in stated {
            self.line(table.header);
            self.line(&format!("rule = {}", text(&value.rule)));
            if let Some(path) = &value.path {
                self.line(&format!("path = {}", text(path)));
            }
            self.line(&format!("because = {}", text(&value.because)));
        }
        self.line(&format!("#{}", table.header));
        for (at, about) in (table.keys)().into_iter().enumerate() {
            self.gap(at);
            self.prose(about.doc);
            self.line(&format!("#{} = {}", about.name, about.example));
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
            let command = command_line(&container.command.value);
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
                Some(request) => self.request_key(&about, request, discovery),
                None => self.line(&format!("#{} = {}", about.name, about.example)),
            }
        }
        for request in discovery.requests.iter().skip(1) {
            self.line(&format!("\n{}", table.header));
            for about in (table.keys)() {
                self.request_key(&about, request, discovery);
            }
        }
    }

    fn request_key(&mut self, about: &About, request: &Request, discovery: &Discovery) {
        // As knee.toml has them: what is sent has the values of variables in it.
        let at = discovery.requests.iter().position(|sent| std::ptr::eq(sent, request));
        let stated = at.and_then(|at| discovery.stated.requests.get(at)).map(|r| &r.value);
        let names = |r: &Request| r.headers.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        let stated = stated.filter(|r| r.path == request.path && names(r) == names(request));
        let value = match about.name {
            "headers" if request.headers.is_empty() => None,
            "headers" if stated.is_some() => stated.map(headers),
            "headers" => {
                let names: Vec<&str> = request.headers.iter().map(|(n, _)| n.as_str()).collect();
                let names = names.join(", ");
                self.prose(&format!("To be written by you, as they may be secrets: {names}."));
                None
            }
            name => request_value(name, request, &discovery.service.root),
        };
        let first = discovery.requests.first().is_some_and(|first| std::ptr::eq(first, request));
        match value {
            Some(value) => self.line(&format!("{} = {value}", about.name)),
            None if first => self.line(&format!("#{} = {}", about.name, about.example)),
            None => {}
        }
    }

    /// Every knob with what knee.toml says of it, else with its range as a comment.
    fn knobs(&mut self, table: &Table, discovery: &Discovery) {
        self.line(table.header);
        let rules = &discovery.stated.knobs;
        let rule = |name: &str| rules.iter().find(|(n, _)| n == name).map(|(_, rule)| &rule.value);
        for (_, placed) in discovery.service.knobs() {
            let (knob, name) = (&placed.knob, key(&placed.knob.name));
            let said = match rule(&knob.name) {
                Some(KnobRule::Own(_)) => continue,
                Some(KnobRule::Within(range)) => format!("{name} = {}", text(&range.to_string())),
                Some(KnobRule::Fixed(fixed)) => format!("{name} = {}", value(fixed)),
                Some(KnobRule::Kept) => format!("{name} = false"),
                None => format!("#{name} = {}", text(&knob.range.to_string())),
            };
            self.prose(&format!("{}: {}. Today: {}", knob.name, knob.doc, placed.current));
            self.line(&said);
        }
        let own = rules.iter().filter_map(|(_, rule)| match &rule.value {
            KnobRule::Own(own) => Some(own),
            _ => None,
        });
        let before = self.0.len();
        own.for_each(|own| self.own_knob(own));
        if self.0.len() == before {
            self.line("\n#[knobs.POOL_SIZE]");
            for about in (table.keys)() {
                self.prose(about.doc);
                self.line(&format!("#{} = {}", about.name, about.example));
            }
        }
    }

    fn own_knob(&mut self, own: &OwnKnob) {
        let knob = &own.knob;
        self.line(&format!("\n[knobs.{}]", key(&knob.name)));
        match knob.sites.first() {
            Some(Site::Environment { name }) => self.line(&format!("env = {}", text(name))),
            Some(Site::Flag { long, .. }) => self.line(&format!("flag = {}", text(long))),
            _ => {}
        }
        self.line(&format!("range = {}", text(&knob.range.to_string())));
        if let Some(default) = &own.default {
            self.line(&format!("default = {}", value(default)));
        }
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
    let serving = service.containers.get(service.serving);
    let task = service.task.as_ref();
    let goal = &discovery.goal;
    let stated = &discovery.stated;
    Some(match (table, key) {
        ("service", "command") => {
            let command = serving.map(|c| &c.command).filter(|c| !c.value.is_empty())?;
            let shown = if is_elsewhere(&command.origin) { command_line } else { line_of };
            (text(&shown(&command.value)), command.origin.clone())
        }
        ("service", "container") => container(discovery)?,
        ("service", "dir") => {
            let dir = stated.service.dir.as_ref()?;
            (text(&dir.value.to_string_lossy()), here(dir))
        }
        ("service", "env") => {
            let first = discovery.env.first()?;
            let names: Vec<String> = discovery.env.iter().map(|name| text(&name.value)).collect();
            (format!("[{}]", names.join(", ")), first.origin.clone())
        }
        ("service", "env_file") => {
            let file = discovery.env_file.as_ref()?;
            (text(&file.value.to_string_lossy()), file.origin.clone())
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
            let nofile = serving?.nofile.as_ref()?;
            (format!("[{}, {}]", nofile.value.0, nofile.value.1), nofile.origin.clone())
        }
        ("goal", "p99") => (text(&millis(goal.value.latency)), goal.origin.clone()),
        ("goal", "errors") => (number(goal.value.errors), goal.origin.clone()),
        ("goal", "rate") => (number(goal.value.rate?), goal.origin.clone()),
        ("tune", "head_room") => {
            (number(discovery.head_room.value), discovery.head_room.origin.clone())
        }
        ("tune", "trials") => {
            let trials = stated.tune.trials.as_ref()?;
            (trials.value.to_string(), here(trials))
        }
        ("tune", "seed") => {
            let seed = stated.tune.seed.as_ref()?;
            (seed.value.to_string(), here(seed))
        }
        _ => return None,
    })
}

/// The container that takes the requests, where that is a choice.
fn container(discovery: &Discovery) -> Known {
    if let Some(stated) = &discovery.stated.service.container {
        return Some((text(&stated.value), here(stated)));
    }
    let service = &discovery.service;
    let serving =
        service.containers.get(service.serving).filter(|_| service.containers.len() > 1)?;
    let because = "of the task's containers this one takes the requests".into();
    Some((text(&serving.name), Origin::Assumed { because }))
}

/// The origin of what knee.toml itself says.
fn here<T>(stated: &Stated<T>) -> Origin {
    Origin::File { path: CONFIG.into(), line: stated.line }
}

fn headers(request: &Request) -> String {
    let fields =
        request.headers.iter().map(|(name, value)| format!("{} = {}", key(name), text(value)));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
}

fn request_value(key: &str, request: &Request, root: &Path) -> Option<String> {
    let path = |path: &PathBuf| text(&path.strip_prefix(root).unwrap_or(path).to_string_lossy());
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
        Origin::File { path, .. } => path != CONFIG,
        Origin::Flag { .. } | Origin::Assumed { .. } | Origin::Proposed => false,
        Origin::Environment { .. } | Origin::Default { .. } | Origin::Observed { .. } => true,
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(choice) => text(choice),
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
