//! What an image's COPY instructions put where, as binds of the user's own files: the image itself
//! is not built. What a build stage makes is found where the user's own build leaves it.

use crate::error::FilesError;
use crate::formats::dockerfile::{self, Copy, Dockerfile, Image};
use crate::sources::Sources;
use crate::view::{matches, normal};
use knee_core::launch::Bind;
use std::path::{Component, Path, PathBuf};

/// A folder that is laid over one of the host's is bound entry by entry, up to so many.
const MOST: usize = 2000;
/// Folders that an image's RUN fills beside the service, and a developer's tool as well.
const DEPENDENCIES: [(&str, &str); 4] = [
    ("package.json", "node_modules"),
    ("package.json", "dist"),
    ("package.json", "build"),
    ("composer.json", "vendor"),
];
/// Where builds leave their program.
const BUILDS: [&str; 6] = ["", "bin", "build", "dist", "out", "target/release"];

/// A Dockerfile's image, and what its COPY instructions bring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Built {
    /// The Dockerfile, relative to the folder.
    pub path: PathBuf,
    /// The folder that it copies from, relative to the service's.
    pub context: PathBuf,
    pub image: Image,
    pub binds: Vec<Bind>,
    /// What a build stage makes and the folder does not hold.
    pub unbuilt: Vec<Copy>,
}

/// Reads a Dockerfile's image; `context` is the folder that it copies from, where it is known.
/// None without the file.
pub(crate) fn built(
    sources: &Sources,
    path: &Path,
    stage: Option<&str>,
    context: Option<&Path>,
) -> Result<Option<Built>, FilesError> {
    let Some(text) = sources.text(path)? else { return Ok(None) };
    let readable = dockerfile::readable(&text);
    let file = Dockerfile::parse(&readable).map_err(FilesError::format(path))?;
    let known = |base: &str| Some(crate::official::image(base)?.workdir.to_string());
    let image = file.image_on(stage, &known);
    let context = context.map_or_else(|| guess_context(sources, path, &image), normal_path);
    let mut copier = Copier { root: sources.root.join(&context), file, built: Built::default() };
    for copy in &image.copies {
        copier.copy(copy);
    }
    let workdir = image.workdir.as_ref().map_or("/", |(dir, _)| dir.as_str());
    copier.dependencies(Path::new(workdir));
    Ok(Some(Built { path: path.into(), context, image, ..copier.built }))
}

/// A relative path without `.` and `..`; what leaves the folder stays at its top.
fn normal_path(path: &Path) -> PathBuf {
    normal(path).strip_prefix("/").map(Path::to_path_buf).unwrap_or_default()
}

/// The service's folder, else the Dockerfile's own: where what it copies is found.
fn guess_context(sources: &Sources, path: &Path, image: &Image) -> PathBuf {
    let own = path.parent().unwrap_or(Path::new(""));
    let copied = image.copies.iter().filter(|c| c.from.is_none()).flat_map(|c| &c.sources);
    let missing = |context: &Path| {
        let root = sources.root.join(context);
        copied.clone().filter(|source| expand(&root, source).is_empty()).count()
    };
    let better = missing(own) < missing(Path::new(""));
    if better { own.into() } else { PathBuf::new() }
}

struct Copier<'a> {
    /// The build context.
    root: PathBuf,
    file: Dockerfile<'a>,
    built: Built,
}

impl Copier<'_> {
    fn copy(&mut self, copy: &Copy) {
        match &copy.from {
            None => {
                for source in &copy.sources {
                    for host in expand(&self.root, source) {
                        self.put(&host, &copy.dest);
                    }
                }
            }
            Some(stage) if self.file.has_stage(stage) => {
                let made = self.file.image(Some(stage));
                for source in &copy.sources {
                    match self.made(&made, source) {
                        Some(host) => self.put(&host, &copy.dest),
                        None => self.built.unbuilt.push(copy.clone()),
                    }
                }
            }
            // What another image holds is not here.
            Some(_) => {}
        }
    }

    /// A file goes into a folder or takes its name; of a folder goes what it holds.
    fn put(&mut self, host: &Path, dest: &str) {
        let at = normal(Path::new(dest));
        if host.is_dir() {
            self.merge(host, &at);
        } else if dest.ends_with('/') || at.is_dir() {
            let name = host.file_name().unwrap_or_default();
            self.bind(host, &at.join(name));
        } else {
            self.bind(host, &at);
        }
    }

    /// A folder whole where nothing is below it, else entry by entry: what is there stays.
    fn merge(&mut self, host: &Path, at: &Path) {
        if !at.is_dir() || self.built.binds.len() >= MOST {
            return self.bind(host, at);
        }
        let entries = std::fs::read_dir(host).into_iter().flatten().flatten();
        let mut entries: Vec<_> = entries.map(|e| (e.path(), at.join(e.file_name()))).collect();
        entries.sort();
        for (from, to) in entries {
            if from.is_dir() { self.merge(&from, &to) } else { self.bind(&from, &to) }
        }
    }

    fn bind(&mut self, host: &Path, container: &Path) {
        if container != Path::new("/") {
            self.built.binds.push(Bind { host: host.into(), container: container.into() });
        }
    }

    /// Where the folder holds what a stage makes at a path: beside what the stage was given.
    fn made(&self, stage: &Image, source: &str) -> Option<PathBuf> {
        let workdir = stage.workdir.as_ref().map_or("/", |(dir, _)| dir.as_str());
        let source = normal(&Path::new(workdir).join(source));
        let given = stage.copies.iter().rev().filter(|c| c.from.is_none()).filter_map(|copy| {
            let rest = source.strip_prefix(normal(Path::new(&copy.dest))).ok()?;
            let from = copy.sources.iter().find_map(|s| {
                let found = expand(&self.root, s).into_iter().next()?;
                if found.is_dir() { Some(found) } else { found.parent().map(Path::to_path_buf) }
            })?;
            Some(from.join(rest))
        });
        let beside = source.strip_prefix(workdir).ok().filter(|rest| !rest.as_os_str().is_empty());
        let beside = beside.map(|rest| self.root.join(rest));
        let name = source.file_name()?;
        let built = BUILDS.iter().map(|folder| self.root.join(folder).join(name));
        let is_program = |path: &PathBuf| path.is_file();
        given
            .chain(beside)
            .find(|path| path.exists())
            .or_else(|| built.into_iter().find(is_program))
    }

    /// Shows the folders of dependencies that no COPY brings, beside the file that names them.
    fn dependencies(&mut self, workdir: &Path) {
        for (file, folder) in DEPENDENCIES {
            let (host, at) = (self.root.join(folder), workdir.join(folder));
            let copied = |bind: &Bind| at.starts_with(&bind.container) && bind.host.is_dir();
            let there = self.built.binds.iter().any(copied);
            if !there && host.is_dir() && self.root.join(file).is_file() {
                self.bind(&host, &at);
            }
        }
    }
}

/// The paths in a build context that a source of COPY means, in order. None leads out of it.
fn expand(root: &Path, source: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    for part in normal(Path::new(source)).components() {
        let Component::Normal(part) = part else { continue };
        let part = part.to_string_lossy();
        found = found.iter().flat_map(|folder| entries(folder, &part)).collect();
    }
    found
}

fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        return Some(folder.join(pattern)).into_iter().filter(|path| path.exists()).collect();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let like = |e: &std::fs::DirEntry| matches(pattern, &e.file_name().to_string_lossy());
    let mut paths: Vec<PathBuf> = entries.filter(like).map(|e| e.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sources = Sources::read(dir.path(), BTreeMap::new()).unwrap();
        (dir, sources)
    }

    fn shown(sources: &Sources, path: &str) -> (Vec<(String, String)>, Built) {
        let built = built(sources, Path::new(path), None, None).unwrap().unwrap();
        let relative = |bind: &Bind| {
            let host = bind.host.strip_prefix(&sources.root).unwrap().display().to_string();
            (host, bind.container.display().to_string())
        };
        (built.binds.iter().map(relative).collect(), built)
    }

    fn pair(host: &str, at: &str) -> (String, String) {
        (host.into(), at.into())
    }

    #[test]
    fn files_folders_and_patterns() {
        let (_dir, sources) = tree(&[
            (
                "Dockerfile",
                "FROM node:22\nWORKDIR /knee-app\nCOPY package*.json ./\nCOPY src/ src/\n\
                 COPY conf/a.conf /knee-etc/app.conf\nCOPY ../x missing /y/\nCOPY . /\n",
            ),
            ("package.json", "{}"),
            ("package-lock.json", "{}"),
            ("src/a.js", ""),
            ("conf/a.conf", ""),
            ("node_modules/x/y.js", ""),
            ("etc/knee-only-here", ""),
        ]);
        let (binds, _) = shown(&sources, "Dockerfile");
        assert_eq!(
            binds[..4],
            [
                pair("package-lock.json", "/knee-app/package-lock.json"),
                pair("package.json", "/knee-app/package.json"),
                pair("src", "/knee-app/src"),
                pair("conf/a.conf", "/knee-etc/app.conf"),
            ]
        );
        // Nothing hides the host's folders: what is copied to / is laid over them.
        assert!(binds.contains(&pair("etc/knee-only-here", "/etc/knee-only-here")));
        assert!(!binds.iter().any(|(_, at)| at == "/" || at == "/etc"));
        assert!(binds.contains(&pair("node_modules", "/knee-app/node_modules")));
    }

    #[test]
    fn what_a_stage_makes_is_found_beside_its_sources() {
        let dockerfile = "FROM golang AS build\nWORKDIR /src\nCOPY go.mod main.go ./\nRUN go build -o orders .\n\
            FROM node AS web\nWORKDIR /w\nCOPY web .\nRUN npm run build\n\
            FROM debian\nCOPY --from=build /src/orders /usr/local/bin/orders\nCOPY --from=build /src/other /other\n\
            COPY --from=web /w/dist /knee-public\nCOPY --from=composer:2 /usr/bin/composer /composer\n";
        let (_dir, sources) = tree(&[
            ("Dockerfile", dockerfile),
            ("go.mod", "module x"),
            ("main.go", ""),
            ("orders", "binary"),
            ("web/dist/index.html", ""),
        ]);
        let (binds, built) = shown(&sources, "Dockerfile");
        assert_eq!(
            binds,
            [pair("orders", "/usr/local/bin/orders"), pair("web/dist", "/knee-public"),]
        );
        assert_eq!(built.unbuilt.len(), 1);
        assert_eq!(built.unbuilt[0].dest, "/other");
    }

    #[test]
    fn the_context_is_where_the_sources_are() {
        let (_dir, sources) = tree(&[
            ("docker/app/Dockerfile", "FROM x\nWORKDIR /knee-app\nCOPY app.py .\n"),
            ("docker/app/app.py", ""),
            ("docker/other/Dockerfile", "FROM x\nCOPY other.py /knee-app/\n"),
            ("other.py", ""),
        ]);
        let found = shown(&sources, "docker/app/Dockerfile").0;
        assert_eq!(found, [pair("docker/app/app.py", "/knee-app/app.py")]);
        let found = shown(&sources, "docker/other/Dockerfile").0;
        assert_eq!(found, [pair("other.py", "/knee-app/other.py")]);
    }
}
