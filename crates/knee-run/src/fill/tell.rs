//! Has a runtime tell how it is doing, where its environment alone can do that: Node.js by a preload.
//! What would take a change of its configuration is left to the user.

use super::find::Found;
use super::{Filled, Overlay};
use knee_core::runtimes::Told;
use knee_core::settings::Site;
use std::io;

/// Adds what it needs; a line says so, or why not.
pub fn tell(
    found: &Found,
    variable: &dyn Fn(&str) -> Option<String>,
    put: &mut dyn FnMut(&Overlay) -> io::Result<()>,
    filled: &mut Filled,
) {
    let Some(injection) = (found.runtime.inject)() else { return };
    let name = |(site, value): &(Site, String)| match site {
        Site::Environment { name } => Some((name.to_string(), value.clone())),
        _ => None,
    };
    let Some(entries) = injection.entries.iter().map(name).collect::<Option<Vec<_>>>() else {
        return;
    };
    if entries.is_empty() || injection.files.is_empty() {
        return;
    }
    let folder = injection.answers.iter().find_map(|told| match told {
        Told::Folder(path) => Some(*path),
        _ => None,
    });
    for (path, text) in &injection.files {
        let overlay =
            Overlay { path: path.into(), text: (*text).into(), fills: folder.map(Into::into) };
        if let Err(error) = put(&overlay) {
            let title = found.runtime.title;
            filled.told.push(format!("{title} is not asked how it is doing: {path}: {error}"));
            return;
        }
    }
    for (name, value) in entries {
        let before = filled.variables.get(&name).cloned().or_else(|| variable(&name));
        // What stood there before may be a secret: only what is added is told.
        filled
            .told
            .push(format!("{name} {value}: so that {} tells how it is doing", found.runtime.title));
        let before = before.map(|b| format!("{} ", b.trim())).unwrap_or_default();
        filled.variables.insert(name, format!("{before}{value}").trim_start().to_string());
    }
}
