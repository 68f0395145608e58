//! Facts that stand in files beside the picture: sizes in the files of environments, a Dockerfile's
//! own words, settings in code and in files that nothing is seen to read. For `--facts` alone: no
//! rule judges by them.
//!
//! What is told is what is written there, by names that mean one thing: [`names`] says which. Files
//! for development and tests, vendored and made ones are left out.

mod code;
mod deployment;
mod image;
mod lines;
mod names;
mod settings;
#[cfg(test)]
mod tests;

use crate::picture::{
    Fact, FileId, Files, Origin, Picture, Place, Purpose, is_development, is_dockerfile,
};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Longer files are made by a program.
const LONGEST: usize = 300_000;

/// Settings of tools that build and test have ports and workers of their own.
const TOOLS: [&str; 6] = ["vite.", "vitest.", "webpack.", "jest.", "rollup.", "playwright."];

/// What is said at a place of a file.
struct Said {
    key: String,
    value: String,
    range: Range<usize>,
}

/// Adds what the facts that are known do not say, each where its service is.
pub fn add(picture: &Picture, facts: &mut Vec<Fact>) {
    let files = &picture.files;
    let mut seen: HashSet<(String, FileId, u32)> = HashSet::new();
    let mut new = |key: &str, place: &Place| {
        let (_, line, _) = files.position(place);
        seen.insert((key.into(), place.file, line))
    };
    for fact in facts.iter() {
        if let Origin::At(place) = &fact.origin {
            new(&fact.key, place);
            // A container's command is what an entry would say again.
            if fact.key == "container.command" {
                new("entry", place);
            }
        }
    }
    let owners = Owners::of(picture);
    for (id, file) in files.iter() {
        if file.text.len() > LONGEST || is_development(&file.path) {
            continue;
        }
        let Some((said, of)) = said(files, &owners, id) else { continue };
        for Said { key, value, range } in said {
            let place = Place::new(id, range);
            if new(&key, &place) {
                let (of, origin) = (of.clone(), Origin::At(place));
                facts.push(Fact { of, key, value, origin, overrode: Vec::new() });
            }
        }
    }
    together(facts);
}

/// Puts what is told of one thing into one group, in the order in which the things appear.
fn together(facts: &mut [Fact]) {
    let mut order: BTreeMap<String, usize> = BTreeMap::new();
    for fact in facts.iter() {
        let next = order.len();
        order.entry(fact.of.clone()).or_insert(next);
    }
    facts.sort_by_key(|fact| order[&fact.of]);
}

/// What a file says, and whom it is about: the service that its code belongs to, else the file itself.
fn said(files: &Files, owners: &Owners, id: FileId) -> Option<(Vec<Said>, String)> {
    let file = files.get(id);
    let name = file.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let text = &*file.text;
    let said = match end {
        _ if is_dockerfile(&name) => image::dockerfile(text),
        "tf" | "tfvars" | "hcl" => deployment::terraform(text),
        "yml" | "yaml" if !name.contains("compose") => deployment::yaml(&file.path, text),
        "conf" | "ini" => settings::settings(text, id),
        "sh" => lines::script(text),
        "env" => lines::environment(text),
        "py" | "go" | "js" | "mjs" | "cjs" | "ts" | "mts" | "php" => {
            if TOOLS.iter().any(|tool| name.starts_with(tool)) {
                return None;
            }
            let of = owners.owner(&file.path, Some(id))?;
            return Some((code::read(end, text), of));
        }
        _ if text.starts_with("#!") && text.lines().next()?.contains("sh") => lines::script(text),
        _ => image::versions(&name, text),
    };
    let owner = match end {
        "tf" | "tfvars" | "hcl" | "yml" | "yaml" | "env" => None,
        _ => owners.owner(&file.path, None),
    };
    (!said.is_empty()).then(|| (said, owner.unwrap_or(file.path.clone())))
}

/// Which service a file is of.
struct Owners {
    sources: BTreeMap<FileId, String>,
    /// Folders that are copied into images, by their services, the longest path first.
    folders: Vec<(String, String)>,
}

impl Owners {
    fn of(picture: &Picture) -> Owners {
        let mut owners = Owners { sources: BTreeMap::new(), folders: Vec::new() };
        for service in picture.services.iter().filter(|s| s.purpose != Purpose::Development) {
            for container in &service.containers {
                let of = format!("{}/{}", service.name, container.name);
                let image = container.image.iter().filter(|image| image.copies_code);
                let mut folders: Vec<String> = image.map(|image| image.context.clone()).collect();
                for program in &container.programs {
                    folders.extend(program.folder.clone());
                    for source in &program.sources {
                        owners.sources.entry(*source).or_insert(of.clone());
                    }
                }
                owners.folders.extend(folders.into_iter().map(|folder| (folder, of.clone())));
            }
        }
        owners.folders.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        owners
    }

    fn owner(&self, path: &str, source: Option<FileId>) -> Option<String> {
        if let Some(of) = source.and_then(|id| self.sources.get(&id)) {
            return Some(of.clone());
        }
        let below = |folder: &str| {
            folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        self.folders.iter().find(|(folder, _)| below(folder)).map(|(_, of)| of.clone())
    }
}

/// A value as it is written, on one line; a text in it that is neither a number nor the name of a
/// variable is not shown.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.trim();
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let quote = rest[at..].chars().next().unwrap_or('"');
        let Some(long) = closing(&rest[at + 1..], quote) else {
            return plain(&format!("{shown}{}…", &rest[..at]));
        };
        let inner = &rest[at + 1..at + 1 + long];
        let whole = at == 0 && at + long + 2 == rest.len();
        let name = inner.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        shown += &rest[..at];
        shown += match () {
            () if whole && is_amount(inner) => inner,
            () if is_amount(inner) || name => &rest[at..at + long + 2],
            () => "…",
        };
        rest = &rest[at + long + 2..];
    }
    shown += rest;
    let words: Vec<&str> = shown.split_whitespace().collect();
    let one = words.join(" ");
    if one.chars().count() > 80 { one.chars().take(80).chain(['…']).collect() } else { one }
}

/// Where a text in quotes ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at)
}

/// A number, with its unit.
fn is_amount(text: &str) -> bool {
    let unit =
        text.trim().trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let digits = text.trim().starts_with(|c: char| c.is_ascii_digit() || c == '-');
    digits
        && matches!(
            unit.trim(),
            "" | "s" | "ms" | "m" | "h" | "d" | "g" | "MB" | "GB" | "MiB" | "GiB" | "vCPU"
        )
}

/// The place of a line, 1-based.
fn line(text: &str, number: u32) -> Range<usize> {
    let start: usize =
        text.split_inclusive('\n').take((number as usize).saturating_sub(1)).map(str::len).sum();
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    start..end
}
