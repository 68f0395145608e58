//! The last lines of a service's own output, without its secrets.

use knee_core::launch::Environment;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end of a log is read.
const TAIL: u64 = 32 << 10;
/// Longer lines are cut.
const WIDTH: usize = 400;

/// Lines for an error message; shown on lines of their own, or not at all when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(pub Vec<String>);

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; it wrote nothing");
        }
        f.write_str("; its last lines:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// The last `n` lines of a file, with the secrets of an environment replaced.
pub(super) fn tail(path: &Path, n: usize, env: &Environment) -> Tail {
    let text = read_end(path).unwrap_or_default();
    let secrets = secrets(env);
    let mut lines: Vec<_> = text
        .lines()
        .rev()
        .filter(|l| !l.trim().is_empty() && !is_inside(l))
        .take(n)
        .map(|l| shorten(&mask(l, &secrets)))
        .collect();
    lines.reverse();
    Tail(lines)
}

/// Whether a line is a place inside of Node.js itself: a dozen of them hide what went wrong.
fn is_inside(line: &str) -> bool {
    line.trim_start().starts_with("at ") && line.contains("node:internal/")
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Values that must not be shown: those under a telling name, and passwords inside URLs.
/// Shorter ones than six characters would mask ordinary words.
fn secrets(env: &Environment) -> Vec<String> {
    let telling = env.0.iter().filter(|(name, _)| looks_secret(name)).map(|(_, v)| v.clone());
    let in_urls = env.0.iter().filter_map(|(_, value)| url_password(value));
    let mut all: Vec<_> = telling.chain(in_urls).filter(|v| v.chars().count() >= 6).collect();
    // The longest first: a secret may contain another.
    all.sort_by_key(|v| std::cmp::Reverse(v.len()));
    all
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    [
        "SECRET",
        "PASS",
        "PWD",
        "TOKEN",
        "KEY",
        "CREDENTIAL",
        "AUTH",
        "DSN",
        "SALT",
        "PRIVATE",
        "CERT",
        "COOKIE",
    ]
    .iter()
    .any(|word| name.contains(word))
        && name != "PWD"
        && name != "OLDPWD"
}

/// `secret` of `postgres://user:secret@host/db`.
fn url_password(value: &str) -> Option<String> {
    let authority = value.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    Some(user.split_once(':')?.1.to_string())
}

fn mask(line: &str, secrets: &[String]) -> String {
    secrets.iter().fold(line.to_string(), |line, secret| line.replace(secret.as_str(), "***"))
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let mut env = Environment::default();
        for (name, value) in [
            ("DB_PASSWORD", "hunter22"),
            ("API_TOKEN", "hunter22-and-more"),
            ("SHORT_KEY", "abc"),
            ("DATABASE", "postgres://app:s3cr3t!!@db:5432/x"),
            ("GREETING", "hello world"),
            ("PWD", "/srv/app"),
        ] {
            env.set(name, value);
        }
        env
    }

    #[test]
    fn secrets_are_masked_and_ordinary_words_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text = "one\n\nhunter22-and-more\nhunter22 abc hello world\ndsn postgres://app:s3cr3t!!@db /srv/app\n";
        std::fs::write(&path, text).unwrap();
        let lines = tail(&path, 3, &environment()).0;
        assert_eq!(lines, ["***", "*** abc hello world", "dsn postgres://app:***@db /srv/app"]);
    }

    #[test]
    fn places_inside_of_node_do_not_hide_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let inside = "    at Module._load (node:internal/modules/cjs/loader:1104:12)\n".repeat(20);
        let own = "    at Object.<anonymous> (/srv/server.js:1:9)";
        std::fs::write(&path, format!("Error: Cannot find module 'express'\n{inside}{own}\n"))
            .unwrap();
        let lines = tail(&path, 12, &Environment::default()).0;
        assert_eq!(lines, ["Error: Cannot find module 'express'", own]);
    }

    #[test]
    fn a_long_log_is_read_from_its_end_and_lines_are_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, format!("{}\n{}\nlast", "x".repeat(100_000), "é".repeat(500)))
            .unwrap();
        let lines = tail(&path, 2, &Environment::default()).0;
        assert_eq!(
            (lines.len(), lines[0].chars().count(), lines[1].as_str()),
            (2, WIDTH + 1, "last")
        );
        assert_eq!(tail(&dir.path().join("absent"), 2, &Environment::default()), Tail::default());
    }
}
