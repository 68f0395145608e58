//! Files that say one thing a line: variables, scripts.

use super::{Said, is_amount, plain};
use crate::picture::{Runtime, hidden_words, is_daemon, is_tuning, starts};
use knee_files::program;
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

/// Options of the tools that deploy, and what they mean.
const OPTIONS: [(&str, &str); 6] = [
    ("--deployment-max-percent", "service.deployment_maximum_percent"),
    ("--deployment-min-healthy-percent", "service.deployment_minimum_percent"),
    ("--desired-count", "service.desired_count"),
    ("--health-check-grace-period", "service.health_check_grace"),
    ("--min-capacity", "service.minimum"),
    ("--max-capacity", "service.maximum"),
];

/// Whether a script's line starts what serves: a server wherever it stands, as it does nothing else; what may
/// as well prepare something only as the last line.
fn serves(argv: &[String], last: bool) -> bool {
    let argv = &argv[program::program(argv)..];
    let runtime = starts(argv);
    let other = matches!(runtime, Some(Runtime::Node | Runtime::Worker | Runtime::Other));
    let runs = argv
        .first()
        .is_some_and(|word| LAST.contains(&word.rsplit('/').next().unwrap_or_default()));
    is_daemon(argv) || runtime.is_some() && !other || last && (other || runs)
}

/// Programs that serve where a script starts them last.
const LAST: [&str; 5] = ["npm", "yarn", "pnpm", "python", "python3"];

/// What a script starts in its own place, or last; variables that tune; what it deploys with.
pub(super) fn script(text: &str) -> Vec<Said> {
    let mut said = Vec::new();
    let written = |row: &str| !row.is_empty() && !row.starts_with('#');
    let last = rows(text).filter(|(row, _)| written(row)).last().map(|(_, range)| range.start);
    for (row, range) in rows(text).filter(|(row, _)| written(row)) {
        let command = row.strip_prefix("exec ");
        let argv: Vec<String> = row.split_whitespace().map(String::from).collect();
        let serves = serves(&argv, last == Some(range.start));
        if let Some(command) = command.or(serves.then_some(row)) {
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
