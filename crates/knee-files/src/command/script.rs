//! The commands of a script as they run: of its branches those that its arguments and variables
//! decide, of the others each; functions where they are called, lists of words where they are used.
//! Runs nothing.

use super::{Command, Home, Homed, homed};
use crate::formats::script::{self, Part};
use crate::formats::shell::{self, Statement, Token};
use crate::formats::word::{Inner, Word};
use crate::formats::{expand, word::Dress};
use crate::program;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Functions that call each other are followed no deeper than this.
const DEEPEST: usize = 8;
/// No more commands are taken of one script, and no more words of a list.
const MOST: usize = 5_000;
/// So many commands and words are looked at: functions may call each other, and lists hold themselves,
/// many times over.
const STEPS: usize = 200_000;

/// A script while it is read.
pub(crate) struct Script<'a> {
    inner: &'a Inner,
    home: &'a Home,
    /// What it is given.
    arguments: Vec<Homed>,
    /// The commands that it is given in place of words.
    then: &'a [Command],
    /// What is set outside of it.
    env: &'a dyn Fn(&str) -> Option<String>,
    read: Read,
}

/// What was read so far.
#[derive(Default)]
struct Read {
    found: Vec<Command>,
    values: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<Homed>>,
    functions: BTreeMap<String, Rc<Vec<Part>>>,
    /// Commands and words that were looked at.
    steps: Cell<usize>,
    /// In how many branches it stands that may not be taken.
    doubtful: usize,
    /// Whether another program has taken the shell's place.
    ended: bool,
}

impl<'a> Script<'a> {
    pub fn new(
        inner: &'a Inner,
        home: &'a Home,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Script<'a> {
        Script { inner, home, arguments: Vec::new(), then: &[], env, read: Read::default() }
    }

    /// The same with arguments, and commands that stand for them.
    pub fn given(self, arguments: &[Homed], then: &'a [Command]) -> Script<'a> {
        Script { arguments: arguments.to_vec(), then, ..self }
    }

    /// Its commands, in the order in which they run.
    pub fn commands(mut self) -> Vec<Command> {
        self.parts(&script::parse(self.inner), 0);
        self.read.found
    }

    fn parts(&mut self, parts: &[Part], depth: usize) {
        for (at, part) in parts.iter().enumerate() {
            self.spend(1);
            if self.read.ended || self.read.found.len() > MOST || self.read.steps.get() > STEPS {
                return;
            }
            self.part(part, depth);
            let Part::Command(statement) = part else { continue };
            let mut words = statement.words.iter();
            let exec = words.next().is_some_and(|first| first.text == "exec");
            let execs = self.read.ended || (exec && words.next().is_some());
            // What comes behind `a && exec b` may still run, also where `b` is a function.
            let last = at + 1 == parts.len();
            self.read.ended = execs && last && self.read.doubtful == 0;
        }
    }

    fn spend(&self, steps: usize) {
        self.read.steps.set(self.read.steps.get() + steps);
    }

    fn part(&mut self, part: &Part, depth: usize) {
        match part {
            Part::Command(statement) => self.command(statement, depth),
            Part::Background(part) => self.part(part, depth),
            Part::Loop(_, body) => self.doubtful(body, depth),
            Part::Function(name, body) => {
                self.read.functions.insert(name.clone(), Rc::new(body.clone()));
            }
            Part::List(name, append, words) => {
                let words = self.expanded(words);
                let list = self.read.lists.entry(name.clone()).or_default();
                if !append && self.read.doubtful == 0 {
                    list.clear();
                }
                list.extend(words);
                list.truncate(MOST);
            }
            Part::If(branches, otherwise) => {
                for (condition, body) in branches {
                    self.parts(condition, depth);
                    match script::holds(condition, &|text| self.value(text)) {
                        Some(true) => return self.parts(body, depth),
                        Some(false) => {}
                        None => self.doubtful(body, depth),
                    }
                }
                self.otherwise(branches, otherwise, depth);
            }
            Part::Case(subject, branches) => {
                let value = subject.as_ref().and_then(|word| self.value(&word.text));
                for (patterns, body) in branches {
                    match &value {
                        Some(value) if patterns.iter().any(|p| script::fits(p, value)) => {
                            return self.parts(body, depth);
                        }
                        Some(_) => {}
                        None => self.doubtful(body, depth),
                    }
                }
            }
        }
    }

    /// What is done where no condition holds: for sure only where none is open.
    fn otherwise(&mut self, branches: &[(Vec<Part>, Vec<Part>)], body: &[Part], depth: usize) {
        let open = branches
            .iter()
            .any(|(condition, _)| script::holds(condition, &|text| self.value(text)).is_none());
        match open {
            true => self.doubtful(body, depth),
            false => self.parts(body, depth),
        }
    }

    fn doubtful(&mut self, body: &[Part], depth: usize) {
        self.read.doubtful += 1;
        self.parts(body, depth);
        self.read.doubtful -= 1;
    }

    fn command(&mut self, statement: &Statement, depth: usize) {
        let mut command = self.homed(statement);
        let first = statement.words.first().map(|word| word.text.as_str());
        match first {
            None | Some("export" | "local" | "declare" | "readonly") => {
                if first.is_some_and(|first| first != "export") {
                    command.words[0].word.text = "export".into();
                }
                for (name, homed) in command.exports() {
                    self.assign(name, &homed.word);
                }
            }
            // `: "${N:=4}"`
            Some(":") => {
                let set = statement.words[1..].iter().filter_map(|word| self.preset(word));
                command = Command { assignments: set.collect(), ..Command::default() };
                if command.assignments.is_empty() {
                    return;
                }
            }
            Some("set") => {
                let words = &statement.words;
                if self.read.doubtful == 0 && words.get(1).is_some_and(|word| word.text == "--") {
                    self.arguments = self.expanded(&words[2..]);
                }
                return;
            }
            Some("shift") => {
                if self.read.doubtful == 0 && !self.arguments.is_empty() {
                    self.arguments.remove(0);
                }
                return;
            }
            Some(name) => {
                let body = self.read.functions.get(name).cloned();
                if let Some(body) = body.filter(|_| depth < DEEPEST) {
                    return self.parts(&body, depth + 1);
                }
            }
        }
        self.take(command);
    }

    /// Takes a command with what stands for several words in place.
    fn take(&mut self, mut command: Command) {
        let all = |w: &Homed| matches!(w.word.text.as_str(), "$@" | "${@}" | "$*");
        let given = command.words.iter().any(all);
        let words: Vec<Word> = command.words.iter().map(|homed| homed.word.clone()).collect();
        command.words = self.expanded(&words);
        if given {
            let bare = command.words.is_empty()
                || program::program(&command.argv()) + 1 >= command.words.len();
            if self.arguments.is_empty() && bare && !self.then.is_empty() {
                self.read.found.extend(self.then.iter().cloned());
                return;
            }
            command.arguments = self.then.to_vec();
        }
        self.read.found.push(command);
    }

    fn homed(&self, statement: &Statement) -> Command {
        homed(vec![statement.clone()], self.home).pop().unwrap_or_default()
    }

    fn at_home(&self, word: &Word) -> Homed {
        Homed { word: word.clone(), home: self.home.clone() }
    }

    /// Words with the script's arguments and its lists in place.
    fn expanded(&self, words: &[Word]) -> Vec<Homed> {
        let mut found = Vec::new();
        for word in words {
            match word.text.as_str() {
                "$@" | "${@}" | "$*" => found.extend(self.arguments.iter().cloned()),
                text => match script::list(text).or_else(|| self.bare_variable(word)) {
                    Some(name) => match self.read.lists.get(name) {
                        Some(list) => found.extend(list.iter().cloned()),
                        None => found.push(self.at_home(word)),
                    },
                    None => found.push(self.at_home(word)),
                },
            }
            if found.len() > MOST {
                break;
            }
        }
        self.spend(found.len());
        found
    }

    /// The variable that a word outside of quotes is: the shell makes words of what it holds.
    fn bare_variable<'w>(&self, word: &'w Word) -> Option<&'w str> {
        let (name, None, length) = expand::variable(&word.text)? else { return None };
        let raw = self.inner.place(word.range.start);
        let bare = self.inner.text.get(raw..)?.starts_with('$');
        (bare && length == word.text.len()).then_some(name)
    }

    /// Remembers what a variable is set to.
    fn assign(&mut self, name: String, word: &Word) {
        match self.value(&word.text).filter(|_| self.read.doubtful == 0) {
            Some(value) => self.read.values.insert(name.clone(), value),
            None => self.read.values.remove(&name),
        };
        let words = self.words_in(word);
        match words.len() {
            0 | 1 => self.read.lists.remove(&name),
            _ => self.read.lists.insert(name, words),
        };
    }

    /// The words that a text in quotes becomes where it is used without them.
    fn words_in(&self, word: &Word) -> Vec<Homed> {
        if !matches!(word.dress, Dress::Shell(_)) {
            return Vec::new();
        }
        let inner = shell::nested(self.inner, word);
        let words = shell::tokens(&inner).filter_map(|token| match token {
            Token::Word(word) => Some(word),
            _ => None,
        });
        let words: Vec<Word> = words.collect();
        let mut found = Vec::new();
        for word in words {
            let held = expand::variable(&word.text)
                .filter(|(_, _, length)| *length == word.text.len())
                .and_then(|(name, ..)| self.read.lists.get(name));
            match held {
                Some(list) => found.extend(list.iter().cloned()),
                None => found.push(self.at_home(&word)),
            }
            if found.len() > MOST {
                break;
            }
        }
        self.spend(found.len());
        found
    }

    /// `${N:=4}` as an assignment.
    fn preset(&mut self, word: &Word) -> Option<(String, Homed)> {
        let (name, default, length) = expand::variable(&word.text)?;
        let sets = word.text.contains('=') && length == word.text.len();
        let default = default.filter(|_| sets)?;
        let set = self.value(&format!("${name}")).unwrap_or_else(|| default.into());
        self.read.values.insert(name.into(), set);
        Some((name.into(), self.at_home(word)))
    }

    /// What a word says once its variables are replaced, as far as they are known.
    fn value(&self, text: &str) -> Option<String> {
        if !text.contains(['$', '`']) {
            return Some(text.into());
        }
        let arguments: Vec<String> =
            self.arguments.iter().map(|homed| homed.word.text.clone()).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if let Some(said) = script::of_arguments(text, &arguments) {
            return Some(said).filter(|_| self.then.is_empty());
        }
        let (name, default, length) = expand::variable(text)?;
        if length != text.len() {
            return None;
        }
        let set = self.read.values.get(name).cloned().or_else(|| (self.env)(name));
        set.or_else(|| default.map(String::from)).filter(|value| !value.contains('$'))
    }
}
