//! Folders for a test: copies of the examples, and trees written by hand.

use knee_core::Task;
use knee_core::service::PlacedKnob;
use knee_core::settings::Settings;
use knee_files::{Discovery, FilesError, Overrides, Patch};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const EXAMPLES: [&str; 6] = ["gunicorn", "uvicorn", "node", "go", "php-fpm", "nginx"];

/// A folder that goes with the test.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// A copy of the example, with the programs that `scripts/setup` brings.
    pub fn example(name: &str) -> Folder {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let folder = Folder { dir: tempfile::tempdir().unwrap() };
        copy(&root.join("examples").join(name), folder.path());
        symlink(root.join("target/setup/venv"), folder.path().join(".venv")).unwrap();
        folder
    }

    /// Files by their paths.
    pub fn tree(files: &[(&str, &str)]) -> Folder {
        let folder = Folder { dir: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub fn discover(&self) -> Discovery {
        self.try_discover().unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn try_discover(&self) -> Result<Discovery, FilesError> {
        knee_files::discover(self.path(), &Overrides::default())
    }

    /// The error that a folder gives, in words.
    pub fn error(&self) -> String {
        self.try_discover().expect_err("this folder is broken").to_string()
    }

    pub fn apply(&self, patches: &[Patch]) {
        for patch in patches {
            assert_eq!(self.read(&patch.path), patch.before);
            fs::write(self.path().join(&patch.path), &patch.after).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The knob of that name.
pub fn knob<'a>(discovery: &'a Discovery, name: &str) -> &'a PlacedKnob {
    let found = discovery.service.knobs().find(|(_, placed)| placed.knob.name == name);
    found.unwrap_or_else(|| panic!("no knob {name}")).1
}

/// A knob's value and who says so, as people read it.
pub fn told(discovery: &Discovery, name: &str) -> String {
    knob(discovery, name).current.to_string()
}

/// The file in which a knob's value is written.
pub fn file(discovery: &Discovery, name: &str) -> Option<PathBuf> {
    knob(discovery, name).place.file.clone()
}

/// The values of the facts of that name, with their origins.
pub fn facts(discovery: &Discovery, what: &str) -> Vec<String> {
    let facts = discovery.facts.iter().filter(|fact| fact.what == what);
    facts.map(|fact| fact.value.to_string()).collect()
}

/// What is missing, each in one line.
pub fn missing(discovery: &Discovery) -> Vec<String> {
    discovery.missing.iter().map(|m| format!("{}: {} ({})", m.flag, m.what, m.example)).collect()
}

/// Settings as every part settles them.
pub fn settled(discovery: &Discovery, settings: &Settings) -> Settings {
    let mut all = settings.clone();
    for part in discovery.service.parts() {
        if let Some(runtime) = knee_core::runtimes::by_id(part.runtime) {
            let own = part.knobs.iter().filter_map(|placed| {
                let name = placed.knob.name.to_string();
                Some((name.clone(), settings.0.get(&name)?.clone()))
            });
            all.0.extend((runtime.settle)(&Settings(own.collect())).0);
        }
    }
    all.0.retain(|name, _| settings.0.contains_key(name));
    all
}

/// The task of a discovery.
pub fn task(discovery: &Discovery) -> Task {
    discovery.service.task.as_ref().expect("a task").value
}

/// The diff of settings that differ from today's.
pub fn diff(discovery: &Discovery, turned: &[(&str, i64)]) -> String {
    let settings = turned
        .iter()
        .fold(discovery.service.current(), |settings, (name, value)| settings.with(*name, *value));
    let patches = knee_files::patches(&discovery.service, &settings).unwrap();
    patches.iter().map(Patch::diff).collect()
}
