//! Which of a program's files its entry file leads to.

use super::Source;
use crate::picture::{Files, Program, joined};
use std::collections::BTreeSet;

/// The sources that the program's entry file leads to by relative imports; all of them where the
/// entry is not among them.
pub fn reached<'a>(files: &Files, program: &Program, own: Vec<&'a Source>) -> Vec<&'a Source> {
    let path = |source: &Source| files.get(source.file).path.clone();
    let Some(entry) =
        entry(files, program).and_then(|entry| own.iter().position(|s| path(s) == entry))
    else {
        return own;
    };
    let paths: Vec<String> = own.iter().map(|s| path(s)).collect();
    let (mut seen, mut next) = (BTreeSet::from([entry]), vec![entry]);
    while let Some(at) = next.pop() {
        let folder = paths[at].rsplit_once('/').map_or("", |(folder, _)| folder);
        for import in &own[at].imports {
            let Some((target, whole)) = target(folder, import) else { continue };
            let target = target.strip_suffix(".js").unwrap_or(&target).to_string();
            let same = |path: &str| match whole {
                true => path == target,
                false => path.ends_with(&format!("/{target}")) || path == target,
            };
            let found = paths.iter().position(|p| {
                let bare = p.rsplit_once('.').map_or(&**p, |(bare, _)| bare);
                same(bare) || same(p) || bare.strip_suffix("/index").is_some_and(same)
            });
            next.extend(found.filter(|at| seen.insert(*at)));
        }
    }
    seen.into_iter().map(|at| own[at]).collect()
}

/// What an import names, and whether that is the path from the root: behind the usual names for the
/// folder of the sources (`@/`, `~/`, `src/`) only its end is known.
fn target(folder: &str, import: &str) -> Option<(String, bool)> {
    if import.starts_with('.') {
        return Some((joined(folder, import), true));
    }
    let aliased = ["@/", "~/", "#/"].iter().find_map(|alias| import.strip_prefix(alias));
    aliased.or(import.starts_with("src/").then_some(import)).map(|rest| (rest.into(), false))
}

/// The file that `node` is given, relative to the root.
fn entry(files: &Files, program: &Program) -> Option<String> {
    let folder = program.folder.as_deref().unwrap_or_default();
    let words = program.command.get()?;
    let script = words.iter().skip(1).find(|word| !word.starts_with('-') && !word.contains('='))?;
    let script = script.trim_start_matches('/').trim_start_matches("./");
    let names = ["", ".js", ".ts", ".mjs", "/index.js"].map(|end| format!("{script}{end}"));
    let parts: Vec<&str> = script.split('/').collect();
    let out = parts.iter().rposition(|part| ["dist", "build", "out", "lib"].contains(part));
    let built = out.into_iter().flat_map(|at| {
        let (before, behind) = (parts[..at].join("/"), parts[at + 1..].join("/"));
        let bare = behind.trim_end_matches(".js").trim_end_matches(".cjs").trim_end_matches(".mjs");
        // A folder's main script is its index.
        let bare = if bare.is_empty() { "index" } else { bare };
        ["src/", "", "src/"]
            .iter()
            .zip([".ts", ".ts", ".js"])
            .map(|(source, end)| {
                format!("{before}/{source}{bare}{end}").trim_start_matches('/').to_string()
            })
            .collect::<Vec<_>>()
    });
    let all = names.into_iter().chain(built).map(|name| joined(folder, &name));
    // An absolute path in the image may begin with the folder that the sources are copied to.
    let all: Vec<String> = all.collect();
    let whole = |name: &String| files.at(name).is_some();
    all.iter().find(|name| whole(name)).cloned().or_else(|| {
        let base = script.rsplit('/').next()?;
        Some(joined(folder, base)).filter(whole)
    })
}
