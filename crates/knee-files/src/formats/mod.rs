//! Readers of the files that users write. Each finds entries with their bytes and edits one,
//! leaving every other byte as it was. They know no runtime.

pub mod argv;
pub mod caddyfile;
pub mod cloudformation;
pub mod compose;
pub mod dockerfile;
pub mod ecosystem;
pub mod expand;
pub mod expression;
pub mod ini;
pub mod json;
pub mod loose;
pub mod nginx;
pub mod package_json;
pub mod php;
pub mod procfile;
pub mod python;
pub mod script;
pub mod shell;
pub mod task_definition;
pub mod terraform;
pub mod tree;
pub mod unit;
pub mod word;
pub mod yaml;

#[cfg(test)]
mod tests;

use crate::text::{Edit, Position};
use shell::Statement;
use std::fmt;
use word::Word;

/// A file that is not what its name says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct FormatError {
    /// Where.
    pub at: Position,
    /// What is wrong there.
    pub problem: String,
}

/// A value that stands in a file. It may be a secret, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is set to.
    pub value: String,
    /// What its word says before the value (`--workers=`) and behind it.
    pub around: (String, String),
    /// 1-based line.
    pub line: u32,
    /// Its bytes, and how they are written.
    pub word: Word,
}

impl Entry {
    /// A value that is the whole of a word.
    pub fn of(file: &str, word: Word) -> Entry {
        let around = (String::new(), String::new());
        Entry { value: word.text.clone(), around, line: word.line(file), word }
    }

    /// The edit that gives it another value.
    pub fn set(&self, file: &str, value: &str) -> Edit {
        self.word.replace(file, &format!("{}{value}{}", self.around.0, self.around.1))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

/// A command as a file states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandText {
    /// Program and arguments; shell form is `["/bin/sh", "-c", text]`.
    pub argv: Vec<String>,
    /// The simple commands in it: one for exec form, any number for a shell's text.
    pub statements: Vec<Statement>,
    /// 1-based line.
    pub line: u32,
}

impl CommandText {
    /// A list of words: exec form. `sh -c text` is read as the shell does.
    pub fn list(file: &str, words: Vec<Word>, inner: impl Fn(&Word) -> word::Inner) -> CommandText {
        let argv: Vec<String> = words.iter().map(|w| w.text.clone()).collect();
        let line = words.first().map_or(1, |w| w.line(file));
        let statements = match shell_text(&argv) {
            Some(at) => shell::statements(&inner(&words[at])),
            None => vec![Statement { assignments: Vec::new(), words }],
        };
        CommandText { argv, statements, line }
    }
}

/// Index of the text after `sh -c`.
pub fn shell_text(argv: &[String]) -> Option<usize> {
    let program = argv.first()?.rsplit('/').next()?;
    if !matches!(program, "sh" | "bash" | "dash" | "ash" | "zsh") {
        return None;
    }
    let flag = argv.iter().skip(1).take_while(|a| a.starts_with('-'));
    let flags = flag.clone().count();
    let text = flag.clone().any(|a| !a.starts_with("--") && a.contains('c'));
    (text && argv.len() > flags + 1).then_some(flags + 1)
}
