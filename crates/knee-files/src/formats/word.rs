//! Words of a command inside a file: what they say, where they stand, and how to write another
//! there. A word may wear two coats: quotes of the shell inside a string of JSON or YAML.

use super::expand::Piece;
use crate::text::{Edit, line};
use std::fmt;
use std::ops::Range;

/// The notation that a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coat {
    /// As it is.
    Verbatim,
    /// A string of JSON or of TOML's basic kind, in double quotes.
    Json,
    /// A scalar of YAML without quotes, inside `[]` or on a line of its own.
    Plain,
    /// The same, where a number may stand as well as a text.
    PlainNumber,
    /// In single quotes, which are doubled inside.
    Single,
    /// Lines of a YAML block or of a literal TOML string: nothing is escaped.
    Block,
    /// A value of PHP's INI.
    Ini,
    /// An argument of nginx.
    Nginx,
    /// A number, or a string in double quotes: of Python, of Terraform.
    Literal,
}

impl Coat {
    /// How `text` is written inside this coat, its quotes excluded.
    fn inside(self, text: &str) -> String {
        match self {
            Coat::Json => escape_json(text),
            Coat::Single => text.replace('\'', "''"),
            _ => text.into(),
        }
    }

    fn quote(self) -> Option<char> {
        match self {
            Coat::Json => Some('"'),
            Coat::Single => Some('\''),
            _ => None,
        }
    }

    /// How many bytes before the next `c` are not part of the value: those of folded lines.
    fn skipped(self, raw: &str, c: char) -> usize {
        let escape = |r: char| self == Coat::Json && r == '\\';
        let says = |r: char| r == c || (c.is_whitespace() && r.is_whitespace()) || escape(r);
        raw.find(|r: char| says(r) || !r.is_whitespace()).unwrap_or(raw.len())
    }

    /// How many bytes say `c`.
    fn written(self, raw: &str) -> usize {
        let mut chars = raw.chars();
        match (self, chars.next(), chars.next()) {
            (Coat::Json, Some('\\'), Some(second)) => match second {
                'u' => behind(raw, 6),
                'x' => behind(raw, 4),
                second => 1 + second.len_utf8(),
            },
            (Coat::Single, Some('\''), Some('\'')) => 2,
            (_, Some(first), _) => first.len_utf8(),
            (_, None, _) => 0,
        }
    }

    /// How `text` is written as an item of a list.
    pub fn item(self, text: &str) -> String {
        match self {
            Coat::Single => format!("'{}'", self.inside(text)),
            Coat::Plain | Coat::PlainNumber if plain_is_safe(text) => text.into(),
            Coat::PlainNumber if text.parse::<i64>().is_ok_and(|n| n.to_string() == text) => {
                text.into()
            }
            Coat::Verbatim | Coat::Block => text.into(),
            Coat::Ini => super::ini::literal(text),
            Coat::Nginx => super::nginx::literal(text),
            Coat::Literal => super::python::literal(text),
            _ => quoted(text),
        }
    }
}

/// `text` as a string of JSON.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escape_json(text))
}

fn escape_json(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Whether YAML reads `text` without quotes as that very string: no number, no boolean.
fn plain_is_safe(text: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./=".contains(c);
    let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    text.chars().all(harmless)
        && text.chars().any(|c| c.is_ascii_alphabetic())
        && !text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && !text.ends_with('-')
        && (!text.starts_with('-') || text.len() > 1)
        && !word.contains(&text.to_ascii_lowercase().as_str())
}

/// A text taken out of a file, its escapes undone, with the way back to the file's bytes. It may
/// be a secret, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Inner {
    pub text: String,
    pub coat: Coat,
    /// For each byte of `text`, and its end, where it stands in the file.
    offsets: Vec<usize>,
}

impl Inner {
    /// A text with the place of each of its bytes and of its end.
    pub fn with_offsets(text: String, coat: Coat, offsets: Vec<usize>) -> Inner {
        Inner { text, coat, offsets }
    }

    /// For each byte of the text, and its end, where it stands in the file.
    pub fn places(&self) -> &[usize] {
        &self.offsets
    }

    /// A part of the file as it stands.
    pub fn verbatim(file: &str, range: Range<usize>) -> Inner {
        Inner::pieces(file, &[range])
    }

    /// Pieces of the file, joined: what lies between them is left out.
    pub fn pieces(file: &str, pieces: &[Range<usize>]) -> Inner {
        let text = pieces.iter().map(|r| &file[r.clone()]).collect();
        let end = pieces.last().map_or(0, |r| r.end);
        let offsets = pieces.iter().cloned().flatten().chain([end]).collect();
        Inner { text, coat: Coat::Verbatim, offsets }
    }

    /// A string whose value is known: each of its characters is found again in `range` of the
    /// file, where quotes, escapes and the white space of folded lines may lie between.
    pub fn aligned(file: &str, range: Range<usize>, value: &str, coat: Coat) -> Inner {
        let raw = &file[range.clone()];
        let mut at = usize::from(coat.quote().is_some_and(|quote| raw.starts_with(quote)));
        let mut offsets = Vec::with_capacity(value.len() + 1);
        for c in value.chars() {
            at += coat.skipped(&raw[at..], c);
            offsets.extend(std::iter::repeat_n(range.start + at, c.len_utf8()));
            at += coat.written(&raw[at..]);
        }
        offsets.push(range.start + at);
        Inner { text: value.into(), coat, offsets }
    }

    /// A text whose bytes stand at these places of this one, its end at `end`.
    pub fn part(&self, text: String, places: &[usize], end: usize) -> Inner {
        let places = places.iter().chain([&end]);
        Inner { text, coat: self.coat, offsets: places.map(|at| self.offsets[*at]).collect() }
    }

    /// The first byte of the text that stands at this offset of the file, or behind it.
    pub fn place(&self, offset: usize) -> usize {
        self.offsets.partition_point(|known| *known < offset).min(self.text.len())
    }

    /// The text with some of its parts replaced.
    pub fn replaced(&self, pieces: &[Piece]) -> Inner {
        let mut text = String::new();
        let mut offsets = Vec::new();
        for piece in pieces {
            match &piece.becomes {
                Some(new) => {
                    text.push_str(new);
                    offsets.extend(std::iter::repeat_n(self.offsets[piece.range.start], new.len()));
                }
                None => {
                    text.push_str(&self.text[piece.range.clone()]);
                    offsets.extend_from_slice(&self.offsets[piece.range.clone()]);
                }
            }
        }
        offsets.extend(self.offsets.last());
        Inner { text, coat: self.coat, offsets }
    }

    /// Where a part of the text stands in the file.
    pub fn range(&self, part: Range<usize>) -> Range<usize> {
        self.offsets[part.start]..self.offsets[part.end]
    }
}

/// Length of the first `count` characters.
fn behind(raw: &str, count: usize) -> usize {
    raw.char_indices().nth(count).map_or(raw.len(), |(at, _)| at)
}

/// How a word is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// An item of a list.
    Item(Coat),
    /// A word of the shell, in a text of that coat.
    Shell(Coat),
}

/// A word of a command, or a value. It may be a secret, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Word {
    /// What the program gets; `$` expansions are left as they are.
    pub text: String,
    /// Bytes of the file, quotes included.
    pub range: Range<usize>,
    /// Whether the shell expands something in it.
    pub dynamic: bool,
    pub dress: Dress,
}

impl Word {
    /// The 1-based line that it stands in.
    pub fn line(&self, file: &str) -> u32 {
        line(file, self.range.start)
    }

    /// Replaces the word.
    pub fn replace(&self, file: &str, text: &str) -> Edit {
        if self.dynamic
            && let Some(edit) = self.replace_part(file, text)
        {
            return edit;
        }
        self.replace_quoted(file, text)
            .unwrap_or_else(|| Edit::replace(self.range.clone(), self.dressed(text)))
    }

    /// Inside the shell's quotes that the word has, where nothing in them needs others.
    fn replace_quoted(&self, file: &str, text: &str) -> Option<Edit> {
        let Dress::Shell(_) = self.dress else { return None };
        let raw = &file[self.range.clone()];
        let quote = ['"', '\''].into_iter().find(|quote| raw.starts_with(*quote))?;
        let inner = raw[1..].strip_suffix(quote)?;
        let plain = !text.contains(['"', '\'', '\\', '$', '`', '!', '\n']);
        let range = self.range.start + 1..self.range.end - 1;
        (inner == self.text && plain).then(|| Edit::replace(range, text))
    }

    /// Where only the end of a word changes (`"--workers=${N:-4}"`), all before it stays.
    fn replace_part(&self, file: &str, text: &str) -> Option<Edit> {
        let raw = &file[self.range.clone()];
        let same = self.text.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        let same = (0..=same)
            .rev()
            .find(|n| text.is_char_boundary(*n) && self.text.is_char_boundary(*n))?;
        let tail = |t: &str| {
            let (a, b) = (&self.text[same..], &t[same..]);
            a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count()
        };
        let end = tail(text);
        let (old, new) = (&self.text[same..self.text.len() - end], &text[same..text.len() - end]);
        if new != quote(new) && !new.is_empty() {
            return None;
        }
        let context = self.text.get(..self.text.len() - end)?;
        let at = raw.find(context)? + same;
        let start = self.range.start + at;
        Some(Edit::replace(start..start + old.len(), new))
    }

    fn dressed(&self, text: &str) -> String {
        match self.dress {
            Dress::Item(coat) => coat.item(text),
            Dress::Shell(coat) => coat.inside(&quote(text)),
        }
    }

    /// Writes more words behind this one, with the separator that the file uses.
    pub fn append(&self, file: &str, neighbour: Option<&Word>, words: &[String]) -> Edit {
        let separator = self.separator(file, neighbour);
        let text: String =
            words.iter().map(|w| format!("{separator}{}", self.dressed(w))).collect();
        Edit::insert(self.range.end, text)
    }

    fn separator(&self, file: &str, neighbour: Option<&Word>) -> String {
        if let Dress::Shell(_) = self.dress {
            return " ".into();
        }
        let between = neighbour.and_then(|other| {
            let (first, second) =
                if other.range.start < self.range.start { (other, self) } else { (self, other) };
            file.get(first.range.end..second.range.start)
        });
        match between {
            Some(between) if !between.contains('#') && !between.contains('/') => between.into(),
            _ => {
                let start = file[..self.range.start].rfind('\n').map_or(0, |n| n + 1);
                let lead = &file[start..self.range.start];
                let block =
                    lead.trim_start().strip_prefix('-').is_some_and(|r| r.trim().is_empty());
                if block { format!("\n{lead}") } else { ", ".into() }
            }
        }
    }
}

/// A word as the shell needs it; what has no meaning to it is left bare.
pub fn quote(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.into();
    }
    shlex::try_quote(text).map_or_else(|_| text.replace('\0', ""), |quoted| quoted.into_owned())
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.dress, self.range)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.coat, self.offsets.first())
    }
}
