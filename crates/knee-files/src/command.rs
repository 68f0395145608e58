//! The commands that start a service, followed into start scripts and `npm start`: which there
//! are, where each of their words stands, and how a word is written another way there.
//!
//! The same words are followed in the user's files (for patches) and in the arguments of a launch.

use crate::error::FilesError;
use crate::formats::argv::{self, Change};
use crate::formats::ini::Ini;
use crate::formats::word::{Coat, Dress, Inner, Word};
use crate::formats::{CommandText, package_json, shell, shell_text};
use crate::program::{self, Files, Recognised, base};
use crate::text::Edit;
use crate::view::{Seen, View};
use std::path::{Path, PathBuf};

/// Scripts that start scripts are followed no deeper than this.
const DEEPEST: usize = 5;

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

/// Follows commands to the programs that they end in.
pub(crate) struct Follower<'a> {
    pub view: View<'a>,
    /// Working folder as the service sees it.
    pub workdir: &'a Path,
    /// The text that a home's words stand in.
    pub text: &'a dyn Fn(&Home) -> Option<String>,
}

impl Follower<'_> {
    /// The commands in the order in which they run. One that starts a script stands before the
    /// script's own.
    pub fn follow(&self, commands: Vec<Command>) -> Result<Vec<Command>, FilesError> {
        let mut found = Vec::new();
        for command in commands {
            self.follow_one(command, 0, &mut found)?;
        }
        Ok(found)
    }

    fn follow_one(
        &self,
        command: Command,
        depth: usize,
        found: &mut Vec<Command>,
    ) -> Result<(), FilesError> {
        let mut below = Vec::new();
        if depth < DEEPEST && !command.words.is_empty() {
            below = self.started_by(&command)?;
        }
        if below.is_empty() {
            below = command.arguments.clone();
        }
        let end = found.len();
        for next in below {
            self.follow_one(next, depth + 1, found)?;
        }
        // What comes last serves: `npm start` itself only where its script is unknown.
        found.insert(end, command);
        Ok(())
    }

    /// What a command starts by way of a text or a script.
    fn started_by(&self, command: &Command) -> Result<Vec<Command>, FilesError> {
        let argv = command.argv();
        let start = program::program(&argv);
        if let Some(at) = shell_text(&argv[start..]) {
            let Homed { word, home } = &command.words[start + at];
            return Ok(self
                .inner(word, home)
                .map_or(Vec::new(), |(inner, home)| homed(shell::statements(&inner), &home)));
        }
        if let Some(name) = package_script(&argv[start..]) {
            let Some(file) = self.view.read(&self.workdir.join("package.json"))? else {
                return Ok(Vec::new());
            };
            let script =
                package_json::script(&file.text, name).map_err(FilesError::format(file.shown()))?;
            let home = seen_home(&file);
            return Ok(script.map_or(Vec::new(), |s| homed(shell::statements(&s), &home)));
        }
        if base(&argv[start]) == "supervisord" {
            return self.supervised(&argv[start..]);
        }
        let Some((at, file)) = self.script(&argv, start)? else { return Ok(Vec::new()) };
        let inner = Inner::verbatim(&file.text, 0..file.text.len());
        let statements = homed(shell::statements(&inner), &seen_home(&file));
        Ok(with_arguments(statements, &command.words[at + 1..], &command.arguments))
    }

    /// The programs of a supervisord: sections `[program:NAME]` of its file and of those that it
    /// includes. Source: <http://supervisord.org/configuration.html>.
    fn supervised(&self, argv: &[String]) -> Result<Vec<Command>, FilesError> {
        let named = argv::find(argv, "--configuration", Some("-c")).map(|found| found.value);
        let usual =
            ["supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
        let paths = named.map_or_else(|| usual.map(String::from).to_vec(), |path| vec![path]);
        let mut todo = Vec::new();
        for path in paths {
            todo.extend(self.view.read(&self.workdir.join(path))?);
        }
        todo.truncate(1);
        let mut found = Vec::new();
        let mut depth = 0;
        while let Some(file) = todo.pop().filter(|_| depth < DEEPEST * DEEPEST) {
            depth += 1;
            let ini = Ini::parse(&file.text).map_err(FilesError::format(file.shown()))?;
            for (name, section) in ini.sections() {
                if name == "include" {
                    let folder = file.at.parent().unwrap_or(Path::new("/"));
                    let patterns = section.find("files").map_or("", |entry| entry.value.as_str());
                    for pattern in patterns.split_whitespace() {
                        todo.extend(self.view.glob(&folder.join(pattern))?);
                    }
                }
                let command = section.find("command").filter(|_| name.starts_with("program:"));
                if let Some(entry) = command {
                    let inner = Inner::verbatim(&file.text, entry.word.range.clone());
                    found.extend(homed(shell::statements(&inner), &seen_home(&file)));
                }
            }
        }
        Ok(found)
    }

    /// A word as a text of its own.
    fn inner(&self, word: &Word, home: &Home) -> Option<(Inner, Home)> {
        match (home, word.dress) {
            (Home::Argument(index), _) => {
                let inner = Inner::verbatim(&word.text, 0..word.text.len());
                Some((inner, Home::Text(*index)))
            }
            (Home::File(_) | Home::Seen { .. }, Dress::Item(coat)) => {
                let text = (self.text)(home)?;
                Some((Inner::aligned(&text, word.range.clone(), &word.text, coat), home.clone()))
            }
            _ => None,
        }
    }

    /// The user's own script that the words start, with the index of its word.
    fn script(&self, argv: &[String], start: usize) -> Result<Option<(usize, Seen)>, FilesError> {
        let shell = matches!(base(&argv[start]), "sh" | "bash" | "dash" | "ash" | "." | "source");
        let options = argv[start + 1..].iter().take_while(|w| w.starts_with('-')).count();
        let at = if shell { start + 1 + options } else { start };
        let Some(word) = argv.get(at).filter(|w| !w.is_empty()) else { return Ok(None) };
        let mut places = vec![self.workdir.join(word)];
        if !shell && !word.contains('/') {
            let folders = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/bin", "/"];
            places = folders.iter().map(|folder| Path::new(folder).join(word)).collect();
        }
        for place in places {
            let seen = self.view.read(&place)?.filter(|seen| seen.own.is_some());
            if let Some(seen) = seen.filter(|seen| shell || is_shell_script(&seen.text)) {
                return Ok(Some((at, seen)));
            }
        }
        Ok(None)
    }
}

pub(crate) fn seen_home(file: &Seen) -> Home {
    Home::Seen { at: file.at.clone(), own: file.own.clone() }
}

fn is_shell_script(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("#!").is_some_and(|interpreter| {
        let name = interpreter.split_whitespace().find(|w| base(w) != "env").map(base);
        matches!(name, Some("sh" | "bash" | "dash" | "ash"))
    })
}

/// The name of the script of package.json that a runner starts.
fn package_script(argv: &[String]) -> Option<&str> {
    let runner = base(&argv[0]);
    if !matches!(runner, "npm" | "yarn" | "pnpm") {
        return None;
    }
    let mut words = argv[1..].iter().filter(|w| !w.starts_with('-')).map(String::as_str);
    match words.next()? {
        "run" | "run-script" => words.next(),
        "start" => Some("start"),
        other => (runner != "npm").then_some(other),
    }
}

/// A script's commands with the words of `"$@"` in place.
fn with_arguments(commands: Vec<Command>, words: &[Homed], then: &[Command]) -> Vec<Command> {
    let is_all = |w: &Homed| matches!(w.word.text.as_str(), "$@" | "${@}" | "$*");
    let filled = |mut command: Command| -> Vec<Command> {
        let Some(at) = command.words.iter().position(is_all) else { return vec![command] };
        command.words.splice(at..=at, words.iter().cloned());
        if words.is_empty() && program::program(&command.argv()) + 1 >= command.words.len() {
            return then.to_vec();
        }
        command.arguments = then.to_vec();
        vec![command]
    };
    commands.into_iter().flat_map(filled).collect()
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
    use std::collections::BTreeMap;
    use std::fs;

    fn follow(root: &Path, argv: &[&str]) -> Vec<Command> {
        let view = View { root, binds: &[], base: &[], changed: &BTreeMap::new() };
        let argv: Vec<String> = argv.iter().map(|a| a.to_string()).collect();
        let follower = Follower { view, workdir: root, text: &|_| None };
        follower.follow(arguments(&argv)).unwrap()
    }

    fn programs(root: &Path, argv: &[&str]) -> Vec<String> {
        let commands = follow(root, argv);
        let found = recognised(&commands, &|_| None);
        found.iter().map(|(index, _)| commands[*index].argv().join(" ")).collect()
    }

    #[test]
    fn a_start_script_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        write("start.sh", "#!/bin/sh\nset -e\nphp-fpm8.2 -F &\nexec nginx -g 'daemon off;'\n");
        assert_eq!(
            programs(&root, &["sh", "start.sh"]),
            ["php-fpm8.2 -F", "exec nginx -g daemon off;"]
        );
        assert_eq!(programs(&root, &["sh", "-c", "cd /x && ./start.sh"]).len(), 2);
        write("entry", "#!/usr/bin/env bash\npython manage.py migrate\nexec \"$@\"\n");
        let entry = ["./entry", "gunicorn", "-w", "4", "app:app"];
        assert_eq!(programs(&root, &entry), ["exec gunicorn -w 4 app:app"]);
        let found = follow(&root, &entry);
        let words = &found.last().unwrap().words;
        assert!(matches!(words[0].home, Home::Seen { .. }));
        assert_eq!(words[3].home, Home::Argument(3));
        write("loop.sh", "#!/bin/sh\nsh loop.sh\n");
        assert!(programs(&root, &["sh", "loop.sh"]).is_empty());
    }

    #[test]
    fn npm_is_followed_into_its_script() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let package = r#"{"scripts": {"start": "next start", "serve": "A=1 node --max-http-header-size=1 x.js"}}"#;
        fs::write(root.join("package.json"), package).unwrap();
        assert_eq!(programs(&root, &["npm", "start"]), ["npm start"]);
        let found = programs(&root, &["npm", "run", "--silent", "serve"]);
        assert_eq!(found, ["node --max-http-header-size=1 x.js"]);
        assert_eq!(programs(&root, &["yarn", "serve"]), found);
    }

    #[test]
    fn supervisord_is_followed_into_its_programs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let conf = "[supervisord]\nnodaemon=true\n[program:web]\ncommand=gunicorn -w 4 app:app ; four\n\
                    autostart=true\n[include]\nfiles = more/*.conf\n";
        fs::create_dir(root.join("more")).unwrap();
        fs::write(root.join("s.conf"), conf).unwrap();
        fs::write(root.join("more/n.conf"), "[program:n]\ncommand = nginx -g 'daemon off;'\n")
            .unwrap();
        let found = programs(&root, &["supervisord", "-n", "-c", "s.conf"]);
        assert_eq!(found, ["gunicorn -w 4 app:app", "nginx -g daemon off;"]);
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
