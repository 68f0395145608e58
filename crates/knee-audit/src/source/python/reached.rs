//! What a coroutine reaches through functions of the repository that are no coroutines.

use super::{Source, Waits};
use crate::picture::{Files, Program};
use crate::source::Code;

/// No more functions than these lie between a coroutine and what waits.
const FURTHEST: usize = 2;

/// The sources of a program, among which names are looked up.
pub struct Reached<'s> {
    code: &'s Code,
    files: &'s Files,
    program: &'s Program,
}

impl<'s> Reached<'s> {
    /// Looks among the sources of a program.
    pub fn new(code: &'s Code, files: &'s Files, program: &'s Program) -> Reached<'s> {
        Reached { code, files, program }
    }

    /// The calls from the function of this name, as it is called in a file, down to one that waits.
    pub fn waits(&self, source: &'s Source, name: &str) -> Option<Vec<&'s Waits>> {
        self.way(source, name, FURTHEST)
    }

    /// Whether a function, as it is called in a file, makes a client of AWS' synchronous library.
    pub fn makes_client(&self, source: &'s Source, name: &str) -> bool {
        let defined = self.defined(source, name, FURTHEST);
        defined.is_some_and(|(source, name)| source.makers.contains(&name))
    }

    fn way(&self, source: &'s Source, name: &str, further: usize) -> Option<Vec<&'s Waits>> {
        let (source, name) = self.defined(source, name, FURTHEST)?;
        if let Some(waits) = source.waits.iter().find(|own| own.name == name) {
            return Some(vec![waits]);
        }
        let of_client = |made: &&super::OfMade| {
            made.waits.as_ref().is_some_and(|own| own.name == name)
                && self.makes_client(source, &made.maker)
        };
        if let Some(made) = source.of_made.iter().find(of_client) {
            return Some(made.waits.iter().collect());
        }
        let further = further.checked_sub(1)?;
        source.calls.iter().filter(|call| call.name == name && call.call != name).find_map(|call| {
            let rest = self.way(source, &call.call, further)?;
            Some(std::iter::once(call).chain(rest).collect())
        })
    }

    /// Where the function or method that a file calls by this name stands, and its name there. A
    /// package may pass on what it imports itself.
    fn defined(
        &self,
        source: &'s Source,
        name: &str,
        further: usize,
    ) -> Option<(&'s Source, String)> {
        let (first, method) =
            name.split_once('.').map_or((name, None), |(class, method)| (class, Some(method)));
        let Some(import) = source.imports.iter().find(|import| import.alias == first) else {
            return Some((source, name.into()));
        };
        let there = self.imported(source, &import.module)?;
        let own = &import.name;
        let name = method.map_or(own.clone(), |method| format!("{own}.{method}"));
        self.defined(there, &name, further.checked_sub(1)?)
    }

    /// The module that a file imports by this name: beside the file or above it, as many folders as
    /// the name has dots before it; without dots the nearest.
    fn imported(&self, source: &Source, module: &str) -> Option<&'s Source> {
        let path = |source: &Source| format!("/{}", self.files.get(source.file).path);
        let name = module.trim_start_matches('.');
        let dots = module.len() - name.len();
        let name =
            if name.is_empty() { String::new() } else { format!("/{}", name.replace('.', "/")) };
        let files = [format!("{name}.py"), format!("{name}/__init__.py")];
        let there = |folder: &str| {
            let is = |other: &&Source| {
                path(other).strip_prefix(folder).is_some_and(|rest| files.iter().any(|f| f == rest))
            };
            self.code.python_of(self.program).find(is)
        };
        let own = path(source);
        let mut folders = own.match_indices('/').rev().map(|(at, _)| &own[..at]);
        match dots {
            0 => folders.find_map(there),
            up => folders.nth(up - 1).and_then(there),
        }
    }
}
