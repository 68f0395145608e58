//! Ecosystem files of pm2: JavaScript or JSON with an object for each application, of which plain
//! values are found. Nothing is evaluated, and other code around the objects is stepped over.
//!
//! Source: <https://pm2.keymetrics.io/docs/usage/application-declaration/>.

use super::Entry;
use super::word::{Coat, Dress, Word};
use std::ops::Range;

/// An application: its keys with their values, those that are one plain word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Application {
    /// Where its object begins.
    pub start: usize,
    /// In the file's order.
    pub keys: Vec<(String, Entry)>,
}

impl Application {
    /// The value of a key; the last one counts.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.keys.iter().rev().find(|(name, _)| name == key).map(|(_, entry)| entry)
    }
}

/// The objects that name a script.
pub fn applications(text: &str) -> Vec<Application> {
    let mut found = Vec::new();
    let mut open: Vec<Frame> = Vec::new();
    for token in tokens(text) {
        let sign = &text[token.clone()];
        if matches!(sign, "}" | "]" | ")")
            && let Some(mut frame) = open.pop()
        {
            frame.finish(text);
            if frame.application.get("script").is_some() {
                found.push(frame.application);
            }
        }
        let start = token.start;
        if let Some(frame) = open.last_mut() {
            match sign {
                "," => frame.finish(text),
                ":" => frame.colon(text),
                // What stands in brackets makes more than one word, and is no plain value.
                _ => frame.words.push(token),
            }
        }
        if matches!(sign, "{" | "[" | "(") {
            open.push(Frame::new(sign == "{", start));
        }
    }
    found.sort_by_key(|application| application.start);
    found
}

/// What the first application that has a key says there. Of one that is told to run without a
/// cluster the number of processes is not one of a cluster.
pub fn find(text: &str, key: &str) -> Option<Entry> {
    let forked =
        |a: &Application| a.get("exec_mode").is_some_and(|mode| mode.value.starts_with("fork"));
    let all = applications(text);
    all.iter().filter(|a| !forked(a)).find_map(|a| a.get(key)).cloned()
}

/// A bracket that is open.
struct Frame {
    /// Whether it is an object's or a block's.
    object: bool,
    application: Application,
    key: Option<String>,
    /// The words since the last comma or colon.
    words: Vec<Range<usize>>,
}

impl Frame {
    fn new(object: bool, start: usize) -> Frame {
        let application = Application { start, keys: Vec::new() };
        Frame { object, application, key: None, words: Vec::new() }
    }

    /// What stands before a colon is a key, unless it is a value's own (`a ? b : c`).
    fn colon(&mut self, text: &str) {
        match (&self.key, self.words.as_slice()) {
            (None, [word]) if self.object => {
                self.key = Some(unquoted(&text[word.clone()]).into());
                self.words.clear();
            }
            (_, words) => {
                let at = words.last().map_or(0, |word| word.end);
                self.words.push(at..at);
            }
        }
    }

    fn finish(&mut self, text: &str) {
        let words = std::mem::take(&mut self.words);
        let (Some(key), [word]) = (self.key.take(), words.as_slice()) else { return };
        let raw = &text[word.clone()];
        let plain = raw.starts_with(['"', '\'', '-'])
            || raw.chars().all(|c| c.is_alphanumeric() || c == '.');
        if plain {
            let value = unquoted(raw).to_string();
            let dress = Dress::Item(Coat::Verbatim);
            let word = Word { text: value, range: word.clone(), dynamic: false, dress };
            self.application.keys.push((key, Entry::of(text, word)));
        }
    }
}

fn unquoted(text: &str) -> &str {
    let quotes = ['"', '\'', '`'];
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    quotes.into_iter().find_map(inside).unwrap_or(text)
}

/// Strings, names with numbers, and every other sign by itself; comments and white space are none.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let until = |end: &str| rest.find(end).map_or(rest.len(), |found| found + end.len());
        let is_name = |c: char| c.is_alphanumeric() || "_$.".contains(c);
        let (length, counts) = if c.is_whitespace() {
            (c.len_utf8(), false)
        } else if rest.starts_with("//") {
            (until("\n"), false)
        } else if rest.starts_with("/*") {
            (until("*/"), false)
        } else if matches!(c, '"' | '\'' | '`') {
            (string(rest, c), true)
        } else if is_name(c) || (c == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let end = rest[c.len_utf8()..].find(|c| !is_name(c));
            (end.map_or(rest.len(), |end| end + c.len_utf8()), true)
        } else {
            (c.len_utf8(), true)
        };
        if counts {
            found.push(at..at + length);
        }
        at += length;
    }
    found
}

/// How many bytes belong to the string that a text begins with.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "// pm2\nconst os = require('os'); const f = (a) => { return a ? { x: 1 } : 2 }\n\
        module.exports = {\n  apps: [\n    { name: \"web\", script: './src/a.js', /* all: */ instances: 'max',\n\
        \u{20}     env: { PORT: 80, script: 3 }, max: process.env.M || 3, args: ['a', 'b'] },\n\
        \u{20}   { name: 'jobs', script: 'b.js', instances: -1, exec_mode: 'fork', kill_timeout: 9000 },\n  ],\n}\n";

    #[test]
    fn applications_and_their_plain_values() {
        let all = applications(FILE);
        let names: Vec<&str> = all.iter().filter_map(|a| Some(&*a.get("name")?.value)).collect();
        assert_eq!(names, ["web", "jobs"]);
        assert_eq!(all[2].get("instances").unwrap().value, "-1");
        assert!(all[0].get("max").is_none() && all[0].get("args").is_none(), "{all:?}");
        let instances = find(FILE, "instances").unwrap();
        assert_eq!((instances.value.as_str(), instances.line), ("max", 5));
        let edited = instances.set(FILE, "2").apply(FILE);
        assert_eq!(edited, FILE.replace("'max'", "2"));
        assert_eq!(find(FILE, "kill_timeout"), None, "it runs without a cluster");
        let json = r#"{ "apps": [{ "script": "a.js", "instances": 0, "exec_mode": "cluster" }] }"#;
        assert_eq!(find(json, "instances").unwrap().value, "0");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([{}\\[\\](),:?]|script|instances|['\"`\\\\/*\n -]|[0-9ü.]){0,30}") {
            crate::fuzz::ecosystem(&text);
        }

        #[test]
        fn pieces_are_read(pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", "(", ")", ",", ":", "?", "script", "instances", "'a'", "\"", "'", "`", "\\", "//", "/*", "*/",
            "\n", " ", "-1", "ü", "3", "exec_mode", "'fork'",
        ]), 0..40)) {
            crate::fuzz::ecosystem(&pieces.concat());
        }
    }
}
