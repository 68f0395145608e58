//! The commands that start a service: where each of their words stands, which programs they are, and
//! how a word is written another way there.
//!
//! The same words are followed in the user's files (for patches) and in the arguments of a launch.

mod follow;
mod script;

pub(crate) use follow::{Follower, seen_home};
#[cfg(any(test, fuzzing))]
pub(crate) use script::Script;

use crate::formats::argv::{self, Change};
use crate::formats::word::{Coat, Dress, Word};
use crate::formats::{CommandText, shell};
use crate::program::{self, Files, Recognised};
use crate::text::Edit;
use std::path::PathBuf;

/// Where a word stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Home {
    /// In a file of the user's that states the start, relative to the folder.
    File(PathBuf),
    /// In a file that the service sees: a script, a configuration file.
    Seen {
        /// Absolute, as the service sees it.
        at: PathBuf,
        /// Relative to the user's folder.
        own: Option<PathBuf>,
    },
    /// It is the argument of that index.
    Argument(usize),
    /// In the argument of that index, a text for the shell.
    Text(usize),
}

/// A word, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Homed {
    pub word: Word,
    pub home: Home,
}

/// A simple command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Command {
    /// `NAME=value` before the program, or alone.
    pub assignments: Vec<(String, Homed)>,
    /// The program and its arguments.
    pub words: Vec<Homed>,
    /// The commands that take the place of `"$@"` in the script that this one starts.
    pub arguments: Vec<Command>,
}

impl Command {
    /// What the words say.
    pub fn argv(&self) -> Vec<String> {
        self.words.iter().map(|w| w.word.text.clone()).collect()
    }

    /// The variables that the command sets for those behind it: assignments alone, and `export`.
    pub fn exports(&self) -> Vec<(String, Homed)> {
        match self.words.first().map(|w| w.word.text.as_str()) {
            None => self.assignments.clone(),
            Some("export") => self.words[1..].iter().filter_map(assignment).collect(),
            Some(_) => Vec::new(),
        }
    }
}

/// `NAME=value` as a word of its own.
fn assignment(homed: &Homed) -> Option<(String, Homed)> {
    let Homed { word, home } = homed;
    let (name, value) = word.text.split_once('=')?;
    let range = word.range.start + name.len() + 1..word.range.end;
    let value = Word { text: value.into(), range, ..word.clone() };
    Some((name.into(), Homed { word: value, home: home.clone() }))
}

/// The statements of a text, all with the same home.
pub(crate) fn homed(statements: Vec<shell::Statement>, home: &Home) -> Vec<Command> {
    let at = |word: Word| Homed { word, home: home.clone() };
    let command = |s: shell::Statement| Command {
        assignments: s.assignments.into_iter().map(|(name, word)| (name, at(word))).collect(),
        words: s.words.into_iter().map(at).collect(),
        arguments: Vec::new(),
    };
    statements.into_iter().map(command).collect()
}

/// An entry point and its arguments, as a container engine joins them.
pub(crate) fn joined(
    entrypoint: Option<(&CommandText, &Home)>,
    command: Option<(&CommandText, &Home)>,
) -> (Vec<String>, Vec<Command>) {
    let read = |(text, home): (&CommandText, &Home)| homed(text.statements.clone(), home);
    let is_list = |text: &CommandText| match text.statements.as_slice() {
        [one] => one.assignments.is_empty() && one.argv() == text.argv,
        _ => false,
    };
    match (entrypoint, command) {
        (Some(first), Some(second)) if is_list(first.0) => {
            let argv = [first.0.argv.clone(), second.0.argv.clone()].concat();
            let (mut start, rest) = (read(first), read(second));
            if is_list(second.0) {
                start[0].words.extend(rest.into_iter().flat_map(|c| c.words));
            } else {
                start[0].arguments = rest;
            }
            (argv, start)
        }
        (Some(only), _) | (None, Some(only)) => (only.0.argv.clone(), read(only)),
        (None, None) => (Vec::new(), Vec::new()),
    }
}

/// The arguments of a launch as a command.
pub(crate) fn arguments(argv: &[String]) -> Vec<Command> {
    let word = |(index, text): (usize, &String)| Homed {
        word: Word {
            text: text.clone(),
            range: 0..text.len(),
            dynamic: false,
            dress: Dress::Item(Coat::Verbatim),
        },
        home: Home::Argument(index),
    };
    let words = argv.iter().enumerate().map(word).collect();
    vec![Command { words, ..Command::default() }]
}

/// The programs that knee knows among commands, each runtime once: the last of its kind serves,
/// those before it prepare.
pub(crate) fn recognised(commands: &[Command], file: Files) -> Vec<(usize, Recognised)> {
    let mut found: Vec<(usize, Recognised)> = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        if command.words.is_empty() {
            continue;
        }
        if let Some(new) = program::recognise(&command.argv(), file) {
            found.retain(|(_, old)| old.runtime.id != new.runtime.id);
            found.push((index, new));
        }
    }
    found
}

/// A change of one word's home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Of the arguments themselves.
    Arguments(Change),
    /// Of the text of a home.
    Text(Home, Edit),
}

/// How the option of the program at `start` is turned: where it stands, else behind the word
/// `behind`.
pub(crate) fn turn(
    command: &Command,
    start: usize,
    names: (&str, Option<&str>),
    value: &str,
    behind: usize,
    text: &dyn Fn(&Home) -> Option<String>,
) -> Option<Rewrite> {
    let argv = command.argv();
    match argv::turn(&argv[start..], names, value, behind + 1 - start) {
        Change::Replace(at, new) => replace(&command.words[start + at], &new, text),
        Change::Insert(at, new) => {
            let anchor = &command.words[start + at - 1];
            if let Home::Argument(index) = anchor.home {
                return Some(Rewrite::Arguments(Change::Insert(index + 1, new)));
            }
            let kin = |w: &&Homed| w.home == anchor.home && w.word.dress == anchor.word.dress;
            let before = (start + at).checked_sub(2).and_then(|n| command.words.get(n));
            let after = command.words.get(start + at);
            let neighbour = before.filter(kin).or(after.filter(kin)).map(|w| &w.word);
            let edit = anchor.word.append(&text(&anchor.home)?, neighbour, &new);
            Some(Rewrite::Text(anchor.home.clone(), edit))
        }
    }
}

/// How a word says something else.
pub(crate) fn replace(
    homed: &Homed,
    new: &str,
    text: &dyn Fn(&Home) -> Option<String>,
) -> Option<Rewrite> {
    if let Home::Argument(index) = homed.home {
        return Some(Rewrite::Arguments(Change::Replace(index, new.into())));
    }
    let edit = homed.word.replace(&text(&homed.home)?, new);
    Some(Rewrite::Text(homed.home.clone(), edit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::View;
    use std::collections::BTreeMap;
    use std::path::Path;

    pub(super) fn follow(root: &Path, argv: &[&str]) -> Vec<Command> {
        let view = View { root, binds: &[], base: &[], made_of: &[], changed: &BTreeMap::new() };
        let argv: Vec<String> = argv.iter().map(|a| a.to_string()).collect();
        let follower = Follower { view, workdir: root, text: &|_| None, env: &|_| None };
        follower.follow(arguments(&argv)).unwrap()
    }

    #[test]
    fn the_server_comes_after_what_prepares_it() {
        let dir = tempfile::tempdir().unwrap();
        let text = "node migrate.js && WEB_CONCURRENCY=2 node server.js";
        let commands = follow(dir.path(), &["/bin/sh", "-c", text]);
        let found = recognised(&commands, &|_| None);
        assert_eq!(found.len(), 1);
        let (server, _) = &found[0];
        assert_eq!(commands[*server].argv(), ["node", "server.js"]);
        assert_eq!(commands[*server].assignments[0].0, "WEB_CONCURRENCY");
    }

    #[test]
    fn an_option_is_turned_where_it_stands() {
        let text = "cd /srv; exec gunicorn --workers ${N:-4} app:app";
        let argv = ["/bin/sh", "-c", text].map(String::from);
        let commands = follow(Path::new("/"), &["/bin/sh", "-c", text]);
        let (at, found) = recognised(&commands, &|_| None).pop().unwrap();
        let text = |home: &Home| match home {
            Home::Text(index) => Some(argv[*index].clone()),
            _ => None,
        };
        let turned = |names, value, behind| {
            let rewrite = turn(&commands[at], found.at, names, value, behind, &text).unwrap();
            let Rewrite::Text(Home::Text(2), edit) = rewrite else { panic!("{rewrite:?}") };
            edit.apply(&argv[2])
        };
        assert_eq!(
            turned(("--workers", Some("-w")), "8", found.at),
            "cd /srv; exec gunicorn --workers 8 app:app"
        );
        assert_eq!(
            turned(("--threads", None), "2", 3),
            "cd /srv; exec gunicorn --workers ${N:-4} --threads 2 app:app"
        );
    }
}
