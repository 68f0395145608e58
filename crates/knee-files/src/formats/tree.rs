//! What structured files say, whatever they are written in: maps, lists and scalars, each with its
//! bytes. What cannot be computed from the files stays unknown, with the reason.

use super::word::{Coat, Inner};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// Deeper structures than this are cut off by the readers.
pub const DEEPEST: usize = 64;

/// Bytes of one of the files that were given to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file, by the caller's number.
    pub file: usize,
    /// Its bytes.
    pub range: Range<usize>,
}

/// A value and where it is written. It may be a secret, and `Debug` does not show it.
#[derive(Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    /// Where the value itself is written, however it came here.
    pub span: Span,
    /// What would decide if it were set: the value is what holds without it.
    pub unless: Option<String>,
    /// For each byte of a text, and its end, where it stands in the file.
    pub places: Option<Rc<[usize]>>,
}

/// What a node says.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    /// Parts that cannot be known stand in it as `${…}`.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a later key wins.
    Map(Vec<(String, Node)>),
    /// Another thing, by the name that its reader gives it.
    Reference(String),
    /// Cannot be known, for this reason.
    Unknown(String),
}

impl Node {
    /// A node without more to say.
    pub fn new(value: Value, file: usize, range: Range<usize>) -> Node {
        Node { value, span: Span { file, range }, unless: None, places: None }
    }

    /// Something that cannot be known.
    pub fn unknown(because: impl Into<String>, file: usize, range: Range<usize>) -> Node {
        Node::new(Value::Unknown(because.into()), file, range)
    }

    /// The same value at another place.
    pub fn at(self, file: usize, range: Range<usize>) -> Node {
        Node { span: Span { file, range }, places: None, ..self }
    }

    /// The value of a key, whether it is written `stopTimeout`, `StopTimeout` or `stop_timeout`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        let found = entries.iter().rev().find(|(name, _)| same_key(name, key));
        found.map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    /// The value of the first of these keys that is there.
    pub fn first(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// The value below several keys.
    pub fn path(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Keys and values of a map.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; what is no list is a list of one.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// A scalar as text; parts of it may be unknown.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => None,
        }
    }

    /// A number, also one that is written as a text.
    pub fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(n) => Some(*n),
            Value::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        }
    }

    /// A switch, also one that is written as a text.
    pub fn switch(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "enabled" => Some(true),
            "false" | "no" | "off" | "disabled" => Some(false),
            _ => None,
        }
    }

    /// The name of the thing that it refers to.
    pub fn reference(&self) -> Option<&str> {
        match &self.value {
            Value::Reference(name) => Some(name),
            _ => None,
        }
    }

    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    pub fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// Why it cannot be known.
    pub fn unknown_because(&self) -> Option<String> {
        match &self.value {
            Value::Unknown(because) => Some(because.clone()),
            Value::Reference(name) => Some(format!("is what `{name}` says")),
            Value::Text(text) if text.contains("${") => Some(format!("is written as `{text}`")),
            _ => None,
        }
    }

    /// A text with the way back to its bytes; without that all of it stands where it begins.
    pub fn inner(&self) -> Option<Inner> {
        let text = self.text()?;
        let range = self.span.range.clone();
        Some(match &self.places {
            Some(places) if places.len() == text.len() + 1 => {
                Inner::with_offsets(text, Coat::Verbatim, places.to_vec())
            }
            _ => {
                let mut places = vec![range.start; text.len()];
                places.push(range.end);
                Inner::with_offsets(text, Coat::Verbatim, places)
            }
        })
    }

    /// How many nodes it is made of.
    pub fn size(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.size()).sum::<usize>(),
            Value::Text(text) => 1 + text.len() / 64,
            _ => 1,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}:{:?}", self.value, self.span.file, self.span.range)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(_) => f.write_str("bool"),
            Value::Number(_) => f.write_str("number"),
            Value::Text(_) => f.write_str("text"),
            Value::List(items) => write!(f, "list of {}", items.len()),
            Value::Map(entries) => write!(f, "map of {}", entries.len()),
            Value::Reference(name) => write!(f, "reference to {name}"),
            Value::Unknown(because) => write!(f, "unknown: {because}"),
        }
    }
}

/// Whether two keys differ in nothing but case and `_`, `-`.
fn same_key(a: &str, b: &str) -> bool {
    let plain = |text: &str| -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect()
    };
    a == b || (a.len().abs_diff(b.len()) <= b.len() && plain(a) == plain(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_however_it_is_written() {
        let number = |n: f64| Node::new(Value::Number(n), 0, 0..1);
        let map = vec![("StopTimeout".into(), number(1.0)), ("x".into(), number(2.0))];
        let node = Node::new(Value::Map(map), 0, 0..9);
        assert_eq!(node.get("stop_timeout").and_then(Node::number), Some(1.0));
        assert_eq!(node.path(&["x"]).and_then(Node::number), Some(2.0));
        assert!(node.get("stop").is_none() && node.items().len() == 1 && node.size() == 3);
    }
}
