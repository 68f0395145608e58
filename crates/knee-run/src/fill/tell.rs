//! Has a runtime tell how it is doing: Node.js by a preload, PHP-FPM by its status page on a socket of its own.

use super::find::{self, Found};
use super::{Filled, Overlay, fpm};
use knee_core::runtimes::{Injection, Told};
use knee_core::settings::Site;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where sockets are made for FPM; whoever looks at a running one knows by that folder that it is asked so.
pub const FOLDER: &str = "/run/knee/";
/// FPM has it since PHP 8.0 and does not start with a key that it does not know.
const LISTEN: &str = "pm.status_listen";
const PATH: &str = "pm.status_path";

/// What has a pool of FPM tell how it is doing.
pub struct Asks {
    /// The folder of its socket, which every user may fill: FPM may be started as another one.
    pub folder: PathBuf,
    /// FPM answers there on the pool's own socket, too, which nginx reaches: nobody else may know it.
    page: String,
}

impl Asks {
    /// Keys of the pool.
    pub fn keys(&self) -> [(String, String); 2] {
        let socket = self.folder.join("status.sock").display().to_string();
        [(LISTEN.into(), socket), (PATH.into(), self.page.clone())]
    }

    /// What is said of it.
    pub fn told(&self, written: Result<&Path, &String>) -> String {
        match written {
            Ok(path) => format!(
                "{LISTEN} {}/status.sock ({}): so that PHP-FPM tells how it is doing",
                self.folder.display(),
                path.display()
            ),
            Err(why) => format!("PHP-FPM is not asked how it is doing: {why}"),
        }
    }
}

/// For a pool that tells nothing of itself, where FPM can and the folder can be made.
pub fn asks(
    found: &Found,
    config: Option<&Path>,
    put: &mut dyn FnMut(&Overlay) -> io::Result<()>,
    filled: &mut Filled,
) -> Option<Asks> {
    let injection = (found.runtime.inject)()?;
    if !injection.entries.iter().all(|(site, _)| matches!(site, Site::Ini { .. })) {
        return None;
    }
    let pools = fpm::read(config?)?;
    let (_, keys) = pools.only()?;
    if keys.contains_key(LISTEN) || keys.contains_key(PATH) || pools.last.is_none() {
        return None;
    }
    if !find::knows(found.words.first()?, LISTEN) {
        filled.told.push(not(found, &format!("it has no {LISTEN}, as PHP 8.0 and later have")));
        return None;
    }
    if !written(found, &injection, None, put, filled) {
        return None;
    }
    let mut chance = [0; 24];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut chance)).ok()?;
    let chance: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
    let (own, page) = chance.split_at_checked(16)?;
    // A folder for each: FPM does not start where another one listens, of the same container or of one
    // that shares the folder.
    let folder = PathBuf::from(format!("{FOLDER}fpm-{own}"));
    Some(Asks { folder, page: format!("/knee-status-{page}") })
}

/// Writes the files that it needs; a line says where one cannot be written.
fn written(
    found: &Found,
    injection: &Injection,
    folder: Option<&str>,
    put: &mut dyn FnMut(&Overlay) -> io::Result<()>,
    filled: &mut Filled,
) -> bool {
    for (path, text) in &injection.files {
        let fills = folder.map(Into::into);
        if let Err(error) = put(&Overlay { path: path.into(), text: (*text).into(), fills }) {
            filled.told.push(not(found, &format!("{path}: {error}")));
            return false;
        }
    }
    true
}

fn not(found: &Found, why: &str) -> String {
    format!("{} is not asked how it is doing: {why}", found.runtime.title)
}

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
    if !written(found, &injection, folder, put, filled) {
        return;
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
