//! Which package of a repository with several a package manager is asked to run a script of.

use super::Follower;
use crate::picture::files::{FileId, joined};

/// Options behind which a package stands, by its name or its folder.
const OF_PACKAGE: [&str; 8] =
    ["-w", "--workspace", "--filter", "-F", "--prefix", "--cwd", "-C", "--dir"];

/// The package that is meant, if another one, and the name of the script.
pub(super) fn asked(argv: &[String]) -> (Option<&str>, &str) {
    let mut words = argv[1..].iter().map(String::as_str).take_while(|word| *word != "--");
    let (mut target, mut name) = (None, None);
    while let Some(word) = words.next() {
        if OF_PACKAGE.contains(&word) || (word == "workspace" && name.is_none()) {
            target = words.next();
        } else if let Some((option, value)) = word.split_once('=') {
            if OF_PACKAGE.contains(&option) {
                target = Some(value);
            }
        } else if !word.starts_with('-') && !matches!(word, "run" | "run-script") {
            name = name.or(Some(word));
        }
    }
    (target, name.unwrap_or("start"))
}

impl Follower<'_> {
    /// The package.json of a package, by its folder or its name; `beside` is the folder of who asks.
    pub(super) fn package(&self, target: &str, beside: &str) -> Option<FileId> {
        let path = target.trim_matches('.').trim_matches('/');
        let folder = |from: &str| self.index.get(&joined(&joined(from, path), "package.json"));
        if let Some(id) = folder(beside.trim_end_matches('/')).or_else(|| folder("")) {
            return Some(*id);
        }
        let mut named = self.files.iter().filter(|(_, file)| {
            let Some(at) = file.path.strip_suffix("package.json") else { return false };
            let name = file.text.split_once("\"name\"").map_or("", |(_, rest)| rest);
            let name = name.split('"').nth(1).unwrap_or_default();
            name == path
                || name.rsplit('/').next() == Some(path)
                || at.trim_end_matches('/').rsplit('/').next() == Some(path)
        });
        let (id, _) = named.next()?;
        named.next().is_none().then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_packages() {
        for (line, target, name) in [
            ("npm start", None, "start"),
            ("npm run serve", None, "serve"),
            ("npm run -w backend start:prod", Some("backend"), "start:prod"),
            ("npm run start --workspace=api", Some("api"), "start"),
            ("yarn workspace @shop/api start", Some("@shop/api"), "start"),
            ("pnpm --filter ./apps/api run start", Some("./apps/api"), "start"),
            ("yarn --cwd packages/server serve", Some("packages/server"), "serve"),
            ("npm --prefix=server start", Some("server"), "start"),
            ("yarn", None, "start"),
        ] {
            let argv: Vec<String> = line.split(' ').map(String::from).collect();
            assert_eq!(asked(&argv), (target, name), "{line}");
        }
    }
}
