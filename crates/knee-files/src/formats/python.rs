//! Python files of settings (`gunicorn.conf.py`): assignments at top level. Nothing is run; an
//! expression is taken as text.

use super::Entry;
use super::word::{Coat, Dress, Word};
use crate::text::{Edit, newline};
use std::ops::Range;

/// The last assignment to `name` at top level.
pub fn find(text: &str, name: &str) -> Option<Entry> {
    let found = statements(text).into_iter().rev().find_map(|range| {
        let statement = &text[range.clone()];
        let rest = statement.strip_prefix(name)?;
        let spaced = rest.trim_start();
        // `workers: int = 4` is an assignment too, `workers == 4` is none.
        let value = match spaced.strip_prefix(':') {
            Some(hint) => &hint[hint_end(hint)? + 1..],
            None => spaced.strip_prefix('=')?,
        };
        (!value.starts_with('=')).then(|| {
            let start = range.end - value.trim_start().len();
            start..range.end
        })
    })?;
    let raw = &text[found.clone()];
    let dress = Dress::Item(Coat::Literal);
    let word = Word { text: raw.into(), range: found, dynamic: false, dress };
    Some(Entry { value: unquoted(raw).into(), ..Entry::of(text, word) })
}

/// The edit that gives `name` a value: in place, else on a line of its own at the end.
pub fn set(text: &str, name: &str, value: &str) -> Edit {
    match find(text, name) {
        Some(entry) => entry.set(text, value),
        None => {
            let end = newline(text);
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
            Edit::insert(text.len(), format!("{gap}{name} = {}{end}", literal(value)))
        }
    }
}

/// An assignment, and when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch<'t> {
    /// Conditions around it, and what each has to be.
    pub conditions: Vec<(&'t str, bool)>,
    /// What stands behind the sign.
    pub value: &'t str,
}

/// A block of statements that is open while lines are read.
struct Block<'t> {
    indent: usize,
    conditions: Vec<(&'t str, bool)>,
    /// Whether names in it are its own.
    local: bool,
}

/// The assignments of a name of the module in single lines, in order, with the branches of `if` that
/// they stand in. A condition that is none of `if` is the head of its block.
pub fn branches<'t>(text: &'t str, name: &str) -> Vec<Branch<'t>> {
    let mut open: Vec<Block<'t>> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let body = line.trim();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let mut before = None;
        while open.last().is_some_and(|block| block.indent >= indent) {
            before = open.pop();
        }
        let head = body.split_once(" #").map_or(body, |(head, _)| head.trim_end());
        if let Some(head) = head.strip_suffix(':') {
            // What an `elif` or `else` comes behind does not hold.
            let others = || {
                let before = before.iter().flat_map(|block| &block.conditions);
                before.map(|(condition, _)| (*condition, false)).collect::<Vec<_>>()
            };
            let conditions = match head.split_once(' ') {
                Some(("if", condition)) => vec![(condition.trim(), true)],
                Some(("elif", condition)) => {
                    let mut all = others();
                    all.push((condition.trim(), true));
                    all
                }
                None if head == "else" => others(),
                _ => vec![(head, true)],
            };
            let local = ["def ", "class ", "async "].iter().any(|word| head.starts_with(word));
            open.push(Block { indent, conditions, local });
            continue;
        }
        let value = head.strip_prefix(name).and_then(|rest| rest.trim_start().strip_prefix('='));
        let value = value.filter(|value| !value.starts_with('=')).map(str::trim);
        if let Some(value) = value.filter(|_| open.iter().all(|block| !block.local)) {
            let conditions = open.iter().flat_map(|block| block.conditions.clone()).collect();
            found.push(Branch { conditions, value });
        }
    }
    found
}

/// Where the `=` behind a type hint stands.
fn hint_end(hint: &str) -> Option<usize> {
    let bytes = hint.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'=' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// A number, or a text in quotes.
pub(super) fn literal(value: &str) -> String {
    if value.parse::<i64>().is_ok_and(|number| number.to_string() == value) {
        return value.into();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\r', "\\r").replace('\n', "\\n"))
}

/// What a string literal without escapes says; anything else as it is written.
fn unquoted(raw: &str) -> &str {
    let body = |quote: char| raw.strip_prefix(quote)?.strip_suffix(quote);
    let plain = |text: &&str| !text.contains(['\'', '"', '\\']);
    body('"').or_else(|| body('\'')).filter(plain).unwrap_or(raw)
}

/// Logical lines that begin at column 1, comments and strings respected, without the comment.
fn statements(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (mut at, mut start, mut end, mut depth) = (mark, mark, mark, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' | b'"' => {
                at = string_end(bytes, at);
                end = at;
                continue;
            }
            b'#' => {
                at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'\\' if bytes.get(at + 1).is_some() => at += 1,
            b'\n' | b';' if depth == 0 => {
                found.push(start..end.max(start));
                start = at + 1;
                end = start;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if at < bytes.len() && !bytes[at].is_ascii_whitespace() && at >= start {
            end = at + 1;
        }
        at += 1;
    }
    found.push(start..end.max(start));
    // Cut inside a character only where a backslash stood before one; such a line is left out.
    found.retain(|r| text.get(r.clone()).is_some());
    found
}

/// Behind the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let mut next = at + if triple { 3 } else { 1 };
    while next < bytes.len() {
        match bytes[next] {
            b'\\' => next += 1,
            b'\n' if !triple => return next,
            b if b == quote && !triple => return next + 1,
            b if b == quote && bytes[next..].starts_with(&[quote; 3]) => return next + 3,
            _ => {}
        }
        next += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_with_the_branches_that_they_stand_in() {
        let text = "n = None\nif a:\n    n = int(a)\n    assert n > 0\nelif not b:  # x\n    n = 2 # two\nelse:\n    if c is not None:\n        n = 3\n    n == 4\ndef f():\n    n = 5\nfor i in x:\n    n = 6\nn = 7\n";
        let told: Vec<String> = branches(text, "n")
            .iter()
            .map(|branch| format!("{} {:?}", branch.value, branch.conditions))
            .collect();
        assert_eq!(
            told,
            [
                "None []",
                r#"int(a) [("a", true)]"#,
                r#"2 [("a", false), ("not b", true)]"#,
                r#"3 [("a", false), ("not b", false), ("c is not None", true)]"#,
                r#"6 [("for i in x", true)]"#,
                "7 []",
            ]
        );
    }
    use proptest::prelude::*;

    const CONF: &str = "import os\n\"\"\"\nworkers = 1\n\"\"\"\nbind = '0.0.0.0:8000' # here\nworkers = 5  # 2n+1\n\
                        worker_class: str = \"gthread\"\ndef on_starting(server):\n    workers = 9\n\
                        threads = max(\n    2, # two\n    4)\n";

    #[test]
    fn assignments_at_top_level_only() {
        let value = |name: &str| find(CONF, name).map(|e| (e.value, e.line));
        assert_eq!(value("workers"), Some(("5".into(), 6)));
        assert_eq!(value("worker_class"), Some(("gthread".into(), 7)));
        assert_eq!(value("bind"), Some(("0.0.0.0:8000".into(), 5)));
        assert_eq!(value("threads").unwrap().0, "max(\n    2, # two\n    4)");
        assert_eq!(value("backlog"), None);
        let hint = "workers: Annotated[int, Field(gt=0)] = 3";
        assert_eq!(find(hint, "workers").unwrap().value, "3");
    }

    #[test]
    fn an_edit_keeps_comments() {
        let edited = set(CONF, "workers", "8").apply(CONF);
        assert_eq!(edited, CONF.replace("workers = 5  # 2n+1", "workers = 8  # 2n+1"));
        let edited = set(CONF, "worker_class", "sync").apply(CONF);
        assert!(edited.contains("worker_class: str = \"sync\"\n"));
        let crlf = "\u{feff}workers = 1\r\n";
        assert_eq!(set(crlf, "workers", "2").apply(crlf), crlf.replace('1', "2"));
        assert_eq!(set(crlf, "x", "a\\b\"").apply(crlf), format!("{crlf}x = \"a\\\\b\\\"\"\r\n"));
        assert_eq!(set("a = 1", "backlog", "9").apply("a = 1"), "a = 1\nbacklog = 9\n");
    }

    proptest! {
        #[test]
        fn any_text_can_be_given_a_value(text in "[a-z =\n#'\"()\\\\;ü:0-9]{0,60}", n in 0..99i64) {
            let open = text.contains(['\'', '"', '(', '\\']);
            let edited = set(&text, "workers", &n.to_string()).apply(&text);
            prop_assert!(open || find(&edited, "workers").unwrap().value == n.to_string(), "{}", edited);
        }
    }
}
