//! Several processes of one container, in a file that is read without a parser's weight: a line for
//! each, in the order in which they start.
//!
//! ```text
//! # comment
//! fpm (listens): php-fpm --nodaemonize
//! nginx: nginx -g 'daemon off;'
//! mails (optional): php artisan queue:work
//! ```
//!
//! `listens`: the next one starts when this one listens. `optional`: its end is not the container's.
//! Words are split as a shell does, and nothing in them is replaced.

use crate::fill::find;
use std::ffi::OsString;
use std::path::Path;

/// One process.
#[derive(Debug, Default, PartialEq)]
pub struct Entry {
    /// Its name; empty for the command of a container with no table.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Whether the others go on when it has ended.
    pub optional: bool,
    /// Whether the next one waits until it listens.
    pub listens: bool,
}

/// Reads the file.
///
/// # Errors
/// What is wrong where, with the remedy.
pub fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let shown = path.display();
    let text = find::small(path).map_err(|error| format!("{shown}: {error}"))?;
    let text = text.ok_or_else(|| format!("{shown}: no text file of some kB"))?;
    let mut entries = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what| format!("{shown}:{}: {what}", at.saturating_add(1));
        entries.push(entry(line).map_err(wrong)?);
    }
    match entries.first() {
        None => Err(format!("{shown}: no process; write a line such as `web: gunicorn app:app`")),
        Some(first) if first.optional => {
            Err(format!("{shown}: `{}` comes first and cannot be optional", first.name))
        }
        Some(_) => Ok(entries),
    }
}

fn entry(line: &str) -> Result<Entry, String> {
    let form = || "a process is written `NAME: COMMAND` or `NAME (listens, optional): COMMAND`";
    let (head, command) = line.split_once(':').ok_or_else(form)?;
    let (name, marks) = match head.split_once('(') {
        Some((name, marks)) => (name.trim(), marks.trim_end().strip_suffix(')').ok_or_else(form)?),
        None => (head.trim(), ""),
    };
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(form().into());
    }
    let command: Vec<OsString> = words(command)?.into_iter().map(Into::into).collect();
    if command.is_empty() {
        return Err(format!("`{name}` has no command"));
    }
    let mut entry = Entry { name: name.into(), command, ..Entry::default() };
    for mark in marks.split(',').map(str::trim).filter(|mark| !mark.is_empty()) {
        match mark {
            "listens" => entry.listens = true,
            "optional" => entry.optional = true,
            _ => return Err(format!("`{mark}` is neither `listens` nor `optional`")),
        }
    }
    Ok(entry)
}

/// Words as a shell splits them: blanks, `'…'`, `"…"`, `\`.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => all.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    if let Some(open) = quote {
        return Err(format!("a {open} is not closed"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_a_process() {
        let fpm = entry("fpm (listens): php-fpm --nodaemonize").unwrap();
        assert!(fpm.listens && !fpm.optional && fpm.name == "fpm");
        let nginx = entry("nginx: nginx -g 'daemon off;' -e \"/dev/std\"err a\\ b ''").unwrap();
        assert_eq!(nginx.command, ["nginx", "-g", "daemon off;", "-e", "/dev/stderr", "a b", ""]);
        assert!(entry("jobs (optional,listens): x").unwrap().optional);
        for (line, part) in [
            ("nginx", "NAME: COMMAND"),
            ("a b: x", "NAME: COMMAND"),
            ("web:", "`web` has no command"),
            ("web: sh -c 'x", "a ' is not closed"),
            ("web (ready): x", "`ready` is neither"),
        ] {
            assert!(entry(line).unwrap_err().contains(part), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in ".{0,60}") {
            let _ = entry(&line);
        }

        #[test]
        fn words_in_quotes_stay_as_they_are(all in prop::collection::vec("[a-z \\\\;#]{0,8}", 1..4)) {
            let line: Vec<String> = all.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(words(&line.join(" ")), Ok(all));
        }
    }
}
