//! YAML as a tree whose nodes know their bytes. Aliases and merge keys are followed, never copied,
//! so that a small file cannot become a large tree. Only the first document is read.

use super::FormatError;
use super::tree::{DEEPEST, Node as Plain, Value};
use super::word::{Coat, Dress, Inner, Word};
use crate::text::{Position, line};
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A document that was understood.
pub struct Yaml<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

struct Node {
    kind: Kind,
    range: Range<usize>,
    /// `Ref` where it is tagged `!Ref`.
    tag: Option<String>,
}

enum Kind {
    Scalar(String, ScalarStyle),
    List(Vec<usize>, StructureStyle),
    /// Keys and values.
    Map(Vec<(usize, usize)>, StructureStyle),
    /// Another node.
    Alias(usize),
}

/// A node in its place.
#[derive(Clone, Copy)]
pub struct At<'y> {
    yaml: &'y Yaml<'y>,
    node: usize,
    /// The alias that stands in its place, if one does.
    alias: Option<usize>,
    /// Whether an alias or a merge key led here: a change would change other places too.
    pub shared: bool,
}

impl<'a> Yaml<'a> {
    /// Reads the text.
    pub fn parse(text: &'a str) -> Result<Self, FormatError> {
        let mut builder = Builder::default();
        for next in Parser::new_from_str(text) {
            let (event, span) = next.map_err(|error| FormatError {
                at: Position::of(text, error.marker().byte_offset().unwrap_or(text.len())),
                problem: format!("is no YAML: {}", error.info()),
            })?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            let range = span.byte_range().unwrap_or_default();
            builder.take(event, range);
        }
        Ok(Yaml { text, nodes: builder.nodes })
    }

    /// The document's node; None where it is empty.
    pub fn root(&self) -> Option<At<'_>> {
        (!self.nodes.is_empty()).then(|| self.at(0, false))
    }

    fn at(&self, node: usize, shared: bool) -> At<'_> {
        match self.nodes[node].kind {
            // An alias leads to a node and never to another alias.
            Kind::Alias(target) => At { yaml: self, node: target, alias: Some(node), shared: true },
            _ => At { yaml: self, node, alias: None, shared },
        }
    }
}

/// Puts nodes together from events.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Lists and maps that are open, outermost first, with a key that waits for its value.
    open: Vec<(usize, Option<usize>)>,
    anchors: BTreeMap<usize, usize>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let node = self.add(Kind::Scalar(value.into_owned(), style), range, anchor);
                self.nodes[node].tag = named(tag.as_deref());
            }
            Event::SequenceStart(style, anchor, tag) => {
                let node = self.add(Kind::List(Vec::new(), style), range, anchor);
                self.nodes[node].tag = named(tag.as_deref());
                self.open.push((node, None));
            }
            Event::MappingStart(style, anchor, tag) => {
                let node = self.add(Kind::Map(Vec::new(), style), range, anchor);
                self.nodes[node].tag = named(tag.as_deref());
                self.open.push((node, None));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, _)) = self.open.pop() {
                    self.nodes[node].range.end = range.end;
                }
            }
            Event::Alias(id) => {
                if let Some(target) = self.anchors.get(&id).copied() {
                    self.add(Kind::Alias(target), range, 0);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, kind: Kind, range: Range<usize>, anchor: usize) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node { kind, range, tag: None });
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        if let Some((parent, waiting)) = self.open.last_mut() {
            match (&mut self.nodes[*parent].kind, waiting.take()) {
                (Kind::List(items, _), _) => items.push(node),
                (Kind::Map(entries, _), Some(key)) => entries.push((key, node)),
                _ => *waiting = Some(node),
            }
        }
        node
    }
}

/// The name of a tag of the document's own (`!Ref`); YAML's own tags say nothing new.
fn named(tag: Option<&Tag>) -> Option<String> {
    tag.filter(|tag| tag.handle() == "!").map(|tag| tag.suffix().to_string())
}

/// More nodes than this are not made of aliases.
const MOST: usize = 200_000;

/// The first document as a tree, aliases and merge keys resolved. A tagged node is a map of the
/// tag's name, as `!Ref x` is `{"Ref": x}`. None where the document is empty.
pub fn tree(text: &str, file: usize) -> Result<Option<Plain>, FormatError> {
    let yaml = Yaml::parse(text)?;
    let mut left = MOST;
    Ok(yaml.root().map(|root| root.plain(file, 0, &mut left)))
}

impl<'y> At<'y> {
    /// It and all below as a tree.
    fn plain(self, file: usize, depth: usize, left: &mut usize) -> Plain {
        let range = self.range();
        *left = left.saturating_sub(1);
        if depth > DEEPEST || *left == 0 {
            return Plain::unknown("stands too deep, or is too large", file, range);
        }
        let node = match self.kind() {
            Kind::List(items, _) => {
                let items = items.iter().map(|i| self.yaml.at(*i, false));
                let items = items.map(|item| item.plain(file, depth + 1, left)).collect();
                Plain::new(Value::List(items), file, range.clone())
            }
            Kind::Map(..) => {
                let entries = self.entries().into_iter();
                let entries =
                    entries.map(|(key, node)| (key.into(), node.plain(file, depth + 1, left)));
                Plain::new(Value::Map(entries.collect()), file, range.clone())
            }
            _ => match self.inner() {
                Some(inner) => Plain {
                    places: Some(inner.places().into()),
                    ..Plain::new(Value::Text(inner.text), file, range.clone())
                },
                None => Plain::new(Value::Null, file, range.clone()),
            },
        };
        match &self.yaml.nodes[self.node].tag {
            Some(tag) => Plain::new(Value::Map(vec![(tag.clone(), node)]), file, range),
            None => node,
        }
    }

    fn kind(self) -> &'y Kind {
        &self.yaml.nodes[self.node].kind
    }

    /// Its bytes: quotes, brackets and braces included; for a block's text the lines alone.
    pub fn range(self) -> Range<usize> {
        self.yaml.nodes[self.node].range.clone()
    }

    /// The 1-based line that it begins in.
    pub fn line(self) -> u32 {
        line(self.yaml.text, self.range().start)
    }

    /// Keys and values, those of merge keys last. A key's own value wins over a merged one, and
    /// an earlier merge over a later one.
    pub fn entries(self) -> Vec<(&'y str, At<'y>)> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut next = vec![self];
        while let Some(map) = next.pop() {
            let Kind::Map(entries, _) = map.kind() else { continue };
            if !seen.insert(map.node) {
                continue;
            }
            let mut merged = Vec::new();
            // The last of two equal keys is the one that counts.
            for (key, value) in entries.iter().rev() {
                let value = self.yaml.at(*value, map.shared);
                match self.yaml.at(*key, false).text() {
                    Some("<<") => {
                        let maps = value.items().unwrap_or_else(|| vec![value]);
                        merged.extend(maps.into_iter().map(|m| At { shared: true, ..m }));
                    }
                    Some(name) if names.insert(name) => found.push((name, value)),
                    _ => {}
                }
            }
            next.extend(merged.into_iter().rev());
        }
        found.sort_by_key(|(_, value)| (value.shared, value.range().start));
        found
    }

    /// The value of a key.
    pub fn get(self, key: &str) -> Option<At<'y>> {
        self.entries().into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The elements of a list.
    pub fn items(self) -> Option<Vec<At<'y>>> {
        match self.kind() {
            Kind::List(items, _) => {
                Some(items.iter().map(|i| self.yaml.at(*i, self.shared)).collect())
            }
            _ => None,
        }
    }

    pub fn is_map(self) -> bool {
        matches!(self.kind(), Kind::Map(..))
    }

    /// The bytes of the alias that stands in its place.
    pub fn alias(self) -> Option<Range<usize>> {
        self.alias.map(|node| self.yaml.nodes[node].range.clone())
    }

    /// From the first key or element to the end of the last; None where there is none.
    pub fn extent(self) -> Option<Range<usize>> {
        let (first, last) = match self.kind() {
            Kind::List(items, _) => (*items.first()?, *items.last()?),
            Kind::Map(entries, _) => (entries.first()?.0, entries.last()?.1),
            _ => return None,
        };
        Some(self.yaml.nodes[first].range.start..self.yaml.nodes[last].range.end)
    }

    /// Whether it is a list in brackets or a map in braces.
    pub fn is_flow(self) -> bool {
        matches!(
            self.kind(),
            Kind::List(_, StructureStyle::Flow) | Kind::Map(_, StructureStyle::Flow)
        )
    }

    /// What a scalar says; None for nothing (`~`, `null`).
    pub fn text(self) -> Option<&'y str> {
        match self.kind() {
            Kind::Scalar(text, ScalarStyle::Plain)
                if matches!(text.as_str(), "~" | "null" | "") =>
            {
                None
            }
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The notation of a scalar's inside.
    fn coat(self) -> Coat {
        match self.kind() {
            Kind::Scalar(_, ScalarStyle::SingleQuoted) => Coat::Single,
            Kind::Scalar(_, ScalarStyle::DoubleQuoted) => Coat::Json,
            Kind::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded) => Coat::Block,
            _ => Coat::Plain,
        }
    }

    /// A scalar's text with the way back to its bytes.
    pub fn inner(self) -> Option<Inner> {
        Some(Inner::aligned(self.yaml.text, self.range(), self.text()?, self.coat()))
    }

    /// A scalar as a word, of no text where nothing stands.
    pub fn word(self) -> Option<Word> {
        if !matches!(self.kind(), Kind::Scalar(..)) {
            return None;
        }
        let (range, coat) = match self.coat() {
            Coat::Block => (self.block(), Coat::Plain),
            coat => (self.range(), coat),
        };
        let range = if range.is_empty() { self.behind_colon(range) } else { range };
        let text = self.text().unwrap_or_default().to_string();
        Some(Word { text, range, dynamic: false, dress: Dress::Item(coat) })
    }

    /// The bytes of a block's text from its `|` or `>`, without the white space behind.
    fn block(self) -> Range<usize> {
        let (text, lines) = (self.yaml.text, self.range());
        let head = text[..lines.start].trim_end();
        let line = head.rfind('\n').map_or(0, |n| n + 1);
        let mark = head[line..]
            .match_indices(['|', '>'])
            .find(|(at, _)| head[..line + at].ends_with(char::is_whitespace));
        let start = mark.map_or(lines.start, |(at, _)| line + at);
        start..start + text[start..lines.end].trim_end().len()
    }

    /// Nothing, as the value of a key, stands behind the colon.
    fn behind_colon(self, range: Range<usize>) -> Range<usize> {
        let rest = &self.yaml.text[range.start..];
        let blank = rest.len() - rest.trim_start().len();
        if !rest[blank..].starts_with(':') {
            return range;
        }
        range.start + blank + 1..range.start + blank + 1
    }
}
