//! The programs of the host that a service is started with, where they stand in for an image's.

use crate::program::base;
use crate::view::View;
use knee_core::launch::Bind;
use std::path::{Path, PathBuf};

/// Folders of a project that hold programs of its own.
const OWN: [&str; 4] = [".venv/bin", "venv/bin", "env/bin", "node_modules/.bin"];
/// Folders that a user's PATH may lack and an image's has.
const SYSTEM: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where programs are looked for, as the service sees it.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub folders: Vec<PathBuf>,
}

/// How a program is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The user's own, or not to be told.
    Own,
    /// As it is named, on this host.
    Here(PathBuf),
    /// Another file of the host stands in for it.
    StandIn(Bind),
    Nowhere,
}

impl Programs {
    /// The image's PATH, the project's own folders of programs, the PATH that knee runs with, and
    /// what every image has.
    pub fn new(image_path: Option<&str>, root: &Path) -> Programs {
        let own = std::env::var("PATH").unwrap_or_default();
        let folders = |path: &str| path.split(':').map(PathBuf::from).collect::<Vec<_>>();
        let mut all = image_path.map(folders).unwrap_or_default();
        all.extend(OWN.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()));
        all.extend(folders(&own));
        all.extend(SYSTEM.iter().map(PathBuf::from));
        let mut unique: Vec<PathBuf> = Vec::new();
        for folder in all.into_iter().filter(|folder| folder.is_absolute()) {
            if !unique.contains(&folder) {
                unique.push(folder);
            }
        }
        Programs { folders: unique }
    }

    /// The PATH.
    pub fn path(&self) -> String {
        let folders: Vec<_> =
            self.folders.iter().map(|folder| folder.display().to_string()).collect();
        folders.join(":")
    }

    /// How a program is found that a command names.
    pub fn find(&self, name: &str, view: &View<'_>, workdir: &Path) -> Found {
        if name.is_empty() || name.contains(['$', '`']) {
            return Found::Own;
        }
        if name.contains('/') {
            let at = workdir.join(name);
            if view.exists(&at) {
                return here(view, at);
            }
            return self
                .stand_in(base(name))
                .map_or(Found::Nowhere, |host| Found::StandIn(Bind { host, container: at }));
        }
        let in_path = self.folders.iter().map(|folder| folder.join(name));
        if let Some(at) = in_path.into_iter().find(|at| view.exists(at)) {
            return here(view, at);
        }
        self.stand_in(name).map_or(Found::Nowhere, |host| {
            let container = Path::new("/usr/local/bin").join(name);
            Found::StandIn(Bind { host, container })
        })
    }

    /// A file of the host that does what a program of that name does.
    fn stand_in(&self, name: &str) -> Option<PathBuf> {
        let hosts = || self.folders.iter().filter(|folder| folder.is_dir());
        if let Some(same) = hosts().map(|folder| folder.join(name)).find(|path| path.is_file()) {
            return Some(same);
        }
        let versioned = match name {
            "php-fpm" => "php-fpm",
            "php" => "php",
            "python" => "python3",
            "node" => "nodejs",
            _ => return None,
        };
        let version = |file: &str| {
            let rest = file.strip_prefix(versioned)?;
            let number = rest.chars().all(|c| c.is_ascii_digit() || c == '.');
            number.then(|| rest.to_string())
        };
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for folder in hosts() {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let named = entries.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()));
            found.extend(named.filter_map(|(name, path)| Some((version(&name)?, path))));
        }
        // The plain name first, else the newest.
        found.sort_by(|(a, _), (b, _)| a.is_empty().cmp(&b.is_empty()).then_with(|| order(a, b)));
        found.pop().map(|(_, path)| path)
    }
}

/// A program of the host's, unless the service's files show it.
fn here(view: &View<'_>, at: PathBuf) -> Found {
    if view.shows(&at) { Found::Own } else { Found::Here(at) }
}

/// Versions in order: `8.10` behind `8.9`.
fn order(a: &str, b: &str) -> std::cmp::Ordering {
    let parts =
        |text: &str| text.split('.').filter_map(|n| n.parse::<u32>().ok()).collect::<Vec<_>>();
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn another_version_stands_in() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for name in ["php-fpm8.9", "php-fpm8.10", "php-fpm-tool", "gunicorn"] {
            fs::write(bin.join(name), "").unwrap();
        }
        let programs = Programs { folders: vec![bin.clone()] };
        let changed = BTreeMap::new();
        let view =
            View { root: dir.path(), binds: &[], base: &[], made_of: &[], changed: &changed };
        let find = |name: &str| programs.find(name, &view, dir.path());
        assert_eq!(find("gunicorn"), Found::Own, "the folder is the user's");
        assert_eq!(find("bin/gunicorn"), Found::Own);
        assert_eq!(find("/bin/sh"), Found::Here("/bin/sh".into()));
        assert_eq!(find("$PROGRAM"), Found::Own);
        assert_eq!(find("uwsgi"), Found::Nowhere);
        let stand_in = |name: &str, file: &str, at: &str| {
            let bind = Bind { host: bin.join(file), container: at.into() };
            assert_eq!(find(name), Found::StandIn(bind));
        };
        stand_in("php-fpm", "php-fpm8.10", "/usr/local/bin/php-fpm");
        stand_in("/opt/venv/bin/gunicorn", "gunicorn", "/opt/venv/bin/gunicorn");
    }

    #[test]
    fn the_images_path_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("venv/bin")).unwrap();
        let programs = Programs::new(Some("/opt/x/bin::/opt/x/bin"), dir.path());
        assert_eq!(programs.folders[0], Path::new("/opt/x/bin"));
        assert_eq!(programs.folders[1], dir.path().join("venv/bin"));
        assert!(programs.path().ends_with("bin") && !programs.path().contains("::"));
    }
}
