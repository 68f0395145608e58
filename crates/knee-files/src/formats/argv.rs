//! Command lines: finds an option among words and turns it. `--workers 4`, `--workers=4`, `-w 4`,
//! `-w4`; the last of several wins, as programs have it. An option may name what it sets in a word of
//! its own (`--setting pool 4`) or up to a sign (`-Dpool=4`).

/// Where an option stands among words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the word that holds the value.
    pub index: usize,
    /// What that word says before the value: `--workers=`, `-w` or nothing.
    pub before: String,
    /// The value.
    pub value: String,
}

/// A change of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The word at this index says something else.
    Replace(usize, String),
    /// New words stand at this index.
    Insert(usize, Vec<String>),
}

impl Change {
    /// Makes the change.
    pub fn apply(self, words: &mut Vec<String>) {
        match self {
            Change::Replace(index, word) => words[index] = word,
            Change::Insert(at, new) => {
                words.splice(at..at, new);
            }
        }
    }
}

/// The option among `words`, the last one where it stands twice.
pub fn find<S: AsRef<str>>(words: &[S], long: &str, short: Option<&str>) -> Option<Found> {
    let names = [Some(long), short];
    if let Some((option, key)) = long.split_once(' ') {
        let at = |index: &usize| {
            same(words[*index].as_ref(), option) && words[index + 1].as_ref() == key
        };
        let index = (0..words.len().saturating_sub(2)).rev().find(at)? + 2;
        let value = words[index].as_ref().into();
        return Some(Found { index, before: String::new(), value });
    }
    let at = |index: usize| -> Option<Found> {
        let word = words[index].as_ref();
        if names.iter().flatten().any(|name| same(word, name)) {
            let value = words.get(index + 1)?.as_ref();
            return Some(Found { index: index + 1, before: String::new(), value: value.into() });
        }
        let (before, value) = joined(word, long.strip_suffix('=').unwrap_or(long), short)?;
        Some(Found { index, before: before.into(), value: value.into() })
    };
    (0..words.len()).rev().find_map(at)
}

/// V8 takes `--max_old_space_size` for `--max-old-space-size`; no known option differs only there.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes().zip(b.bytes()).all(|(a, b)| a == b || matches!((a, b), (b'_', b'-')))
}

fn joined<'a>(word: &'a str, long: &str, short: Option<&str>) -> Option<(&'a str, &'a str)> {
    if let Some(at) = word.find('=').filter(|at| same(&word[..*at], long)) {
        return Some(word.split_at(at + 1));
    }
    let short = short?;
    let rest = word.strip_prefix(short)?;
    let value = rest.strip_prefix('=').unwrap_or(rest);
    // `-w4` is joined; `-worker` would be another option.
    let told = rest != value || value.starts_with('$') || value.bytes().all(|b| b.is_ascii_digit());
    (!value.is_empty() && told).then(|| word.split_at(word.len() - value.len()))
}

/// How the option is turned to `value`: where it stands, else as new words at `insert`.
pub fn turn<S: AsRef<str>>(
    words: &[S],
    (long, short): (&str, Option<&str>),
    value: &str,
    insert: usize,
) -> Change {
    match find(words, long, short) {
        Some(found) => Change::Replace(found.index, format!("{}{value}", found.before)),
        None if long.ends_with('=') => Change::Insert(insert, vec![format!("{long}{value}")]),
        None => {
            let words = long.split(' ').chain([value]);
            Change::Insert(insert, words.map(String::from).collect())
        }
    }
}

/// What a line may begin with that no program is.
const BUILTINS: [&str; 10] =
    ["exec", "cd", "export", "set", "unset", "eval", "source", ".", "ulimit", "trap"];

/// A command as people write it in one line: program and arguments, or a shell's text where it
/// needs a shell.
pub fn command_line(text: &str) -> Vec<String> {
    let shell = text.contains([';', '&', '|', '<', '>', '$', '`', '(', '\n', '*', '?']);
    let first = text.split_whitespace().next().unwrap_or_default();
    let builtin = first.contains('=') || BUILTINS.contains(&first);
    match shlex::split(text).filter(|words| !shell && !builtin && !words.is_empty()) {
        Some(words) => words,
        None => vec!["/bin/sh".into(), "-c".into(), text.into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(String::from).collect()
    }

    #[test]
    fn every_way_to_write_an_option() {
        for (text, turned) in [
            ("g --workers 5 app", "g --workers 8 app"),
            ("g --workers=5 app", "g --workers=8 app"),
            ("g -w 5 app", "g -w 8 app"),
            ("g -w5 app", "g -w8 app"),
            ("g -w=5 app", "g -w=8 app"),
            ("g -w 2 -w 5 app", "g -w 2 -w 8 app"),
            ("g -w${N:-4} app", "g -w8 app"),
            ("g -worker app", "g --workers 8 -worker app"),
        ] {
            let mut argv = words(text);
            turn(&argv, ("--workers", Some("-w")), "8", 1).apply(&mut argv);
            assert_eq!(argv, words(turned), "{text}");
        }
        for (text, long, turned) in [
            ("d serve --setting pool 3", "--setting pool", "d serve --setting pool 8"),
            (
                "d --setting x 1 --setting pool 3 y",
                "--setting pool",
                "d --setting x 1 --setting pool 8 y",
            ),
            ("d serve --setting pool", "--setting pool", "d --setting pool 8 serve --setting pool"),
            ("java -Dpool=3 -jar a", "-Dpool=", "java -Dpool=8 -jar a"),
            ("java -jar a", "-Dpool=", "java -Dpool=8 -jar a"),
        ] {
            let mut argv = words(text);
            turn(&argv, (long, None), "8", 1).apply(&mut argv);
            assert_eq!(argv, words(turned), "{text}");
        }
        let found = find(&words("node --max_old_space_size=300 x"), "--max-old-space-size", None);
        assert_eq!(found.unwrap().value, "300");
    }

    #[test]
    fn a_shell_is_taken_where_one_is_needed() {
        assert_eq!(command_line("gunicorn -b '127.0.0.1:80' app:app").len(), 4);
        for text in ["exec a", "a && b", "PORT=1 a", "a $PORT", "a 'unclosed"] {
            assert_eq!(command_line(text)[..2], ["/bin/sh", "-c"], "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_turned_option_is_found(argv in proptest::collection::vec("(-w|--workers|--workers=3|-w7|x|4|-b)", 1..8), n in 1..99i64) {
            let mut turned = argv.clone();
            turn(&argv, ("--workers", Some("-w")), &n.to_string(), 1).apply(&mut turned);
            prop_assert_eq!(find(&turned, "--workers", Some("-w")).unwrap().value, n.to_string());
        }
    }
}
