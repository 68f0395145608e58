//! What a Dockerfile says of its last stage, and files that say versions.

use super::lines::rows;
use super::{Said, is_amount, line};
use crate::picture::{hidden_words, is_tuning, version_said};
use knee_files::formats::dockerfile::{self, Dockerfile};

/// What a Dockerfile says itself, whatever a deployment makes of it.
pub(super) fn dockerfile(text: &str) -> Vec<Said> {
    let readable = dockerfile::readable(text);
    let Ok(parsed) = Dockerfile::parse(&readable) else { return Vec::new() };
    let image = parsed.image(None);
    let mut said = Vec::new();
    let mut add =
        |key: &str, value: String, range| said.push(Said { key: key.into(), value, range });
    for command in image.entrypoint.iter().chain(&image.cmd) {
        add("entry", hidden_words(&command.argv), line(text, command.line));
    }
    for (row, range) in rows(text).filter(|(row, _)| !row.starts_with('#')) {
        let port = row.strip_prefix("EXPOSE ").map(|ports| ports.trim().trim_end_matches("/tcp"));
        if let Some(port) = port.filter(|port| port.parse::<u16>().is_ok()) {
            add("container.port", port.into(), range.clone());
        }
        // What a RUN writes into a file of PHP's settings.
        if let Some((name, value)) = opcache(row) {
            add(&format!("opcache.{name}"), value.into(), range);
        }
    }
    if let Some((signal, range)) = image.stop_signal {
        add("container.stop_signal", signal, range);
    }
    for (name, entry) in image.env.iter().filter(|(name, _)| is_tuning(name)) {
        add(
            &format!("env.{name}"),
            knee_files::without_values(&entry.value),
            entry.word.range.clone(),
        );
    }
    if let Some((runtime, version)) = runtime(&image.base) {
        add(&format!("{runtime}.version"), version, image.from.clone());
    }
    add("container.image", image.base.clone(), image.from);
    said
}

/// `opcache.memory_consumption=256` somewhere in a line.
fn opcache(row: &str) -> Option<(&str, &str)> {
    let (_, rest) = row.split_once("opcache.")?;
    let (name, value) = rest.split_once('=')?;
    let name = name.trim();
    let value = value.trim().split(['\'', '"', ' ', ';', '\\']).next()?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    (is_name && !value.is_empty()).then_some((name, value))
}

/// The runtime and its version in the name of an image.
fn runtime(base: &str) -> Option<(&'static str, String)> {
    let named = [
        ("php", "php"),
        ("python", "python"),
        ("node", "node"),
        ("golang", "go"),
        ("nginx", "nginx"),
    ];
    let said = |image| version_said(base, image, |name| name == image);
    named.iter().find_map(|(image, runtime)| Some((*runtime, said(image)?)))
}

/// Packages whose version decides how requests are served.
const SERVERS: [&str; 14] = [
    "gunicorn",
    "uvicorn",
    "hypercorn",
    "uwsgi",
    "celery",
    "gevent",
    "eventlet",
    "django",
    "flask",
    "fastapi",
    "next",
    "express",
    "fastify",
    "pm2",
];

/// Versions that files of package managers pin.
pub(super) fn versions(name: &str, text: &str) -> Vec<Said> {
    let mut said = Vec::new();
    let mut at = 0;
    for row in text.split_inclusive('\n') {
        let found = match name {
            "go.mod" => row.strip_prefix("go ").map(|version| ("go", version.trim())),
            "package.json" => pinned(row, ':', &['"', ' ', '^', '~', ',']),
            ".nvmrc" | ".node-version" => Some(("node", row.trim().trim_start_matches('v'))),
            ".python-version" => Some(("python", row.trim())),
            _ if name.starts_with("requirements") && name.ends_with(".txt") => pinned(
                row.split(['#', ';', '\\']).next().unwrap_or_default(),
                '=',
                &['=', ' ', '"'],
            ),
            _ => return said,
        };
        let number = |version: &str| version.starts_with(|c: char| c.is_ascii_digit());
        if let Some((of, version)) = found.filter(|(_, version)| number(version)) {
            let range = at..at + row.trim_end().len();
            said.push(Said { key: format!("{of}.version"), value: version.into(), range });
        }
        at += row.len();
    }
    said
}

fn pinned<'a>(row: &'a str, between: char, around: &[char]) -> Option<(&'static str, &'a str)> {
    let (name, version) = row.trim().split_once(between)?;
    let name = name.trim_matches(around).split('[').next()?.to_ascii_lowercase();
    let version = version.trim().trim_matches(around);
    let dotted = version.contains('.') || is_amount(version);
    Some((SERVERS.into_iter().find(|server| *server == name)?, version)).filter(|_| dotted)
}
