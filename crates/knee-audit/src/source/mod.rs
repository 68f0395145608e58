//! What the application's own code says: servers, clients, handlers of signals, calls that block.
//!
//! Real parsers, plain lists: nothing here judges. A file that is too long, or made by a machine,
//! is not read.

mod facts;
pub mod go;
pub mod node;
pub mod php;
pub mod python;
pub(crate) mod tree;

use crate::picture::{Fact, FileId, Files, Picture, Program, Purpose, Runtime};
use std::collections::{BTreeMap, BTreeSet};

/// Longer files are generated ones.
const LONGEST: usize = 400_000;
/// Code has shorter lines; minified code does not.
const LONGEST_LINE: usize = 4_000;

/// What was read in the sources of programs that are in production.
#[derive(Debug, Default)]
pub struct Code {
    /// Go.
    pub go: BTreeMap<FileId, go::Source>,
    /// JavaScript and TypeScript.
    pub node: BTreeMap<FileId, node::Source>,
    /// Python.
    pub python: BTreeMap<FileId, python::Source>,
    /// PHP.
    pub php: BTreeMap<FileId, php::Source>,
}

impl Code {
    /// Reads the sources of the picture's programs.
    pub fn read(picture: &Picture) -> Code {
        let mut code = Code::default();
        let programs = picture.programs().filter(|(s, _, _)| s.purpose == Purpose::Production);
        let ids: BTreeSet<FileId> =
            programs.flat_map(|(_, _, p)| p.sources.iter().copied()).collect();
        for id in ids {
            let file = picture.files.get(id);
            if file.text.len() > LONGEST || file.text.lines().any(|line| line.len() > LONGEST_LINE)
            {
                continue;
            }
            match file.path.rsplit('.').next().unwrap_or_default() {
                "go" => drop(code.go.insert(id, go::read(id, &file.text))),
                "js" | "mjs" | "cjs" | "jsx" => {
                    drop(code.node.insert(id, node::read(id, &file.text, false)))
                }
                "ts" | "mts" | "cts" => {
                    drop(code.node.insert(id, node::read(id, &file.text, true)))
                }
                "py" => drop(code.python.insert(id, python::read(id, &file.text))),
                "php" => drop(code.php.insert(id, php::read(id, &file.text))),
                _ => {}
            }
        }
        code
    }

    /// What it says, as facts.
    pub fn facts(&self, picture: &Picture) -> Vec<Fact> {
        facts::facts(self, picture)
    }

    /// The Go sources of a program.
    pub fn go_of<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = &'a go::Source> {
        let go = program.runtime == Runtime::Go;
        program.sources.iter().filter(move |_| go).filter_map(|id| self.go.get(id))
    }

    /// The JavaScript of a program that its entry file leads to; all of it where that is not known.
    pub fn node_of<'a>(&'a self, files: &Files, program: &'a Program) -> Vec<&'a node::Source> {
        if program.runtime != Runtime::Node {
            return Vec::new();
        }
        let own: Vec<&node::Source> =
            program.sources.iter().filter_map(|id| self.node.get(id)).collect();
        node::reached(files, program, own)
    }

    /// The Python sources of a program.
    pub fn python_of<'a>(
        &'a self,
        program: &'a Program,
    ) -> impl Iterator<Item = &'a python::Source> {
        program.sources.iter().filter_map(|id| self.python.get(id))
    }

    /// The PHP sources of a program.
    pub fn php_of<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = &'a php::Source> {
        program.sources.iter().filter_map(|id| self.php.get(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reader gets every source of the rules' pages, broken off anywhere.
    #[test]
    fn sources_broken_off_anywhere() {
        let pages = crate::rules().iter().flat_map(|rule| rule.page.bad());
        let id = FileId(0);
        let mut count = 0;
        for example in pages {
            let text = example.text;
            for end in (0..=text.len()).step_by(7).filter(|end| text.is_char_boundary(*end)) {
                let text = &text[..end];
                match example.path.rsplit('.').next() {
                    Some("go") => drop(go::read(id, text)),
                    Some("js") => drop((node::read(id, text, false), node::read(id, text, true))),
                    Some("py") => drop(python::read(id, text)),
                    Some("php") => drop(php::read(id, text)),
                    _ => continue,
                }
                count += 1;
            }
        }
        assert!(count > 500, "{count}");
    }

    /// Nesting without end neither overflows the stack nor takes for ever.
    #[test]
    fn deep_nesting() {
        let deep = |open: &str, close: &str| open.repeat(20_000) + &close.repeat(20_000);
        let id = FileId(0);
        node::read(id, &format!("app.get('/', (req, res) => {})", deep("(", ")")), false);
        python::read(id, &format!("async def f():\n    x = {}", deep("[", "]")));
        go::read(id, &format!("package a\nvar x = {}", deep("(", ")")));
        php::read(id, &format!("<?php $a = {};", deep("[", "]")));
    }
}
