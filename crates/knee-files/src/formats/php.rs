//! PHP files of settings (`config/octane.php`): the array that is returned, by its keys. Nothing is
//! run; `env('NAME', 'default')` is taken as that variable with its default.

use super::tree::{Node, Value};
use std::ops::Range;

/// The entries `'key' => value` of the arrays in a text, the outer keys before a dot:
/// `('servers.host', …)`. A value that is an expression is a text as it is written, without comments.
pub fn entries(text: &str, file: usize) -> Vec<(String, Node)> {
    let mut found = Vec::new();
    let mut open: Vec<Option<String>> = Vec::new();
    let mut key: Option<String> = None;
    let mut last: Option<(String, Range<usize>)> = None;
    let mut value: Option<usize> = None;
    let mut calls = 0usize;
    let mut at = 0;
    while at < text.len() && found.len() < 10_000 {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or(' ');
        if let Some(length) = comment(rest) {
            at += length;
            continue;
        }
        match c {
            '\'' | '"' => {
                let length = string(rest);
                let inner = &rest[1..length];
                // A string that nothing ends goes on to the end of the text.
                let inner = inner.strip_suffix(c).unwrap_or(inner);
                last = Some((inner.to_string(), at..at + length));
                at += length;
                continue;
            }
            '=' if rest.starts_with("=>") && calls == 0 => {
                key = last.take().map(|(text, _)| text);
                value = Some(at + 2);
                at += 2;
                continue;
            }
            '(' if !text[..at].trim_end().ends_with("array") => calls += 1,
            ')' if calls > 0 => calls -= 1,
            '[' | '(' if calls == 0 => {
                open.push(key.take());
                value = None;
            }
            ',' | ']' | ')' if calls == 0 => {
                if let (Some(name), Some(start)) = (key.take(), value.take()) {
                    let raw = &text[start..at];
                    let begin = start + raw.len() - raw.trim_start().len();
                    let range = begin..begin + raw.trim().len();
                    let outer = open.iter().flatten().cloned();
                    let path: Vec<String> = outer.chain([name]).collect();
                    let node = Node::new(Value::Text(raw.trim().into()), file, range);
                    found.push((path.join("."), node));
                }
                if c != ',' {
                    open.pop();
                }
                last = None;
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    found
}

/// What `env('NAME', default)` or a literal says: the variable, and the value without it.
pub fn variable(expression: &str) -> (Option<String>, Option<String>) {
    let unquoted =
        |text: &str| {
            let text = text.trim();
            let inner = text.strip_prefix(['\'', '"']).and_then(|t| t.strip_suffix(['\'', '"']));
            match inner {
                Some(inner) => Some(inner.to_string()),
                None => text.parse::<f64>().ok().map(|_| text.to_string()).or_else(|| {
                    matches!(text, "true" | "false" | "null").then(|| text.to_string())
                }),
            }
        };
    let expression = expression.trim();
    // `(int) env('NAME', 90)`
    let cast = ["(int)", "(integer)", "(bool)", "(string)", "(float)"];
    let cast = cast.iter().find_map(|cast| expression.strip_prefix(cast));
    let expression = cast.unwrap_or(expression).trim();
    let call = expression.strip_prefix("env(").and_then(|rest| rest.strip_suffix(')'));
    match call {
        Some(arguments) => {
            let (name, default) = arguments.split_once(',').unwrap_or((arguments, ""));
            (unquoted(name), unquoted(default))
        }
        None => (None, unquoted(expression)),
    }
}

/// Length of the comment that the text begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") || (text.starts_with('#') && !text.starts_with("#[")) {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*").then(|| text.find("*/").map_or(text.len(), |n| n + 2))
}

/// Length of the string that the text begins with.
fn string(text: &str) -> usize {
    let quote = text.as_bytes()[0];
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate().skip(1) {
        if !escaped && b == quote {
            return at + 1;
        }
        escaped = !escaped && b == b'\\';
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_and_variables() {
        let text = "<?php\n// 'server' => 'x',\nreturn [\n  'server' => env('OCTANE_SERVER', 'roadrunner'),\n  'https' => false,\n  'tables' => ['a:1000' => ['name' => 'string:1000']],\n  'listeners' => [X::class => [a(), ...b()]],\n  'garbage' => 50,\n];\n";
        let found = entries(text, 1);
        let get = |key: &str| found.iter().find(|(k, _)| k == key).map(|(_, n)| n.text().unwrap());
        assert_eq!(get("garbage").as_deref(), Some("50"));
        assert_eq!(get("tables.a:1000.name").as_deref(), Some("'string:1000'"));
        let server = get("server").unwrap();
        assert_eq!(variable(&server), (Some("OCTANE_SERVER".into()), Some("roadrunner".into())));
        assert_eq!(variable("50"), (None, Some("50".into())));
        assert_eq!(variable("a() ? 1 : 2"), (None, None));
        assert_eq!(&text[found[0].1.span.range.clone()], server);
        assert!(entries("\"ü", 0).is_empty(), "nothing ends the string");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "('a'|\"|'|=>|[\\[\\](),ü\n#]|//|/\\*|env\\(|array\\(){0,40}") {
            for (_, node) in entries(&text, 0) {
                prop_assert!(text.get(node.span.range.clone()).is_some());
                variable(&node.text().unwrap());
            }
        }
    }
}
