//! Places in a text and edits of it: byte ranges, 1-based lines and columns. Knows no format.

use std::ops::Range;

/// A place in a file as editors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// 1-based line.
    pub line: u32,
    /// 1-based column, counted in characters.
    pub column: u32,
}

impl Position {
    /// Where byte `offset` of `text` stands.
    pub fn of(text: &str, offset: usize) -> Position {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let characters = before[start..].iter().filter(|b| **b & 0xc0 != 0x80).count();
        Position { line: line(text, offset), column: characters as u32 + 1 }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The 1-based line of byte `offset`.
pub fn line(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.iter().filter(|b| **b == b'\n').count() as u32 + 1
}

/// What `range` of a text is replaced by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

impl Edit {
    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Edit {
        Edit { range, text: text.into() }
    }

    pub fn insert(at: usize, text: impl Into<String>) -> Edit {
        Edit { range: at..at, text: text.into() }
    }

    /// The text with the range replaced; all else is unchanged.
    pub fn apply(&self, text: &str) -> String {
        let mut edited = text.to_string();
        edited.replace_range(self.range.clone(), &self.text);
        edited
    }
}

/// The text with every edit made; they do not overlap. Of two at the same place the first comes
/// first.
pub fn apply_all(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.range.start);
    edits.iter().rev().fold(text.to_string(), |text, edit| edit.apply(&text))
}

/// The white space that the line of byte `offset` begins with.
pub fn indent(text: &str, offset: usize) -> &str {
    let start = text[..offset].rfind('\n').map_or(0, |n| n + 1);
    let rest = &text[start..];
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}

/// The line ending that the text uses.
pub fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters() {
        let text = "a\nüb = 1\r\n";
        assert_eq!(Position::of(text, 0).to_string(), "1:1");
        let at = text.find('b').unwrap();
        assert_eq!(Position::of(text, at).to_string(), "2:2");
        assert_eq!(Position::of(text, 999).to_string(), "3:1");
    }

    #[test]
    fn an_edit_leaves_the_rest() {
        assert_eq!(Edit::replace(1..2, "xyz").apply("abc"), "axyzc");
        assert_eq!(Edit::insert(3, "!").apply("abc"), "abc!");
        assert_eq!(indent("a\n  b", 4), "  ");
        assert_eq!(newline("a\r\n"), "\r\n");
    }
}
