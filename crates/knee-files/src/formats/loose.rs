//! Objects as JSON writes them, read with forbearance: comments, trailing and missing commas, keys
//! without quotes, and placeholders of any template language (`${port}`, `<port>`, `{{ if x }}`)
//! wherever they stand. JavaScript's object literals (`ecosystem.config.js`) are read too: an
//! expression where a value belongs stays unknown.

use super::FormatError;
use super::tree::{DEEPEST, Node, Value};
use crate::text::Position;
use std::ops::Range;

/// More values than this are refused.
const MOST: usize = 200_000;

/// Reads a document; `file` is the number that its nodes bear. None where it is empty.
pub fn parse(text: &str, file: usize) -> Result<Option<Node>, FormatError> {
    let mut reader = Reader { text, file, at: 0, left: MOST };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    reader.skip();
    if reader.at == text.len() {
        return Ok(None);
    }
    let node = reader.value(0)?;
    reader.skip();
    match reader.peek() {
        Some('}' | ']' | '"' | ':') => {
            Err(reader.error(reader.at, "nothing belongs behind the document's end"))
        }
        _ => Ok(Some(node)),
    }
}

/// Reads the object that a JavaScript module exports (`module.exports = {…}`).
pub fn exported(text: &str, file: usize) -> Result<Option<Node>, FormatError> {
    let Some(start) = ["module.exports", "export default"].iter().find_map(|w| text.find(w)) else {
        return Ok(None);
    };
    let Some(open) = text[start..].find('{') else { return Ok(None) };
    let mut reader = Reader { text, file, at: start + open, left: MOST };
    reader.value(0).map(Some)
}

struct Reader<'a> {
    text: &'a str,
    file: usize,
    at: usize,
    left: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, offset: usize, problem: &str) -> FormatError {
        let problem = format!("is no JSON: {problem}");
        FormatError { at: Position::of(self.text, offset), problem }
    }

    /// Steps over white space and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            let rest = self.rest();
            let length = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |n| n + 2)
            } else {
                return;
            };
            self.at += length;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, FormatError> {
        if depth > DEEPEST {
            return Err(self.error(self.at, "it is nested too deeply"));
        }
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return Err(self.error(self.at, "it holds too many values")),
        };
        self.skip();
        let start = self.at;
        match self.peek() {
            Some('{') if !self.rest().starts_with("{{") && !self.rest().starts_with("{%") => {
                self.map(depth)
            }
            Some('[') => self.list(depth),
            Some('"') | Some('\'') | Some('`') => self.string(),
            Some(_) => Ok(self.bare()),
            None => Err(self.error(start, "a value is missing")),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, FormatError> {
        let start = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None => return Err(self.error(start, "this `{` is never closed")),
                Some('}') => break,
                Some(',') | Some(';') => self.at += 1,
                Some(']') => return Err(self.error(self.at, "this `]` closes nothing")),
                Some(_) => {
                    if let Some(length) = placeholder(self.rest()) {
                        self.at += length;
                        continue;
                    }
                    entries.extend(self.member(depth)?);
                }
            }
        }
        self.at += 1;
        Ok(Node::new(Value::Map(entries), self.file, start..self.at))
    }

    /// `key: value`; None for a fragment without a colon, as a template leaves it.
    fn member(&mut self, depth: usize) -> Result<Option<(String, Node)>, FormatError> {
        let key = match self.peek() {
            Some('"' | '\'' | '`') => self.string()?.text().unwrap_or_default(),
            _ => {
                let length = self
                    .rest()
                    .find(|c: char| !(c.is_alphanumeric() || "_-$.".contains(c)))
                    .unwrap_or(self.rest().len());
                let key = self.rest()[..length].to_string();
                self.at += length;
                if length == 0 {
                    // What stands here is no key: an operator, a call's bracket.
                    self.at += self.peek().map_or(0, char::len_utf8);
                    return Ok(None);
                }
                key
            }
        };
        self.skip();
        if self.peek() != Some(':') {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some((key, self.value(depth + 1)?)))
    }

    fn list(&mut self, depth: usize) -> Result<Node, FormatError> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None => return Err(self.error(start, "this `[` is never closed")),
                Some(']') => break,
                Some(',') => self.at += 1,
                Some('}') => return Err(self.error(self.at, "this `}` closes nothing")),
                Some(_) => items.push(self.value(depth + 1)?),
            }
        }
        self.at += 1;
        Ok(Node::new(Value::List(items), self.file, start..self.at))
    }

    /// A string; behind it may follow more of an expression, which makes it unknown.
    fn string(&mut self) -> Result<Node, FormatError> {
        let start = self.at;
        let quote = self.peek().unwrap_or('"');
        self.at += 1;
        let (mut text, mut places) = (String::new(), Vec::new());
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error(start, "this quote is never closed"));
            };
            let from = self.at;
            self.at += c.len_utf8();
            let said = match c {
                c if c == quote => break,
                '\\' => self.escaped(),
                // A placeholder may hold quotes of its own.
                '$' if self.rest().starts_with('{') => {
                    let length = placeholder(&self.text[from..]).unwrap_or(1);
                    let inside = &self.text[from..from + length];
                    self.at = from + length;
                    places.extend(from..from + length);
                    text.push_str(inside);
                    continue;
                }
                c => Some(c),
            };
            if let Some(c) = said {
                places.extend(std::iter::repeat_n(from, c.len_utf8()));
                text.push(c);
            }
        }
        places.push(self.at - 1);
        let mut node = Node::new(Value::Text(text), self.file, start..self.at);
        node.places = Some(places.into());
        Ok(node)
    }

    fn escaped(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        match c {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'b' | 'f' => Some(' '),
            'u' => {
                let digits = self.rest().get(..4)?;
                let code = u32::from_str_radix(digits, 16).ok()?;
                self.at += 4;
                Some(char::from_u32(code).unwrap_or('\u{fffd}'))
            }
            c => Some(c),
        }
    }

    /// A number, a word of JSON, a placeholder, or an expression that is not understood.
    fn bare(&mut self) -> Node {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(c) = self.peek() {
            if let Some(length) = placeholder(self.rest()) {
                self.at += length;
                continue;
            }
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth > 0 => depth -= 1,
                ',' | '}' | ']' | ')' if depth == 0 => break,
                '\n' if depth == 0 => break,
                '"' | '\'' | '`' => {
                    if self.string().is_err() {
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            self.at += c.len_utf8();
        }
        if self.at == start {
            // A bracket that closes nothing here: step over it.
            self.at += self.peek().map_or(0, char::len_utf8);
        }
        let raw = self.text[start..self.at].trim_end();
        scalar(raw, self.file, start..start + raw.len())
    }
}

/// A word without quotes.
fn scalar(raw: &str, file: usize, range: Range<usize>) -> Node {
    let value = match raw {
        "null" | "undefined" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match raw.parse::<f64>() {
            Ok(n) if n.is_finite() => Value::Number(n),
            _ => Value::Unknown(format!("is written as `{}`", short(raw))),
        },
    };
    Node::new(value, file, range)
}

/// The beginning of a text, for people.
pub fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(60).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

/// Length of the placeholder that the text begins with.
pub fn placeholder(text: &str) -> Option<usize> {
    let line = |close: &str| {
        let end = text.find('\n').unwrap_or(text.len());
        text[..end].find(close).map(|n| n + close.len())
    };
    if text.starts_with("${") || text.starts_with("%{") {
        return braces(text);
    }
    if text.starts_with("{{") {
        return line("}}");
    }
    if text.starts_with("{%") {
        return line("%}");
    }
    let named = text.strip_prefix('<')?.starts_with(|c: char| c.is_ascii_alphabetic() || c == '%');
    named.then(|| line(">")).flatten()
}

/// Length of `${…}` with the braces that it nests.
fn braces(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices().take(10_000) {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEMPLATE: &str = "\u{feff}[ {\r\n \"name\": \"${service}\", // who\r\n \"memory\": ${memory},\r\n ${cpu}\r\n \
        {{ if .Spot }} \"cpu\": \"256\", {{ else }} \"cpu\": 512, {{ end }}\r\n \"command\": [\"sh\", \"-c\", \"a \\\"b\\\"\"],\r\n \
        \"port\": <port>, \"environment\": [ ${vars} ]\r\n ${logging}\r\n} ]";

    #[test]
    fn a_template_is_read_around_its_placeholders() {
        let node = parse(TEMPLATE, 7).unwrap().unwrap();
        let container = &node.items()[0];
        let unknown = |key| container.get(key).unwrap().unknown_because().unwrap();
        assert_eq!(unknown("memory"), "is written as `${memory}`");
        assert_eq!(unknown("port"), "is written as `<port>`");
        assert_eq!(container.get("cpu").unwrap().number(), Some(512.0));
        let command = container.get("command").unwrap();
        assert_eq!(command.items()[2].text().unwrap(), "a \"b\"");
        let span = &command.items()[2].span;
        assert_eq!((span.file, &TEMPLATE[span.range.clone()]), (7, "\"a \\\"b\\\"\""));
        assert_eq!(container.get("environment").unwrap().items().len(), 1);
    }

    #[test]
    fn an_object_of_javascript() {
        let text = "const os = require('os');\nmodule.exports = {\n  apps: [{ name: 'web', script: './a.js', // x\n    \
                    instances: process.env.N || os.cpus().length, exec_mode: \"cluster\", kill_timeout: 3000, }],\n};\n";
        let node = exported(text, 0).unwrap().unwrap();
        let app = &node.get("apps").unwrap().items()[0];
        assert_eq!(app.get("kill_timeout").unwrap().number(), Some(3000.0));
        assert!(app.get("instances").unwrap().unknown_because().unwrap().contains("os.cpus()"));
        assert_eq!(exported("const a = {}", 0).unwrap(), None);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, error) in [
            ("{\n \"a\": [1, 2", "2:7: is no JSON: this `[` is never closed"),
            ("{\"a\": \"b", "1:7: is no JSON: this quote is never closed"),
            ("[1] \"a\"", "1:5: is no JSON: nothing belongs behind the document's end"),
        ] {
            assert_eq!(parse(text, 0).unwrap_err().to_string(), error);
        }
        assert!(parse(&"[".repeat(100_000), 0).is_err());
        assert_eq!(parse(" \n", 0), Ok(None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:,\"'a1<>ü\\\\\n ]|\\$\\{|\\{\\{|\\}\\}|%>|//|\u{feff}){0,40}") {
            let Ok(Some(node)) = parse(&text, 0) else { return Ok(()) };
            let mut todo = vec![&node];
            while let Some(node) = todo.pop() {
                prop_assert!(text.get(node.span.range.clone()).is_some());
                todo.extend(node.entries().iter().map(|(_, node)| node));
                if node.is_list() { todo.extend(node.items()); }
            }
        }
    }
}
