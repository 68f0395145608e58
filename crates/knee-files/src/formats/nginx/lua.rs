//! The end of a block of Lua in nginx's configuration, where nginx's own words mean nothing.

/// Length of the Lua code up to the `}` that closes its block; comments and strings may hold braces.
pub(super) fn block(code: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(c) = code[at..].chars().next() {
        let rest = &code[at..];
        at += if let Some(comment) = rest.strip_prefix("--") {
            2 + long_bracket(comment).or(comment.find('\n')).unwrap_or(comment.len())
        } else if let Some(length) = long_bracket(rest) {
            length
        } else if matches!(c, '"' | '\'') {
            string(rest, c)
        } else {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => return Some(at),
                '}' => depth -= 1,
                _ => {}
            }
            c.len_utf8()
        };
    }
    None
}

/// Length of a string in quotes, or of the rest of its line.
fn string(code: &str, quote: char) -> usize {
    let mut chars = code.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '\n' => return at,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Length of `[[…]]` or `[==[…]==]`, if the code begins with one.
fn long_bracket(code: &str) -> Option<usize> {
    let level = code.strip_prefix('[')?.bytes().take_while(|b| *b == b'=').count();
    code[level + 1..].strip_prefix('[')?;
    let close = format!("]{}]", "=".repeat(level));
    Some(code.find(&close).map_or(code.len(), |at| at + close.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_strings_and_comments_close_nothing() {
        for (code, length) in [
            (" } x", Some(1)),
            ("t = { 1 } } x", Some(10)),
            ("'}' \"\\\"}\" }", Some(10)),
            ("-- }\n--[[ }\n}]] }", Some(16)),
            ("[=[ ]] } ]=] }", Some(13)),
            ("'open }\n }", Some(9)),
            ("{ }", None),
            ("[[ }", None),
        ] {
            assert_eq!(block(code), length, "{code}");
        }
    }
}
