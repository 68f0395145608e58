//! Sections of `key = value` lines whose values are taken as they stand: supervisord, systemd and
//! s6 units, uWSGI, files of environment variables. Continued lines are joined.
//!
//! Sources: <http://supervisord.org/configuration.html>,
//! <https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html>.

use super::expand::Piece;
use super::tree::{Node, Value};
use super::word::Inner;
use std::ops::Range;

/// A section; the first has no name where keys stand before any header.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: String,
    /// From its header on.
    pub range: Range<usize>,
    /// In order; a key may stand more than once.
    pub keys: Vec<(String, Node)>,
}

impl Section {
    /// The last value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.keys.iter().rev().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// All values of a key.
    pub fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s Node> {
        self.keys.iter().filter(move |(name, _)| name == key).map(|(_, node)| node)
    }
}

/// The sections of a text. A line that is none of a section's is left out.
pub fn parse(text: &str, file: usize) -> Vec<Section> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut sections = vec![Section { name: String::new(), range: mark..mark, keys: Vec::new() }];
    // The pieces of the value that is being read, with its key.
    let mut open: Option<(String, Vec<Range<usize>>)> = None;
    let mut continued = false;
    let mut at = mark;
    for raw in text[mark..].split_inclusive('\n') {
        let start = at;
        at += raw.len();
        let line = raw.trim_end();
        let body = line.trim_start();
        let from = start + line.len() - body.len();
        let indented = from > start && open.is_some();
        if body.is_empty() || body.starts_with(['#', ';']) {
            continued &= !body.is_empty();
            continue;
        }
        if continued || (indented && !body.contains('=')) {
            let pieces = open.as_mut().map(|(_, pieces)| pieces);
            continued = body.ends_with('\\');
            let end = from + body.len() - usize::from(continued);
            if let Some(pieces) = pieces {
                pieces.push(from..end);
            }
            continue;
        }
        close(text, file, open.take(), &mut sections);
        if let Some(name) = body.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name = name.trim().to_string();
            sections.push(Section { name, range: from..from + body.len(), keys: Vec::new() });
        } else if let Some(equals) =
            body.find(['=', ':']).filter(|n| body.as_bytes()[*n] == b'=' || !body.contains('='))
        {
            let key = body[..equals].trim().trim_start_matches("export ").trim().to_string();
            let value = body[equals + 1..].trim_start();
            continued = value.ends_with('\\');
            let begin = from + body.len() - value.len();
            let end = begin + value.len() - usize::from(continued);
            open = Some((key, std::iter::once(begin..end).collect()));
        }
    }
    close(text, file, open, &mut sections);
    sections.retain(|section| !section.name.is_empty() || !section.keys.is_empty());
    sections
}

fn close(text: &str, file: usize, open: Option<(String, Vec<Range<usize>>)>, to: &mut [Section]) {
    let (Some((key, pieces)), Some(section)) = (open, to.last_mut()) else { return };
    let (mut value, mut places) = (String::new(), Vec::new());
    for piece in &pieces {
        // supervisord and systemd end a value before a comment that stands behind it.
        let piece =
            comment(&text[piece.clone()]).map_or(piece.clone(), |n| piece.start..piece.start + n);
        if !value.is_empty() {
            value.push('\n');
            places.push(piece.start.saturating_sub(1));
        }
        value.push_str(&text[piece.clone()]);
        places.extend(piece);
    }
    let start = pieces.first().map_or(0, |range| range.start);
    let end = pieces.last().map_or(0, |range| range.end);
    places.push(places.last().map_or(start, |at| at + 1));
    let mut node = Node::new(Value::Text(value), file, start..end);
    node.places = Some(places.into());
    section.keys.push((key, node));
}

/// Where ` ;` begins a comment behind a value.
fn comment(value: &str) -> Option<usize> {
    let at = value.find(" ;").or_else(|| value.find("\t;"))?;
    let quotes = value[..at].matches(['"', '\'']).count();
    quotes.is_multiple_of(2).then(|| value[..at].trim_end().len())
}

/// supervisord's `%(ENV_NAME)s` as a shell's `${NAME}`, and its own `%(name)s` likewise: the two have
/// the same words then, and the same variables.
pub fn in_shell_words(inner: &Inner) -> Inner {
    let (mut pieces, mut at) = (Vec::new(), 0);
    while let Some(found) = inner.text[at..].find("%(") {
        let start = at + found;
        let name = inner.text[start + 2..].split_once(")s").map(|(name, _)| name);
        let Some(name) = name.filter(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        else {
            break;
        };
        let end = start + 2 + name.len() + 2;
        let variable = format!("${{{}}}", name.strip_prefix("ENV_").unwrap_or(name));
        pieces.push(Piece { range: at..start, becomes: None });
        pieces.push(Piece { range: start..end, becomes: Some(variable) });
        at = end;
    }
    pieces.push(Piece { range: at..inner.text.len(), becomes: None });
    inner.replaced(&pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn supervisord_and_systemd() {
        let text = "\u{feff}[program:web]\r\ncommand = gunicorn \\\r\n  -w 4 ; how\r\nenvironment=A=\"1;2\",\r\n    B=2\r\n;stopwaitsecs=3\r\n\r\n[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n";
        let sections = parse(text, 4);
        let value = |section: usize, key| sections[section].get(key).and_then(Node::text);
        assert_eq!(sections[0].name, "program:web");
        assert!(value(0, "command").unwrap().starts_with("gunicorn "));
        assert!(value(0, "command").unwrap().ends_with("-w 4"));
        assert!(value(0, "environment").unwrap().starts_with("A=\"1;2\","));
        assert_eq!(value(0, "stopwaitsecs"), None);
        assert_eq!(sections[1].all("ExecStart").count(), 2);
        let inner = sections[0].get("command").unwrap().inner().unwrap();
        let at = inner.text.find("-w").unwrap();
        assert!(text[inner.places()[at]..].starts_with("-w 4"));
    }

    #[test]
    fn supervisords_variables_are_a_shells() {
        let text = "php %(ENV_ROOT)s/artisan octane:start -n %(process_num)s %(a b)s";
        let words = in_shell_words(&Inner::verbatim(text, 0..text.len()));
        assert_eq!(words.text, "php ${ROOT}/artisan octane:start -n ${process_num} %(a b)s");
        let at = words.text.find("octane").unwrap();
        assert!(text[words.places()[at]..].starts_with("octane:start"));
        let unclosed = Inner::verbatim("%(ENV", 0..5);
        assert_eq!(in_shell_words(&unclosed).text, "%(ENV");
    }

    #[test]
    fn variables() {
        let sections = parse("# x\nexport A=1\nB='x y'\n", 0);
        assert_eq!(sections[0].get("A").unwrap().text().unwrap(), "1");
        assert_eq!(sections[0].get("B").unwrap().text().unwrap(), "'x y'");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-c=;#\\[\\]'\"\\\\$: \r\nü\u{feff}]{0,60}") {
            for (_, node) in parse(&text, 0).iter().flat_map(|s| &s.keys) {
                prop_assert!(text.get(node.span.range.clone()).is_some());
                let inner = node.inner().unwrap();
                prop_assert_eq!(inner.places().len(), inner.text.len() + 1);
            }
        }
    }
}
