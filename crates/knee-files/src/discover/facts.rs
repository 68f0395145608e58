//! What was read, for people: each fact with its origin, never a secret.

use super::container::Container;
use crate::blueprint::Blueprint;
use crate::hidden::without_values;
use crate::plan::LeftOut;
use crate::program::is_shell;
use crate::sources::Sources;
use knee_core::event::Fact;
use knee_core::goal::Goal;
use knee_core::runtimes;
use knee_core::sourced::{Origin, Sourced};
use knee_core::task::Task;
use knee_core::workload::Request;

/// What there is to tell of a service.
pub(super) struct Facts<'a> {
    pub sources: &'a Sources,
    pub containers: &'a [Container],
    /// The container that takes the requests.
    pub serving: &'a Blueprint,
    pub left_out: &'a [LeftOut],
    pub task: Option<&'a Sourced<Task>>,
    pub port: Option<&'a Sourced<u16>>,
    pub ready: Option<&'a Sourced<String>>,
    pub goal: &'a Sourced<Goal>,
    pub requests: &'a [Request],
    pub of_requests: Option<Origin>,
}

impl Facts<'_> {
    /// Everything, in the order in which one asks for it.
    pub fn all(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut tell = |what: &str, value: Sourced<String>| {
            facts.push(Fact { what: what.into(), value });
        };
        for container in self.containers.iter().filter(|c| !c.argv.is_empty()) {
            let what = self.of(container, "command");
            tell(
                &what,
                Sourced::new(command_line(&container.argv), container.blueprint.origin.clone()),
            );
            for part in &container.parts {
                let title = runtimes::by_id(part.runtime).map_or("an unknown program", |r| r.title);
                let because = |reason: String| format!("{title}: {reason}");
                tell("runtime", part.recognised.clone().map(because));
            }
        }
        let mut told: Vec<&Fact> = Vec::new();
        for fact in self.containers.iter().flat_map(|container| &container.facts) {
            if !told.contains(&fact) {
                tell(&fact.what, fact.value.clone());
                told.push(fact);
            }
        }
        if let Some(task) = self.task {
            tell("task", task.clone().map(|task| task.to_string()));
        }
        if let Some(port) = self.port {
            tell("port", port.clone().map(|port| port.to_string()));
        }
        if let Some(ready) = self.ready {
            tell("ready", ready.clone());
        }
        for container in self.containers {
            if let Some(limits) = super::size::nofile(self.sources, &container.blueprint) {
                let words = |(soft, hard): (u64, u64)| {
                    if soft == hard { soft.to_string() } else { format!("{soft}, at most {hard}") }
                };
                tell(&self.of(container, "open files"), limits.map(words));
            }
            if let Some(names) = variables(container) {
                tell(&self.of(container, "environment"), names);
            }
        }
        if let Some(origin) = &self.of_requests {
            let list: Vec<String> = self.requests.iter().map(request).collect();
            tell("requests", Sourced::new(list.join(", "), origin.clone()));
        }
        tell("goal", self.goal.clone().map(|goal| goal.to_string()));
        for left in self.left_out {
            let told = format!("container {}: {}", left.name, left.why);
            tell("left out", Sourced::from_file(told, left.path.display().to_string(), left.line));
        }
        for told in self.of_deployment() {
            tell("not read", told);
        }
        for path in &self.sources.other_tasks {
            let taken = self.sources.task.as_ref().map(|task| task.path.display().to_string());
            let because = format!("{} is taken", taken.unwrap_or_default());
            tell("not read", Sourced::assumed(path.display().to_string(), because));
        }
        facts
    }

    /// What deploys the serving container says that is not taken from there, and what could not be
    /// read of it.
    fn of_deployment(&self) -> Vec<Sourced<String>> {
        let mut told = self.sources.broken().to_vec();
        let Some(own) = self.sources.deployed(&self.serving.name) else { return told };
        let tool = own.tool;
        if let Some(origin) = own.computed_start() {
            let words = format!("a command that {tool} computes; name it: --command '…'");
            told.push(Sourced::new(words, origin.clone()));
        }
        let given = |name: &str| {
            let passed = self.serving.passed.iter().any(|passed| passed.value == name);
            passed || self.serving.value(name).is_some()
        };
        let open = own.computed.iter().map(String::as_str).filter(|name| !given(name));
        let open: Vec<&str> = open.collect();
        if !open.is_empty() {
            let names = open.join(", ");
            let words = format!("variables that {tool} computes, {names}: --env NAME gives one");
            told.push(Sourced::new(words, own.at.clone()));
        }
        let all = self.sources.all_deployed().iter();
        for other in all.filter(|other| other.name == own.name && !other.sized_as(own)) {
            let origin = other.cpu.as_ref().or(other.memory.as_ref()).map(|size| &size.origin);
            let words = format!("another size of the task that {} runs in", own.name);
            told.push(Sourced::new(words, origin.unwrap_or(&other.at).clone()));
        }
        told
    }

    /// A fact's name, with the container's where there are several.
    fn of(&self, container: &Container, what: &str) -> String {
        match self.containers.len() {
            1 => what.into(),
            _ => format!("{what} of {}", container.blueprint.name),
        }
    }
}

/// Names only: a value may be a secret.
fn variables(container: &Container) -> Option<Sourced<String>> {
    let variables = &container.blueprint.variables;
    let first = variables.first()?;
    let mut names: Vec<&str> = Vec::new();
    for variable in variables {
        if !names.contains(&variable.name.as_str()) {
            names.push(&variable.name);
        }
    }
    let path = first.path.display().to_string();
    Some(Sourced::from_file(names.join(", "), path, first.line))
}

fn request(request: &Request) -> String {
    let weight =
        if request.weight == 1.0 { String::new() } else { format!(" ×{}", request.weight) };
    format!("{} {}{weight}", request.method, request.path)
}

/// A command as one would type it, without the values that it assigns and without passwords in
/// addresses.
pub(crate) fn command_line(argv: &[String]) -> String {
    let words: Vec<String> = match argv {
        [shell, flag, text] if flag == "-c" && is_shell(shell) => vec![text.clone()],
        argv => argv.iter().map(|word| crate::formats::word::quote(word)).collect(),
    };
    without_values(&words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_shows_no_secret() {
        let argv = |words: &[&str]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        let told = command_line(&argv(&[
            "/bin/sh",
            "-c",
            "TOKEN=hunter2 gunicorn -w 4 --bind=0:80 app:app",
        ]));
        assert_eq!(told, "TOKEN=… gunicorn -w 4 --bind=0:80 app:app");
        let told = command_line(&argv(&["/usr/bin/supervisord", "-c", "/etc/s.conf"]));
        assert_eq!(told, "/usr/bin/supervisord -c /etc/s.conf");
        let told = command_line(&argv(&["server", "--db", "postgres://u:hunter2@db/x", "a b"]));
        assert_eq!(told, "server --db postgres://…@db/x 'a b'");
    }
}
