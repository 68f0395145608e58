//! Files that say one thing a line: settings of servers, variables, scripts.

use super::names::snake;
use super::{Said, is_amount, plain};
use crate::picture::{hidden_words, is_tuning};
use std::ops::Range;

/// A command without the values of variables that are set in it, nor passwords in addresses.
pub(super) fn hidden(command: &str) -> String {
    // A value in quotes is several words.
    let shown = knee_files::without_values(command);
    let words: Vec<String> = shown.split_whitespace().map(String::from).collect();
    hidden_words(&words)
}

/// Each line without blanks around it, with its bytes.
pub(super) fn rows(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let row = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        (row, start..start + row.len())
    })
}

/// Directives of nginx, settings of PHP-FPM, uWSGI and supervisord that bound what a server takes.
const DIRECTIVES: [(&str, &[&str]); 4] = [
    (
        "nginx",
        &[
            "listen",
            "keepalive_timeout",
            "keepalive_requests",
            "worker_processes",
            "worker_connections",
            "worker_rlimit_nofile",
            "fastcgi_read_timeout",
            "proxy_read_timeout",
            "uwsgi_read_timeout",
            "client_max_body_size",
        ],
    ),
    (
        "php_fpm",
        &[
            "pm",
            "pm.max_children",
            "pm.start_servers",
            "pm.min_spare_servers",
            "pm.max_spare_servers",
            "pm.max_requests",
            "listen",
            "listen.backlog",
            "request_terminate_timeout",
            "process_control_timeout",
        ],
    ),
    (
        "uwsgi",
        &[
            "http",
            "socket",
            "http-socket",
            "processes",
            "workers",
            "threads",
            "harakiri",
            "listen",
            "master",
            "max-requests",
            "http-timeout",
            "buffer-size",
        ],
    ),
    (
        "supervisor",
        &["stopwaitsecs", "stopsignal", "numprocs", "startretries", "startsecs", "autorestart"],
    ),
];

/// What a file of settings says, by what it is of.
pub(super) fn settings(text: &str) -> Vec<Said> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let of = match () {
        () if has(&["[program:"]) => "supervisor",
        () if has(&["[uwsgi]"]) => "uwsgi",
        () if has(&["pm.max_children", "\npm = "]) => "php_fpm",
        () if has(&["server {", "server{", "http {", "worker_connections"]) => "nginx",
        () => return Vec::new(),
    };
    let known = DIRECTIVES.iter().find(|(name, _)| *name == of).map_or(&[][..], |(_, known)| known);
    let mut said = Vec::new();
    for (row, range) in rows(text) {
        let split = match of {
            "nginx" => row
                .split('#')
                .next()
                .unwrap_or_default()
                .trim()
                .strip_suffix(';')
                .and_then(|row| row.split_once(' ')),
            _ => row.split_once('='),
        };
        let Some((name, value)) = split.map(|(name, value)| (name.trim(), value.trim())) else {
            continue;
        };
        if known.contains(&name) && !value.is_empty() {
            let name = name.strip_prefix("pm.").or(name.strip_prefix("listen.")).unwrap_or(name);
            let key = format!("{of}.{}", snake(name));
            said.push(Said { key, value: hidden(value), range });
        }
    }
    said
}

/// Variables that tune a runtime, in a file of variables.
pub(super) fn environment(text: &str) -> Vec<Said> {
    let assigned = rows(text).filter_map(|(row, range)| assigned(row, range));
    assigned.collect()
}

fn assigned(row: &str, range: Range<usize>) -> Option<Said> {
    let row = row.strip_prefix("export ").unwrap_or(row);
    let (name, value) = row.split_once('=')?;
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let value = value.trim().trim_matches(['"', '\'']);
    (name.chars().all(is_name) && is_tuning(name) && is_amount(value)).then(|| Said {
        key: format!("env.{name}"),
        value: value.into(),
        range,
    })
}

/// Programs that do nothing but serve, wherever a script starts them.
const ALWAYS: [&str; 7] =
    ["gunicorn", "uvicorn", "hypercorn", "uwsgi", "php-fpm", "apache2-foreground", "supervisord"];

/// What stands before a program and starts it.
const WRAPPERS: [&str; 9] = [
    "newrelic-admin",
    "run-program",
    "ddtrace-run",
    "opentelemetry-instrument",
    "poetry",
    "pipenv",
    "uv",
    "run",
    "tini",
];

/// Programs that serve when a script starts them last.
const SERVERS: [&str; 17] = [
    "gunicorn",
    "uvicorn",
    "hypercorn",
    "uwsgi",
    "celery",
    "node",
    "npm",
    "yarn",
    "pnpm",
    "php-fpm",
    "php",
    "nginx",
    "apache2-foreground",
    "supervisord",
    "python",
    "python3",
    "docker-php-entrypoint",
];

/// Options of the tools that deploy, and what they mean.
const OPTIONS: [(&str, &str); 6] = [
    ("--deployment-max-percent", "service.deployment_maximum_percent"),
    ("--deployment-min-healthy-percent", "service.deployment_minimum_percent"),
    ("--desired-count", "service.desired_count"),
    ("--health-check-grace-period", "service.health_check_grace"),
    ("--min-capacity", "service.minimum"),
    ("--max-capacity", "service.maximum"),
];

/// What a script starts in its own place, or last; variables that tune; what it deploys with.
pub(super) fn script(text: &str) -> Vec<Said> {
    let mut said = Vec::new();
    let written = |row: &str| !row.is_empty() && !row.starts_with('#');
    let last = rows(text).filter(|(row, _)| written(row)).last().map(|(_, range)| range.start);
    for (row, range) in rows(text).filter(|(row, _)| written(row)) {
        let command = row.strip_prefix("exec ");
        let first =
            row.split_whitespace().find(|word| !WRAPPERS.contains(word)).unwrap_or_default();
        let server = SERVERS.contains(&first) && last == Some(range.start);
        let only = ALWAYS.contains(&first);
        if let Some(command) = command.or((server || only).then_some(row)) {
            // `exec "$@"` starts what it is given, `exec 3>&1` nothing.
            if command.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.') {
                said.push(Said {
                    key: "entry".into(),
                    value: hidden(command),
                    range: range.clone(),
                });
            }
        }
        said.extend(assigned(row, range.clone()));
        let words: Vec<&str> = row.split([' ', '=']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let meant = OPTIONS.iter().find(|(option, _)| *option == pair[0]);
            if let Some((_, key)) = meant.filter(|_| is_amount(pair[1])) {
                said.push(Said { key: (*key).into(), value: plain(pair[1]), range: range.clone() });
            }
        }
    }
    said
}
