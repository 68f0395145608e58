//! Which Go files a program is made of: the package that its image builds, and those of the same
//! module that it imports. Other programs of the repository are none of its.

use super::{Join, undeployed};
use crate::picture::files::FileId;
use crate::picture::image::Built;
use std::collections::{BTreeMap, BTreeSet};

/// Folders whose programs are run by hand.
const BY_HAND: [&str; 8] =
    ["scripts", "docs", "tools", "hack", "examples", "example", "test", "tests"];

impl Join {
    /// The Go files of the program that an image builds below a folder and starts by that command.
    pub(super) fn go_sources(&self, built: &Built, folder: &str, command: &str) -> Vec<FileId> {
        let packages = self.packages(folder);
        let mains: Vec<String> = packages
            .iter()
            .filter(|(_, files)| files.iter().any(|id| self.is_main(*id)))
            .map(|(package, _)| package.clone())
            .collect();
        let mut todo = self.built_packages(built, &mains);
        if todo.is_empty() {
            // `go build ./...` leaves these folders out, too: `go help packages`.
            let left_out = |part: &str| BY_HAND.contains(&part) || part.starts_with(['_', '.']);
            let by_hand = |p: &&String| p.split('/').any(left_out);
            todo = mains.iter().filter(|package| !by_hand(package)).cloned().collect();
            // Of programs beside each other those that something builds for more than one person.
            let built: Vec<String> =
                todo.iter().filter(|p| self.names_package(p)).cloned().collect();
            todo = if built.is_empty() { todo } else { built };
        }
        // Of several programs the one that is named as the container's own.
        let called = |p: &&String| p.rsplit('/').next() == Some(command);
        if todo.len() > 1
            && let Some(own) = todo.iter().find(called).cloned()
        {
            todo = vec![own];
        }
        let modules = self.modules();
        let mut seen: BTreeSet<String> = todo.iter().cloned().collect();
        let mut sources = Vec::new();
        while let Some(package) = todo.pop() {
            let Some(files) = packages.get(&package) else { continue };
            for id in files {
                sources.push(*id);
                for import in imports(&self.picture.files.get(*id).text) {
                    let inside = modules.iter().find_map(|(module, folder)| {
                        let rest = import.strip_prefix(module.as_str())?;
                        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
                        Some(within(folder, rest))
                    });
                    todo.extend(inside.filter(|package| seen.insert(package.clone())));
                }
            }
        }
        sources
    }

    /// The packages below a folder, by their folders, without tests.
    fn packages(&self, folder: &str) -> BTreeMap<String, Vec<FileId>> {
        let mut packages: BTreeMap<String, Vec<FileId>> = BTreeMap::new();
        for id in self.sources(folder, crate::picture::Runtime::Go) {
            packages.entry(self.folder(id)).or_default().push(id);
        }
        packages
    }

    /// Whether a Dockerfile, a pipeline or a script names a package by its path, or it is the root's.
    fn names_package(&self, package: &str) -> bool {
        let names = |text: &str| {
            text.match_indices(package).any(|(at, _)| {
                let rest = &text[at + package.len()..];
                !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_')
            })
        };
        package.is_empty()
            || self.picture.files.iter().any(|(_, file)| {
                let name = file.path.rsplit('/').next().unwrap_or(&file.path);
                let image = name.to_ascii_lowercase().contains("dockerfile");
                (image || undeployed::builds(&file.path)) && names(&file.text)
            })
    }

    fn is_main(&self, id: FileId) -> bool {
        let text = &self.picture.files.get(id).text;
        text.lines().any(|line| line.trim_end() == "package main")
    }

    /// The packages with a `main` that `go build` and `go install` name in an image.
    fn built_packages(&self, built: &Built, mains: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        let text = &self.picture.files.get(built.file).text;
        let joined = text.replace("\\\n", " ");
        let mut workdir = "";
        for line in joined.lines() {
            if let Some(folder) = line.strip_prefix("WORKDIR ") {
                workdir = folder.trim();
            }
            let verbs = ["go build", "go install"];
            for (at, verb) in verbs.iter().flat_map(|verb| line.match_indices(verb)) {
                let command = line[at + verb.len()..].split(['&', ';', '|']).next();
                let words = command.unwrap_or_default().split_whitespace();
                let words: Vec<&str> = words.map(|word| word.trim_matches(['"', '\''])).collect();
                let named: Vec<String> = words
                    .iter()
                    .filter_map(|word| self.named_package(built, word, mains))
                    .collect();
                let here = words.iter().all(|word| !word.contains('@'));
                if named.is_empty() && here {
                    // The folder that it stands in.
                    let inside = |main: &&String| workdir.ends_with(&format!("/{main}"));
                    let deepest = mains.iter().filter(inside).max_by_key(|main| main.len());
                    let root = || built.contexts().iter().find(|root| mains.contains(root));
                    found.extend(deepest.or_else(root).cloned());
                }
                found.extend(named);
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The package with a `main` that a word of `go build` names.
    fn named_package(&self, built: &Built, word: &str, mains: &[String]) -> Option<String> {
        let dots = matches!(word, "." | "./");
        if dots || word.starts_with('-') || word.contains(['$', '@']) || word.contains("...") {
            return None;
        }
        let path = word.trim_end_matches('/');
        let path = match path.strip_suffix(".go") {
            Some(file) => file.rsplit_once('/').map_or(".", |(folder, _)| folder),
            None => path,
        };
        let inner = path.trim_start_matches("./").trim_start_matches('.');
        let exact = built.contexts().iter().find_map(|context| {
            let package = within(context, inner);
            mains.contains(&package).then_some(package)
        });
        // Named from a folder that only the image has.
        exact.or_else(|| {
            let end = format!("/{inner}");
            let mut alike = mains.iter().filter(|main| !inner.is_empty() && main.ends_with(&end));
            alike.next().filter(|_| alike.next().is_none()).cloned()
        })
    }

    /// Each module's name and folder, the longest name first.
    fn modules(&self) -> Vec<(String, String)> {
        let named = |id: FileId| {
            let text = &self.picture.files.get(id).text;
            let name = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
            Some((name.trim().trim_matches('"').to_string(), self.folder(id)))
        };
        let files = self.ids().into_iter().filter(|id| self.name(*id) == "go.mod");
        let mut modules: Vec<_> = files.filter_map(named).collect();
        modules.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        modules
    }
}

fn within(folder: &str, path: &str) -> String {
    [folder, path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// What a file imports: the strings before its first declaration.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let head = text.lines().take_while(|line| !line.starts_with("func "));
    head.filter_map(|line| {
        let (_, rest) = line.split_once('"')?;
        let (path, behind) = rest.split_once('"')?;
        let import =
            !path.contains(' ') && (behind.is_empty() || behind.starts_with([' ', '\r', '\t']));
        import.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use crate::picture::tests::picture;

    #[test]
    fn programs_that_an_image_does_not_build_itself() {
        let main = "package main\nfunc main() {}\n";
        let sources = |dockerfile: &str, makefile: &str| {
            let files = [
                ("Dockerfile", dockerfile),
                ("Makefile", makefile),
                ("go.mod", "module example.com/shop\n"),
                ("cmd/shop/main.go", main),
                ("cmd/backfill/main.go", main),
                ("_try/main.go", main),
            ];
            let picture = picture(&files);
            let (_, _, program) = picture.programs().next().unwrap();
            let ids = &program.sources;
            let mut paths: Vec<String> =
                ids.iter().map(|id| picture.files.get(*id).path.clone()).collect();
            paths.sort();
            paths
        };
        let copies = "FROM golang:1.25\nCOPY bin/app /app\nCMD [\"/app\"]\n";
        assert_eq!(
            sources(copies, "app:\n\tgo build -o bin/app ./cmd/shop\n"),
            ["cmd/shop/main.go"]
        );
        assert_eq!(sources(copies, ""), ["cmd/backfill/main.go", "cmd/shop/main.go"]);
        let root =
            "FROM golang:1.25\nWORKDIR $DIR\nCOPY . .\nRUN go build -o /app .\nCMD [\"/app\"]\n";
        assert_eq!(sources(root, "").len(), 2, "the root holds no program");
    }
}
