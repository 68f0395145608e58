//! Files as they may be shown: what environment variables are set to is left out, as it may be a
//! secret, unless that is what changes.

use crate::formats::dockerfile::Dockerfile;
use crate::formats::word::{Inner, Word};
use crate::formats::{Entry, compose, shell, task_definition};
use std::ops::Range;
use std::path::Path;

/// Both states of a file without the values that are the same in both.
pub(crate) fn shown(path: &Path, before: &str, after: &str) -> (String, String) {
    let (old, new) = (values(path, before), values(path, after));
    let known = |others: &[Value], value: &Value| {
        others.iter().any(|other| other.name == value.name && other.text == value.text)
    };
    let hide = |text: &str, values: &[Value], others: &[Value]| {
        let mut ranges: Vec<Range<usize>> = values
            .iter()
            .filter(|value| value.is_literal() && known(others, value))
            .map(|value| value.range.clone())
            .collect();
        ranges.sort_by_key(|range| std::cmp::Reverse(range.start));
        ranges.dedup();
        ranges.into_iter().fold(text.to_string(), |mut text, range| {
            text.replace_range(range, "…");
            text
        })
    };
    (hide(before, &old, &new), hide(after, &new, &old))
}

/// A value in a file.
struct Value {
    name: String,
    text: String,
    /// The bytes that say it, without quotes where that is simple.
    range: Range<usize>,
}

impl Value {
    /// `${N:-4}` names another variable and is no secret itself.
    fn is_literal(&self) -> bool {
        !self.text.is_empty() && !self.text.starts_with('$')
    }

    fn of(file: &str, name: &str, text: &str, word: &Word) -> Value {
        let raw = &file[word.range.clone()];
        let range = match raw.find(text) {
            Some(at) => word.range.start + at..word.range.start + at + text.len(),
            None => word.range.clone(),
        };
        Value { name: name.into(), text: text.into(), range }
    }
}

fn values(path: &Path, text: &str) -> Vec<Value> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let entry = |(name, entry): &(String, Entry)| Value::of(text, name, &entry.value, &entry.word);
    let is_json = name.split('.').skip(1).any(|part| part == "json");
    if is_json {
        let task = task_definition::parse(text).unwrap_or_default();
        return task.containers.iter().flat_map(|c| &c.env).map(entry).collect();
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        let services = compose::parse(text, &|_| None).unwrap_or_default();
        return services.iter().flat_map(|service| &service.env).map(entry).collect();
    }
    if name.contains("dockerfile") || name.contains("containerfile") {
        let Ok(file) = Dockerfile::parse(text) else { return Vec::new() };
        let image = file.image(None);
        let commands = image.cmd.iter().chain(&image.entrypoint).flat_map(|c| &c.statements);
        let mut found: Vec<Value> = image.env.iter().map(entry).collect();
        found.extend(commands.flat_map(|statement| assigned(text, statement)));
        return found;
    }
    if name.ends_with(".py") || name.ends_with(".conf") || name.ends_with(".ini") {
        return Vec::new();
    }
    let statements = shell::statements(&Inner::verbatim(text, 0..text.len()));
    statements.iter().flat_map(|statement| assigned(text, statement)).collect()
}

/// What a command assigns or exports.
fn assigned(text: &str, statement: &shell::Statement) -> Vec<Value> {
    let assignments = statement.assignments.iter().map(|(name, word)| (name.as_str(), word, 0));
    let exported = statement.words.iter().filter_map(|word| {
        let (name, _) = word.text.split_once('=')?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && !name.is_empty()).then_some((name, word, name.len() + 1))
    });
    let value = |(name, word, skip): (&str, &Word, usize)| {
        Value::of(text, name, word.text.get(skip..).unwrap_or_default(), word)
    };
    assignments.chain(exported).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_hidden_and_what_changes_is_shown() {
        for (path, before, after, left) in [
            (
                "Dockerfile",
                "FROM x\nENV TOKEN=hunter2 N=4\nCMD PASS='hunter 3' gunicorn app:app\n",
                "FROM x\nENV TOKEN=hunter2 N=8\nCMD PASS='hunter 3' gunicorn app:app\n",
                "FROM x\nENV TOKEN=… N=8\nCMD PASS='…' gunicorn app:app\n",
            ),
            (
                "compose.yaml",
                "services:\n  a:\n    environment:\n      - TOKEN=hunter2\n      - N=4\n",
                "services:\n  a:\n    environment:\n      - TOKEN=hunter2\n      - N=8\n",
                "services:\n  a:\n    environment:\n      - TOKEN=…\n      - N=8\n",
            ),
            (".env", "TOKEN=hunter2\nN=4\n", "TOKEN=hunter2\nN=8\n", "TOKEN=…\nN=8\n"),
            (
                "start.sh",
                "export TOKEN=\"hunter2\"\nN=4 node x.js\n",
                "export TOKEN=\"hunter2\"\nN=8 node x.js\n",
                "export TOKEN=\"…\"\nN=8 node x.js\n",
            ),
            ("www.conf", "[www]\npm = static\n", "[www]\npm = dynamic\n", "[www]\npm = dynamic\n"),
        ] {
            assert_eq!(shown(Path::new(path), before, after).1, left);
            assert!(!shown(Path::new(path), before, after).0.contains("hunter"), "{path}");
        }
    }
}
