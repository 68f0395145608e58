//! The port that takes requests, and the path that tells when the service is ready.

use super::Overrides;
use crate::blueprint::Blueprint;
use crate::formats::expand::expand;
use crate::formats::nginx::Nginx;
use crate::formats::{Entry, python};
use crate::located::Located;
use crate::sources::{CONFIG, Sources};
use knee_core::sourced::{Origin, Sourced};

/// Options by which programs are told where to listen.
const OPTIONS: [(&str, Option<&str>); 4] =
    [("--bind", Some("-b")), ("--port", Some("-p")), ("--listen", Some("-l")), ("--addr", None)];

/// The port that takes requests; `env` is the container's environment.
pub(super) fn port(
    sources: &Sources,
    container: &Blueprint,
    programs: &[Located],
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Sourced<u16>> {
    if let Some(port) = overrides.port {
        return Some(Sourced::new(port, Origin::Flag { name: "--port".into() }));
    }
    let config = sources.config.as_ref().and_then(|c| c.parsed.service.port.as_ref());
    if let Some(stated) = config {
        return Some(stated.sourced(CONFIG));
    }
    let sourced = |(port, line): (u16, u32), path: &std::path::Path| {
        Sourced::from_file(port, path.display().to_string(), line)
    };
    if let (Some(task), Some(index)) = (&sources.task, container.definition) {
        let stated = task.parsed.containers[index].port;
        if let Some(stated) = stated.filter(|(port, _)| *port > 0) {
            return Some(sourced(stated, &task.path));
        }
    } else if let (Some(file), Some(index)) = (&sources.compose, container.service)
        && let Some(stated) = file.parsed[index].port
    {
        return Some(sourced(stated, &file.path));
    }
    let deployed = sources.deployed(&container.name);
    if let Some(port) = deployed.and_then(|deployed| deployed.port.clone()) {
        return Some(port);
    }
    if let Some(port) = programs.iter().find_map(|program| of_program(program, container, env)) {
        return Some(port);
    }
    if let Some(built) = &container.built
        && let Some(stated) = built.image.expose
    {
        return Some(sourced(stated, &built.path));
    }
    let variable = container.variables.iter().find(|variable| variable.name == "PORT")?;
    let path = variable.path.display().to_string();
    Some(Sourced::from_file(variable.value.parse().ok()?, path, variable.line))
}

/// Where a program is told to listen: by nginx's `listen`, an option, or gunicorn's file.
fn of_program(
    program: &Located,
    container: &Blueprint,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Sourced<u16>> {
    let id = program.runtime.map_or("", |runtime| runtime.id);
    for file in program.config.iter().filter(|_| id == "nginx") {
        let nginx = Nginx::parse(&file.seen.text, &file.top).ok()?;
        let listens = nginx.anywhere("listen").filter_map(|d| Some((d.args.first()?, d.line)));
        let mut ports = listens.filter_map(|(word, line)| Some((address_port(&word.text)?, line)));
        if let Some((port, line)) = ports.next() {
            return Some(Sourced::from_file(port, file.seen.shown(), line));
        }
    }
    if matches!(id, "nginx" | "php-fpm") {
        return None;
    }
    for (long, short) in OPTIONS {
        if let Some((_, found)) = program.flag(long, short)
            && let Some(port) = address_port(&expand(&found.value, env))
        {
            return Some(Sourced::new(port, container.origin.clone()));
        }
    }
    let file = program.config.first().filter(|_| id == "gunicorn")?;
    let Entry { value, line, .. } = python::find(&file.seen.text, "bind")?;
    Some(Sourced::from_file(address_port(&value)?, file.seen.shown(), line))
}

/// The port of `8000`, `:8000`, `0.0.0.0:8000`, `[::]:8000`, `tcp://0.0.0.0:8000`.
fn address_port(text: &str) -> Option<u16> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    if text.starts_with("unix:") || text.starts_with("fd:") {
        return None;
    }
    let digits = text.rsplit(':').next()?;
    digits.parse().ok().filter(|port| *port > 0)
}

/// The path that answers 2xx when the service is ready.
pub(super) fn ready(
    sources: &Sources,
    container: &Blueprint,
    port: Option<u16>,
    overrides: &Overrides,
) -> Option<Sourced<String>> {
    if let Some(path) = &overrides.ready {
        return Some(Sourced::new(path.clone(), Origin::Flag { name: "--ready".into() }));
    }
    let config = sources.config.as_ref().and_then(|c| c.parsed.service.ready.as_ref());
    if let Some(stated) = config {
        return Some(stated.sourced(CONFIG));
    }
    let mut checks = Vec::new();
    if let (Some(task), Some(index)) = (&sources.task, container.definition) {
        checks.extend(task.parsed.containers[index].health.as_ref().map(|h| (h, &task.path)));
    } else if let (Some(file), Some(index)) = (&sources.compose, container.service) {
        checks.extend(file.parsed[index].health.as_ref().map(|h| (h, &file.path)));
    }
    if let Some(built) = &container.built {
        checks.extend(built.image.health.as_ref().map(|h| (h, &built.path)));
    }
    let deployed = sources.deployed(&container.name).and_then(|deployed| deployed.health.as_ref());
    let path = deployed
        .and_then(|check| Some(Sourced::new(url_path(&check.value, port)?, check.origin.clone())));
    if path.is_some() {
        return path;
    }
    checks.into_iter().find_map(|((command, line), path)| {
        let asked = url_path(command, port)?;
        Some(Sourced::from_file(asked, path.display().to_string(), *line))
    })
}

/// The path of the first URL in a health check's command that is about this port.
fn url_path(command: &str, port: Option<u16>) -> Option<String> {
    let (_, rest) = command.split_once("http://")?;
    let end = rest.find(|c: char| c.is_whitespace() || "\"'|;)<>`\\".contains(c));
    let url = &rest[..end.unwrap_or(rest.len())];
    let (host, path) = url.find('/').map_or((url, ""), |at| url.split_at(at));
    let asked = match host.rsplit_once(':') {
        Some((_, digits)) => digits.parse::<u16>().ok(),
        None => Some(80),
    };
    // A port that is a variable is this one.
    let same = asked.is_none() || port.is_none() || asked == port;
    let path = if path.is_empty() { "/" } else { path };
    (same && !path.contains('$')).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_ports() {
        for (text, port) in [
            ("8000", Some(8000)),
            (":8000", Some(8000)),
            ("0.0.0.0:8000", Some(8000)),
            ("[::]:80", Some(80)),
            ("tcp://localhost:81", Some(81)),
            ("unix:/run/x.sock", None),
            ("unix:/run/x.sock:80", None),
            ("localhost", None),
            ("0.0.0.0:0", None),
            ("0.0.0.0:", None),
        ] {
            assert_eq!(address_port(text), port, "{text}");
        }
    }

    #[test]
    fn a_health_check_names_a_path() {
        for (command, path) in [
            ("CMD-SHELL curl -f http://localhost:8080/health || exit 1", Some("/health")),
            ("CMD wget -q -O- 'http://127.0.0.1:8080/up?x=1'", Some("/up?x=1")),
            ("CMD-SHELL curl http://localhost:${PORT}/ready", Some("/ready")),
            ("CMD curl http://localhost:8080", Some("/")),
            ("CMD curl http://localhost:9000/x", None),
            ("CMD curl http://localhost/x", None),
            ("CMD-SHELL pg_isready", None),
        ] {
            assert_eq!(url_path(command, Some(8080)).as_deref(), path, "{command}");
        }
        assert_eq!(url_path("curl http://localhost/x", None).as_deref(), Some("/x"));
    }
}
