//! The files that say what is deployed, and where a computed value is written in them.

use crate::formats::tree::{Node, Value};
use crate::formats::word::{Coat, Dress, Inner, Word, quoted};
use crate::formats::{CommandText, Entry};
use crate::text::line;
use knee_core::sourced::{Origin, Sourced};
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The files that say something, a tool's own and those that it names.
#[derive(Default)]
pub(super) struct Files(RefCell<Vec<(PathBuf, String)>>);

impl Files {
    /// The number of a file.
    pub fn add(&self, path: &Path, text: &str) -> usize {
        let mut files = self.0.borrow_mut();
        files.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            files.push((path.into(), text.into()));
            files.len() - 1
        })
    }

    pub fn origin(&self, node: &Node) -> Option<Origin> {
        let files = self.0.borrow();
        let (path, text) = files.get(node.span.file)?;
        let line = line(text, node.span.range.start);
        Some(Origin::File { path: path.display().to_string(), line })
    }

    pub fn sourced<T>(&self, node: &Node, read: impl Fn(&Node) -> Option<T>) -> Option<Sourced<T>> {
        Some(Sourced::new(read(node)?, self.origin(node)?))
    }

    /// A text or number that stands in its place as it is.
    pub fn entry(&self, node: &Node) -> Option<(PathBuf, Entry)> {
        let value = known(node)?;
        let files = self.0.borrow();
        let (path, text) = files.get(node.span.file)?;
        let range = node.span.range.clone();
        // Some readers take a text without its quotes.
        let wider = range.start.saturating_sub(1)..range.end + 1;
        let coat = |range: &Range<usize>| written(text, range, &value);
        let in_quotes = |range: &Range<usize>| coat(range).filter(|coat| *coat != Coat::Literal);
        let (range, coat) = match (in_quotes(&wider), coat(&range)) {
            (Some(coat), _) => (wider, coat),
            (None, Some(coat)) => (range, coat),
            (None, None) => return None,
        };
        let yaml = path
            .extension()
            .is_some_and(|end| ["yml", "yaml", "template"].iter().any(|e| end == *e));
        let coat = if coat == Coat::Literal && yaml { Coat::PlainNumber } else { coat };
        let word = Word { text: value, range, dynamic: false, dress: Dress::Item(coat) };
        Some((path.clone(), Entry::of(text, word)))
    }

    /// Words of a file as a command.
    pub fn command(&self, path: &Path, words: Vec<Word>) -> Option<CommandText> {
        let files = self.0.borrow();
        let (_, text) = files.iter().find(|(known, _)| known == path)?;
        let inner = |word: &Word| {
            let coat = match word.dress {
                Dress::Item(coat) | Dress::Shell(coat) => coat,
            };
            Inner::aligned(text, word.range.clone(), &word.text, coat)
        };
        Some(CommandText::list(text, words, inner))
    }
}

/// How a value is written in a range of a file, if it is.
fn written(text: &str, range: &Range<usize>, value: &str) -> Option<Coat> {
    let raw = text.get(range.clone())?;
    let coats = [
        (quoted(value), Coat::Json),
        (format!("'{}'", value.replace('\'', "''")), Coat::Single),
        (value.to_string(), Coat::Literal),
    ];
    coats.into_iter().find(|(written, _)| written == raw).map(|(_, coat)| coat)
}

/// A scalar whose every part is known.
pub(super) fn known(node: &Node) -> Option<String> {
    let known = !matches!(node.value, Value::Unknown(_) | Value::Reference(_));
    node.text().filter(|text| known && !text.contains("${"))
}
