//! What a service's own JavaScript says of a variable that nothing but it reads: whether it does,
//! and what it takes where nothing sets it. Texts are searched, not parsed: what is not written in
//! one of the usual ways stays unknown.

use crate::walk;
use knee_core::sourced::Sourced;
use std::path::Path;

/// Extensions of files that are searched.
const SOURCES: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "json"];
/// More files are not searched: a knob that might do nothing is then offered.
const MOST: usize = 5000;
/// An alternative further behind a variable, bytes, is none of it.
const NEAR: usize = 200;
/// How a program asks for the CPUs that it sees.
/// Source: <https://nodejs.org/api/os.html>.
const CPUS: [&str; 2] = ["cpus().length", "availableParallelism()"];

/// What the source says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// No file names the variable.
    Nothing,
    /// A file names it; with what is taken in its place, where that can be told.
    Read(Option<Sourced<i64>>),
    /// No file names it, and one forks a process for each CPU that it sees.
    Forks(Sourced<i64>),
}

/// What the files of a folder say of a variable, where a program sees so many CPUs.
pub(super) fn says(root: &Path, name: &str, cpus: u32) -> Said {
    let mut said = Said::Nothing;
    for (searched, path) in walk::files(root, &SOURCES, usize::MAX).enumerate() {
        if searched == MOST {
            return Said::Read(None);
        }
        let Some(text) = crate::view::read_text(&path, &path).ok().flatten() else { continue };
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let at =
            |(value, at)| Sourced::from_file(value, shown.clone(), crate::text::line(&text, at));
        if text.contains(name) {
            match alternative(&text, name, cpus) {
                Some(found) => return Said::Read(Some(at(found))),
                None => said = Said::Read(None),
            }
        } else if said == Said::Nothing
            && text.contains("cluster")
            && text.contains(".fork(")
            && let Some(counted) = CPUS.iter().find_map(|count| text.find(count))
        {
            said = Said::Forks(at((cpus.into(), counted)));
        }
    }
    said
}

/// What is taken where the variable is not set, with the place of the variable.
fn alternative(text: &str, name: &str, cpus: u32) -> Option<(i64, usize)> {
    text.match_indices(name).find_map(|(at, _)| {
        let rest = &text[at + name.len()..];
        let near = (0..=NEAR.min(rest.len())).rev().find(|end| rest.is_char_boundary(*end))?;
        let statement = rest[..near].split(';').next()?;
        let operator =
            |sign: &str| statement.find(sign).map(|found| &statement[found + sign.len()..]);
        let behind = operator("||").or_else(|| operator("??")).or_else(|| {
            let (_, chosen) = statement.split_once('?')?;
            Some(chosen.split_once(" : ")?.1)
        })?;
        Some((number(behind, text, cpus)?, at))
    })
}

/// A number, the CPUs that are seen, or what a name stands for that is one of them.
fn number(expression: &str, text: &str, cpus: u32) -> Option<i64> {
    // What is opened before the alternative is closed behind it: `Number(a || 2)`.
    let expression =
        expression.split([',', '\n', '}', ']']).find(|part| !part.trim().is_empty())?;
    let bare = expression.trim().trim_matches(['"', '\'', '`']);
    if CPUS.iter().any(|count| {
        let behind = bare.split_once(count).map(|(before, behind)| (before.trim(), behind.trim()));
        behind.is_some_and(|(before, behind)| {
            let asks = ["os.", "require('os').", "require(\"os\").", "require('node:os').", ""];
            asks.contains(&before) && behind.chars().all(|c| c == ')')
        })
    }) {
        return Some(cpus.into());
    }
    let word = bare.trim_end_matches([')', ' ', '"', '\'', '`']);
    if let Ok(number) = word.parse() {
        return Some(number);
    }
    let is_name = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_$".contains(c));
    let set = text.match_indices(word).filter(|_| is_name).find_map(|(at, _)| {
        let begins = text[..at].chars().next_back().is_none_or(char::is_whitespace);
        let behind = text[at + word.len()..].trim_start().strip_prefix('=')?;
        (begins && !behind.starts_with('=')).then_some(behind)
    })?;
    let value = set.split([';', '\n']).next()?;
    CPUS.iter().any(|count| value.trim_end().ends_with(count)).then(|| cpus.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::sourced::Origin;
    use proptest::prelude::*;
    use std::fs;

    const NAME: &str = "WEB_CONCURRENCY";

    #[test]
    fn what_is_taken_where_nothing_is_set() {
        for (text, taken) in [
            ("const n = process.env.WEB_CONCURRENCY || os.cpus().length;", Some(6)),
            ("n = process.env.WEB_CONCURRENCY ?? os.availableParallelism()", Some(6)),
            ("let n = Number(process.env.WEB_CONCURRENCY || 3)\nfork(n)", Some(3)),
            (
                "n = parseInt(process.env['WEB_CONCURRENCY'], 10) || require('os').cpus().length",
                Some(6),
            ),
            ("n = process.env.WEB_CONCURRENCY ? +process.env.WEB_CONCURRENCY : 2;", Some(2)),
            (
                "const cpus = os.cpus().length;\nn = process.env.WEB_CONCURRENCY ||\n  cpus;",
                Some(6),
            ),
            (
                "throng({ workers: process.env.WEB_CONCURRENCY || '1', lifetime: Infinity })",
                Some(1),
            ),
            ("n = process.env.WEB_CONCURRENCY || Math.min(4, os.cpus().length)", None),
            ("n = process.env.WEB_CONCURRENCY || os.cpus().length * 2", None),
            ("n = process.env.WEB_CONCURRENCY; m = x || 2", None),
            ("n = process.env.WEB_CONCURRENCY || count", None),
            ("WEB_CONCURRENCY", None),
        ] {
            assert_eq!(alternative(text, NAME, 6).map(|(n, _)| n), taken, "{text}");
        }
    }

    #[test]
    fn the_file_and_the_line_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let says = || says(dir.path(), NAME, 2);
        write("node_modules/x/a.js", "process.env.WEB_CONCURRENCY || 7");
        assert_eq!(says(), Said::Nothing);
        write(
            "src/server.js",
            "import cluster from 'cluster';\nfor (const c of os.cpus()) cluster.fork()",
        );
        assert_eq!(says(), Said::Nothing, "not counted in a way that is known");
        write(
            "src/server.js",
            "import cluster from 'cluster';\nn = os.cpus().length\ncluster.fork()",
        );
        let at =
            |value, line| Sourced::new(value, Origin::File { path: "src/server.js".into(), line });
        assert_eq!(says(), Said::Forks(at(2, 2)));
        write("index.js", "// WEB_CONCURRENCY");
        assert_eq!(says(), Said::Read(None));
        write("src/server.js", "\nn = process.env.WEB_CONCURRENCY || 4");
        assert_eq!(says(), Said::Read(Some(at(4, 2))));
    }

    proptest! {
        #[test]
        fn any_text_is_searched(text in "(WEB_CONCURRENCY|\\|\\||\\?|:|;|=|[a-zü0-9 \n()'.]){0,40}") {
            let _ = alternative(&text, NAME, 2);
        }
    }
}
