//! `$NAME`, `${NAME:-default}` and `${NAME:=default}` as Dockerfile, compose and shell write them.

use std::ops::Range;

/// A part of a text and what it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub range: Range<usize>,
    /// None where it stays as it is.
    pub becomes: Option<String>,
}

/// `text` with its variables replaced. A name that `value` does not know becomes its default, or
/// nothing. What is more than a plain name (`$(…)`, `${N%x}`) is left as it is.
pub fn expand(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let pieces = pieces(text, value).into_iter();
    pieces.map(|p| p.becomes.unwrap_or_else(|| text[p.range].into())).collect()
}

/// The parts of [`expand`]'s answer.
pub fn pieces(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = at + text[at..].find('$').unwrap_or(text.len() - at);
        let Some((name, default, length)) = variable(&text[end..]) else {
            let end = (end + 1).min(text.len());
            pieces.push(Piece { range: at..end, becomes: None });
            at = end;
            continue;
        };
        let found = value(name).filter(|v| !v.is_empty());
        let becomes = found.or(default.map(String::from)).unwrap_or_default();
        pieces.push(Piece { range: at..end, becomes: None });
        pieces.push(Piece { range: end..end + length, becomes: Some(becomes) });
        at = end + length;
    }
    pieces
}

/// The variable that `text` begins with: its name, its default and its length.
pub fn variable(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let name =
        |t: &str| t.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(t.len());
    let after = text.strip_prefix('$')?;
    let Some(braced) = after.strip_prefix('{') else {
        let length = name(after);
        let proper = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        return proper.then(|| (&after[..length], None, 1 + length));
    };
    let length = name(braced);
    let tail = &braced[length..];
    let close = tail.find('}')?;
    let default = match &tail[..close] {
        "" => None,
        // `${N:=4}` sets it as well.
        given => Some([":-", "-", ":=", "="].iter().find_map(|sign| given.strip_prefix(sign))?),
    };
    (length > 0).then(|| (&braced[..length], default, 3 + length + close))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_and_their_defaults() {
        let value = |name: &str| (name == "PORT").then(|| "80".to_string());
        for (text, expanded) in [
            ("0:$PORT/x", "0:80/x"),
            ("${PORT}", "80"),
            ("${WORKERS:-4}", "4"),
            ("${WORKERS-4}$X.", "4."),
            ("$(nproc) $$ ${A%b}", "$(nproc) $$ ${A%b}"),
            ("$", "$"),
        ] {
            assert_eq!(expand(text, &value), expanded, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_expanded(text in "[${}A-Z:ü()-]{0,30}") {
            expand(&text, &|_| None);
        }
    }
}
