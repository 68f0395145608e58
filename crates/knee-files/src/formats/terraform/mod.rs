//! Terraform: a folder of `.tf` files with the modules that it calls, evaluated as far as the files
//! say what a value needs. Variables have their defaults, or what the caller of the module or
//! `terraform.tfvars` gives; what is known only after an apply, and what a module that is not in
//! the repository does, stays unknown.
//!
//! Source: <https://developer.hashicorp.com/terraform/language/expressions>.

mod block;
mod evaluate;
mod functions;
mod module;
mod steps;
mod template;
mod types;
mod written;

pub use functions::decode;
pub use written::written;

use super::FormatError;
use super::tree::{Node, Span};
use crate::production::{PRODUCTION, is_production};
use crate::text::Position;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::Body;
use std::collections::BTreeMap;

/// A file larger than this is refused: nobody writes one by hand.
const LARGEST: usize = 1 << 20;

/// A resource, or the call of a module, with its arguments evaluated.
#[derive(Clone, Debug)]
pub struct Resource {
    /// What references name it by.
    pub id: String,
    /// `aws_ecs_service`; for a module its source.
    pub kind: String,
    pub body: Node,
    pub span: Span,
}

/// What a root module and those below it say.
#[derive(Debug, Default)]
pub struct Plan {
    pub resources: Vec<Resource>,
    /// Calls of modules, those of this repository included.
    pub calls: Vec<Resource>,
}

/// The Terraform files of a repository.
#[derive(Default)]
pub struct Terraform {
    /// By folder.
    folders: BTreeMap<String, Vec<Source>>,
    /// Files of values that are JSON, by folder.
    documents: BTreeMap<String, Vec<Node>>,
    /// How often a folder names each environment for production, in the order of `PRODUCTION`.
    named: BTreeMap<String, [usize; PRODUCTION.len()]>,
    /// Of several environments production's.
    given: Vec<Given>,
}

struct Source {
    file: usize,
    body: Body,
    /// Whether it gives values to variables (`terraform.tfvars`).
    values: bool,
}

/// Values for the variables of one environment: `prod.tfvars`, the inputs of a `terragrunt.hcl`.
struct Given {
    file: usize,
    body: Body,
    /// The folder of the module that they are for.
    folder: String,
}

/// Another file of the repository, by its path: its number and its text.
pub type Read<'a> = &'a dyn Fn(&str) -> Option<(usize, String)>;

impl Terraform {
    /// Takes a file; `path` is relative to the repository.
    pub fn add(&mut self, path: &str, file: usize, text: &str) -> Result<(), FormatError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let named = self.named.entry(folder.into()).or_default();
        for (count, name) in named.iter_mut().zip(PRODUCTION) {
            *count += text.matches(&format!("\"{name}\"")).count();
        }
        if name == "terraform.tfvars.json" || name.ends_with(".auto.tfvars.json") {
            let read = super::loose::parse(text, file)?;
            self.documents.entry(folder.into()).or_default().extend(read);
            return Ok(());
        }
        let body = parsed(text)?;
        let values = name == "terraform.tfvars" || name.ends_with(".auto.tfvars");
        let environment = is_production(path);
        if name == "terragrunt.hcl" && environment {
            let of =
                body.get_blocks("terraform").find_map(|block| block.body.get_attribute("source"));
            let source =
                of.and_then(|of| of.value.as_str()).map(|source| source.replace("//", "/"));
            let target = source.and_then(|source| joined(folder, &source));
            let inputs = body.get_attribute("inputs").and_then(|inputs| inputs.value.as_object());
            if let (Some(folder), Some(_)) = (target, inputs) {
                self.given.push(Given { file, body, folder });
            }
        } else if name.ends_with(".tfvars") && !values && environment {
            self.given.push(Given { file, body, folder: folder.into() });
        } else if values || name.ends_with(".tf") {
            let source = Source { file, body, values };
            self.folders.entry(folder.into()).or_default().push(source);
        }
        Ok(())
    }

    /// The workspace for production of a root module, where its files speak of one.
    fn workspace(&self, folder: &str) -> Option<&'static str> {
        let named = self.named.get(folder)?.iter().zip(PRODUCTION).rev();
        named
            .filter(|(count, _)| **count > 0)
            .max_by_key(|(count, _)| **count)
            .map(|(_, name)| name)
    }

    /// What production gives a variable of a root module that declares it: an attribute of a file of
    /// values, else an input. Files in a folder of their own are for whichever module has such variables.
    fn production(&self, root: &str, name: &str) -> Option<(usize, &Expression)> {
        let here = |given: &&Given| {
            let beside = given.folder == root || !self.folders.contains_key(&given.folder);
            beside && shares(&given.folder, root)
        };
        self.given.iter().filter(here).find_map(|given| {
            let inputs =
                given.body.get_attribute("inputs").and_then(|inputs| inputs.value.as_object());
            match inputs {
                Some(inputs) => inputs.iter().find_map(|(key, value)| {
                    let named = matches!(key, ObjectKey::Ident(own) if own.as_str() == name);
                    named.then(|| (given.file, value.expr()))
                }),
                None => given.body.get_attribute(name).map(|found| (given.file, &found.value)),
            }
        })
    }

    /// The folders that no other calls as a module.
    pub fn roots(&self) -> Vec<String> {
        let called = self.called();
        self.folders.keys().filter(|folder| !called.contains(*folder)).cloned().collect()
    }

    /// Folders that another one calls as a module.
    fn called(&self) -> std::collections::BTreeSet<String> {
        let calls = |(folder, sources): (&String, &Vec<Source>)| {
            let blocks = sources.iter().flat_map(|s| s.body.get_blocks("module"));
            let source = |block: &hcl_edit::structure::Block| {
                let source = block.body.get_attribute("source")?.value.as_str()?.to_string();
                joined(folder, &source)
            };
            blocks.filter_map(source).collect::<Vec<_>>()
        };
        self.folders.iter().flat_map(calls).collect()
    }

    /// The folders.
    pub fn folders(&self) -> impl Iterator<Item = &String> {
        self.folders.keys()
    }

    /// The defaults that the types and defaults of a folder's variables state, by the name of the
    /// variable or of the field of an object.
    pub fn defaults(&self, folder: &str, read: Read<'_>) -> Vec<(String, Node)> {
        types::defaults(self, folder, read)
    }

    /// Evaluates a folder as the root module.
    pub fn plan(&self, folder: &str, read: Read<'_>) -> Plan {
        module::plan(self, folder, read)
    }
}

/// Whether two folders stand in one part of a repository: one is the root, or both begin alike.
fn shares(a: &str, b: &str) -> bool {
    a.is_empty() || b.is_empty() || a.split('/').next() == b.split('/').next()
}

/// A text in Terraform's language.
fn parsed(text: &str) -> Result<Body, FormatError> {
    if text.len() > LARGEST {
        let problem = "is too large for Terraform".into();
        return Err(FormatError { at: Position::of(text, 0), problem });
    }
    // The parser has no byte-order mark; three blanks keep every byte in its place.
    let text = text.strip_prefix('\u{feff}').map_or(text.into(), |rest| format!("   {rest}"));
    hcl_edit::parser::parse_body(&text).map_err(|error| FormatError {
        at: Position {
            line: error.location().line() as u32,
            column: error.location().column() as u32,
        },
        problem: format!("is no Terraform: {}", error.message().replace('\n', " ")),
    })
}

/// A relative source of a module seen from a folder; None for a remote one.
fn joined(folder: &str, source: &str) -> Option<String> {
    if !source.starts_with("./") && !source.starts_with("../") {
        return None;
    }
    let path = super::dockerfile::absolute(&format!("/{folder}"), source);
    Some(path.trim_matches('/').to_string())
}

#[cfg(test)]
mod tests;
