//! Files by the path at which the service sees them: a COPY's source, else the host's own file.
//! Reads only; what is laid over files for a trial is no matter of this module.

use crate::error::FilesError;
use knee_core::launch::Bind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// More of a file is never read: no file of settings or start script is longer.
const LONGEST: u64 = 4 << 20;

/// The files of a service as it sees them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The user's folder, absolute.
    pub root: &'a Path,
    /// What is shown at other paths; a later one lies above an earlier.
    pub binds: &'a [Bind],
    /// What stands in for files of an image; above the host's, below the user's.
    pub base: &'a [(PathBuf, String)],
    /// Those of them that are made of a file of the user's, with that.
    pub made_of: &'a [(PathBuf, PathBuf)],
    /// Texts that stand for others: by the path as the service sees it, or by the user's own,
    /// which is relative.
    pub changed: &'a BTreeMap<PathBuf, String>,
}

/// A file that a service sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Absolute path as the service sees it.
    pub at: PathBuf,
    /// Relative to the user's folder, if it is the user's own.
    pub own: Option<PathBuf>,
    pub text: String,
}

impl Seen {
    /// As people are told of it: the user's own file by its path from the folder.
    pub fn shown(&self) -> String {
        self.own.as_ref().unwrap_or(&self.at).display().to_string()
    }
}

impl View<'_> {
    /// The file at a path as the service sees it; None where there is none.
    pub fn read(&self, at: &Path) -> Result<Option<Seen>, FilesError> {
        let at = normal(at);
        if let Some(host) = self.bound(&at).or_else(|| self.own(&at)) {
            return self.seen(at, &host);
        }
        if let Some((_, text)) = self.base.iter().find(|(path, _)| *path == at) {
            let text = self.changed.get(&at).unwrap_or(text).clone();
            let made_of = self.made_of.iter().find(|(path, _)| *path == at);
            let own = made_of.map(|(_, template)| template.clone());
            return Ok(Some(Seen { at, own, text }));
        }
        if let Some(text) = self.changed.get(&at) {
            return Ok(Some(Seen { at, own: None, text: text.clone() }));
        }
        let host = at.clone();
        self.seen(at, &host)
    }

    /// The files whose paths match a pattern with `*`, `?` and `[…]`, in alphabetical order.
    pub fn glob(&self, pattern: &Path) -> Result<Vec<Seen>, FilesError> {
        let mut found = vec![PathBuf::from("/")];
        for part in normal(pattern).components() {
            let Component::Normal(part) = part else { continue };
            let part = part.to_string_lossy();
            found = match part.contains(['*', '?', '[']) {
                false => found.into_iter().map(|folder| folder.join(&*part)).collect(),
                true => found
                    .iter()
                    .flat_map(|folder| {
                        let names = self.names(folder).into_iter();
                        let like = |name: &String| {
                            matches(&part, name)
                                && (part.starts_with('.') || !name.starts_with('.'))
                        };
                        names.filter(like).map(|name| folder.join(name)).collect::<Vec<_>>()
                    })
                    .collect(),
            };
        }
        found.iter().filter_map(|at| self.read(at).transpose()).collect()
    }

    /// Whether the service sees anything at a path.
    pub fn exists(&self, at: &Path) -> bool {
        let at = normal(at);
        self.bound(&at).is_some() || self.base.iter().any(|(path, _)| *path == at) || at.exists()
    }

    /// Whether what is seen at a path is the user's own or stands in for an image's.
    pub fn shows(&self, at: &Path) -> bool {
        let at = normal(at);
        let made = self.base.iter().any(|(path, _)| *path == at);
        made || self.bound(&at).is_some() || self.own(&at).is_some()
    }

    /// The names in a folder.
    fn names(&self, folder: &Path) -> BTreeSet<String> {
        let in_host = |host: &Path| {
            let entries = std::fs::read_dir(host).into_iter().flatten().flatten();
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let within =
            self.binds.iter().filter_map(|b| Some((b, folder.strip_prefix(&b.container).ok()?)));
        let mut names: BTreeSet<String> =
            within.flat_map(|(bind, rest)| in_host(&bind.host.join(rest))).collect();
        names.extend(in_host(folder));
        let shown = self.binds.iter().map(|b| &b.container);
        let made = self.base.iter().map(|(path, _)| path).chain(self.changed.keys());
        let directly = shown.chain(made).filter(|path| path.parent() == Some(folder));
        names.extend(directly.filter_map(|path| Some(path.file_name()?.to_string_lossy().into())));
        names
    }

    /// Where the uppermost bind that shows something at a path takes it from.
    fn bound(&self, at: &Path) -> Option<PathBuf> {
        self.binds.iter().rev().find_map(|bind| {
            let rest = at.strip_prefix(&bind.container).ok()?;
            let host =
                if rest.as_os_str().is_empty() { bind.host.clone() } else { bind.host.join(rest) };
            host.exists().then_some(host)
        })
    }

    /// A path in the user's own folder.
    fn own(&self, at: &Path) -> Option<PathBuf> {
        (at.starts_with(self.root) && at.exists()).then(|| at.into())
    }

    fn seen(&self, at: PathBuf, host: &Path) -> Result<Option<Seen>, FilesError> {
        let own = host.strip_prefix(self.root).ok().map(Path::to_path_buf);
        let changed = self.changed.get(&at).or_else(|| self.changed.get(own.as_ref()?));
        if let Some(text) = changed {
            return Ok(Some(Seen { at, own, text: text.clone() }));
        }
        let shown = own.clone().unwrap_or_else(|| host.into());
        Ok(read_text(host, &shown)?.map(|text| Seen { at, own, text }))
    }
}

/// The text of a file; None where there is none, or it is a folder, or no text.
pub(crate) fn read_text(path: &Path, shown: &Path) -> Result<Option<String>, FilesError> {
    let regular = match std::fs::metadata(path) {
        Ok(found) => found.is_file() && found.len() <= LONGEST,
        Err(_) => false,
    };
    if !regular {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(FilesError::io(shown))?;
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
}

/// A path without `.` and `..`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(part) => normal.push(part),
            Component::ParentDir => drop(normal.pop()),
            _ => {}
        }
    }
    normal
}

/// Whether a name matches a shell's pattern: `*`, `?`, `[a-c]`, `[!x]`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // Where to go on when the text behind the last `*` does not fit.
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        let fits = match pattern.get(p) {
            Some('*') => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(&pattern[p..], name[n]).map(|length| p + length),
            Some(c) => (*c == name[n]).then_some(p + 1),
            None => None,
        };
        match (fits, retry) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((star, at))) => {
                retry = Some((star, at + 1));
                (p, n) = (star + 1, at + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Length of the class that the pattern begins with, if the character belongs to it.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let close = pattern.iter().skip(2).position(|c| *c == ']')? + 2;
    let (negated, inner) = match &pattern[1..close] {
        ['!' | '^', inner @ ..] => (true, inner),
        inner => (false, inner),
    };
    let mut found = false;
    let mut at = 0;
    while at < inner.len() {
        found |= match inner[at..] {
            [from, '-', to, ..] => {
                at += 2;
                (from..=to).contains(&c)
            }
            [one, ..] => one == c,
            [] => false,
        };
        at += 1;
    }
    (found != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    #[test]
    fn patterns_as_a_shell_has_them() {
        for (pattern, name, fits) in [
            ("*.conf", "www.conf", true),
            ("*.conf", "www.conf.bak", false),
            ("z*-*.conf", "zz-docker.conf", true),
            ("?.ini", "a.ini", true),
            ("[a-c]*", "bcd", true),
            ("[!a-c]*", "bcd", false),
            ("[ab", "[ab", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_copy_lies_above_the_hosts_files() {
        let dir = tempfile::tempdir().unwrap();
        let (root, host) = (dir.path().join("user"), dir.path().join("host"));
        for folder in [root.join("conf"), host.clone()] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("conf/b.conf"), "mine").unwrap();
        fs::write(host.join("a.conf"), "a").unwrap();
        fs::write(host.join("b.conf"), "b").unwrap();
        let binds = [Bind { host: root.join("conf"), container: host.clone() }];
        let base = [(host.join("c.conf"), "c".to_string())];
        let changed = BTreeMap::new();
        let view =
            View { root: &root, binds: &binds, base: &base, made_of: &[], changed: &changed };
        let found = view.glob(&host.join("./x/../*.conf")).unwrap();
        let told: Vec<_> = found.iter().map(|s| (s.text.as_str(), s.own.is_some())).collect();
        assert_eq!(told, [("a", false), ("mine", true), ("c", false)]);
        assert_eq!(found[1].shown(), "conf/b.conf");
        assert_eq!(view.read(&host).unwrap(), None, "a folder");
        assert_eq!(view.read(&root.join("conf/b.conf")).unwrap().unwrap().text, "mine");
        assert!(view.exists(&host.join("c.conf")) && !view.exists(&host.join("d.conf")));
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[a*?\\[\\]!-]{0,12}", name in "[a-c\\[]{0,12}") {
            matches(&pattern, &name);
            let own = name.replace('[', "?") + "*";
            prop_assert!(matches("*", &name) && matches(&own, &name));
        }
    }
}
