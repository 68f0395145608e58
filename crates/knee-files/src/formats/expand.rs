//! `$NAME` and `${NAME:-default}` as Dockerfile, compose and shell write them.

/// `text` with its variables replaced. A name that `value` does not know becomes its default, or
/// nothing. What is more than a plain name (`$(…)`, `${N%x}`) is left as it is.
pub(crate) fn expand(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((name, default, length)) = variable(rest) else {
            out.push('$');
            rest = &rest[1..];
            continue;
        };
        match value(name).filter(|v| !v.is_empty()) {
            Some(found) => out.push_str(&found),
            None => out.push_str(default.unwrap_or_default()),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The variable that `text` begins with: its name, its default and its length.
pub(crate) fn variable(text: &str) -> Option<(&str, Option<&str>, usize)> {
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
        given => Some(given.strip_prefix(":-").or_else(|| given.strip_prefix('-'))?),
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
