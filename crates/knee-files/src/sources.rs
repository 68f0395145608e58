//! The files in a service's folder that say how it is started, found by their names.

use crate::config::Config;
use crate::deployed::{self, Deployed};
use crate::error::FilesError;
use crate::formats::compose;
use crate::formats::task_definition::{self, TaskDefinition};
use crate::formats::word::quote;
use crate::formats::{CommandText, FormatError, package_json, procfile, shell};
use crate::production::is_production;
use crate::text::{Edit, line};
use crate::view::read_text;
use knee_core::sourced::Sourced;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// knee's own file.
pub(crate) const CONFIG: &str = "knee.toml";
/// Folders in which files for deployment are looked for, the service's own first.
const FOLDERS: [&str; 18] = [
    "",
    ".aws",
    ".ecs",
    "aws",
    "ecs",
    "deploy",
    "deployment",
    "infra",
    "infrastructure",
    "ops",
    "config",
    "ci",
    "terraform",
    "terraform/templates",
    "infra/terraform",
    "infrastructure/terraform",
    "templates",
    "tasks",
];
/// Names that say of themselves what they are; they are taken before others.
const TASKS: [&str; 6] = [
    "task-definition.json",
    "taskdef.json",
    "task_definition.json",
    "task-def.json",
    "taskdefinition.json",
    "ecs-task-definition.json",
];

/// Compose files, the one that compose itself prefers first. Overrides are for development.
const COMPOSE: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// A file that was understood.
pub(crate) struct Source<T> {
    /// Relative to the folder.
    pub path: PathBuf,
    pub text: String,
    pub parsed: T,
}

/// What a folder holds.
pub(crate) struct Sources {
    /// Absolute.
    pub root: PathBuf,
    pub config: Option<Source<Config>>,
    pub task: Option<Source<TaskDefinition>>,
    /// Other task definitions, which were not taken.
    pub other_tasks: Vec<PathBuf>,
    /// What other files deploy, where there is no task definition.
    deploying: deployed::Found,
    pub compose: Option<Source<Vec<compose::Service>>>,
    /// The process that takes requests, of a Procfile or else of package.json.
    pub process: Option<Source<CommandText>>,
    /// Texts that stand for those on the disk.
    changed: BTreeMap<PathBuf, String>,
}

impl Sources {
    /// Reads the folder; `changed` texts stand for those on the disk.
    pub fn read(root: &Path, changed: BTreeMap<PathBuf, String>) -> Result<Sources, FilesError> {
        let root = root.canonicalize().map_err(FilesError::io(root))?;
        let mut sources = Sources {
            root,
            config: None,
            task: None,
            other_tasks: Vec::new(),
            deploying: deployed::Found::default(),
            compose: None,
            process: None,
            changed,
        };
        sources.config = sources.config()?;
        let mut tasks = sources.tasks()?.into_iter();
        if let Some(path) = tasks.next() {
            sources.task = sources.parsed(path, &task_definition::parse)?;
        }
        sources.other_tasks = tasks.collect();
        if sources.task.is_none() {
            sources.deploying = deployed::deployed(&sources.root, &|path| sources.text(path))?;
        }
        let outside = sources.variables(Path::new(".env"))?;
        let value = |name: &str| {
            let set = outside.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            std::env::var(name).ok().or(set)
        };
        if let Some(path) = COMPOSE.iter().map(PathBuf::from).find(|p| sources.has(p)) {
            sources.compose = sources.parsed(path, &|text| compose::parse(text, &value))?;
        }
        sources.process = sources.process()?;
        Ok(sources)
    }

    /// The text of a file, relative to the folder.
    pub fn text(&self, path: &Path) -> Result<Option<String>, FilesError> {
        match self.changed.get(path) {
            Some(text) => Ok(Some(text.clone())),
            None => read_text(&self.root.join(path), path),
        }
    }

    fn config(&self) -> Result<Option<Source<Config>>, FilesError> {
        let path = PathBuf::from(CONFIG);
        let Some(text) = self.text(&path)? else { return Ok(None) };
        match Config::parse(&text) {
            Ok(parsed) => Ok(Some(Source { path, text, parsed })),
            Err(mistakes) => Err(FilesError::Config { path, mistakes }),
        }
    }

    /// `web` of the Procfile, else what `npm start` runs.
    fn process(&self) -> Result<Option<Source<CommandText>>, FilesError> {
        let path = PathBuf::from("Procfile");
        if let Some(text) = self.text(&path)? {
            let mut processes = procfile::parse(&text);
            let web = processes.iter().position(|(name, _)| name == "web");
            let parsed = web.map(|at| processes.swap_remove(at).1);
            return Ok(parsed.map(|parsed| Source { path, text, parsed }));
        }
        let path = PathBuf::from("package.json");
        let Some(text) = self.text(&path)? else { return Ok(None) };
        let script = package_json::script(&text, "start").map_err(FilesError::format(&path))?;
        Ok(script.map(|inner| {
            let argv = vec!["/bin/sh".into(), "-c".into(), inner.text.clone()];
            let line = line(&text, inner.range(0..0).start);
            let parsed = CommandText { argv, statements: shell::statements(&inner), line };
            Source { path, text, parsed }
        }))
    }

    /// The variables of a file of `NAME=value` lines; none without the file.
    pub fn variables(&self, path: &Path) -> Result<Vec<(String, String)>, FilesError> {
        let text = self.text(path)?.unwrap_or_default();
        let variable = |line: &str| {
            let line = line.trim().trim_start_matches("export ").trim_start();
            let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            let value = value.trim();
            let quoted = |q: char| value.strip_prefix(q)?.strip_suffix(q);
            let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
            Some((name.trim().to_string(), value.to_string()))
        };
        Ok(text.lines().filter_map(variable).collect())
    }

    fn parsed<T>(
        &self,
        path: PathBuf,
        parse: &dyn Fn(&str) -> Result<T, FormatError>,
    ) -> Result<Option<Source<T>>, FilesError> {
        let Some(text) = self.text(&path)? else { return Ok(None) };
        let parsed = parse(&text).map_err(FilesError::format(&path))?;
        Ok(Some(Source { path, text, parsed }))
    }

    /// Task definitions, the likeliest first.
    fn tasks(&self) -> Result<Vec<PathBuf>, FilesError> {
        let mut found = Vec::new();
        for (depth, folder) in FOLDERS.iter().enumerate() {
            for name in self.names(folder) {
                let path = Path::new(folder).join(&name);
                if let Some(rank) = self.task_rank(&path, &name)? {
                    found.push((rank, depth, path));
                }
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, _, path)| path).collect())
    }

    /// How likely a file is the task definition that is deployed, from 0; None where it is none.
    fn task_rank(&self, path: &Path, name: &str) -> Result<Option<usize>, FilesError> {
        let lower = name.to_lowercase();
        let template =
            [".json.tpl", ".json.tftpl", ".json.tmpl"].iter().any(|e| lower.ends_with(e));
        let containers = template || (lower.contains("container") && lower.contains("def"));
        let named = (lower.contains("task") && lower.contains("def")) || containers;
        if !named || !(lower.ends_with(".json") || template) {
            return Ok(None);
        }
        let Some(text) = self.text(path)? else { return Ok(None) };
        let list = containers && text.trim_start().starts_with('[') && text.contains("\"image\"");
        if !text.contains("\"containerDefinitions\"") && !list {
            return Ok(None);
        }
        let known = TASKS.iter().position(|task| *task == lower);
        let production = usize::from(!is_production(&lower));
        Ok(Some(known.unwrap_or(TASKS.len() + production)))
    }

    /// The names in a folder, in order.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Dockerfiles of other names in the folder, those for development and tests left out.
    pub fn dockerfiles(&self) -> Vec<PathBuf> {
        let named = |name: &String| {
            let lower = name.to_lowercase();
            let other = ["dev", "test", "local", "ci", "debug", "ignore", "template", "builder"];
            let is = lower.starts_with("dockerfile.") || lower.ends_with(".dockerfile");
            is && !lower.split(['.', '-', '_']).any(|part| other.iter().any(|o| part.contains(o)))
        };
        self.names("").into_iter().filter(named).map(PathBuf::from).collect()
    }

    /// The containers that files deploy which are no task definitions themselves.
    pub fn all_deployed(&self) -> &[Deployed] {
        &self.deploying.deployed
    }

    /// What is wrong in files that would say what is deployed.
    pub fn broken(&self) -> &[Sourced<String>] {
        &self.deploying.broken
    }

    /// What is deployed of a container: of that name, else of the only one that takes requests, or is
    /// there at all.
    pub fn deployed(&self, name: &str) -> Option<&Deployed> {
        let all = self.all_deployed();
        let only = || {
            let has_port = all.iter().any(|deployed| deployed.port.is_some());
            let mut open = all.iter().filter(|deployed| deployed.port.is_some() || !has_port);
            let first = open.next()?;
            open.all(|other| other.name == first.name).then_some(first)
        };
        all.iter().find(|deployed| deployed.name == name).or_else(only)
    }

    /// The first of these paths that is a file.
    pub fn first(&self, paths: &[String]) -> Option<PathBuf> {
        paths.iter().map(PathBuf::from).find(|path| self.has(path))
    }

    fn has(&self, path: &Path) -> bool {
        self.changed.contains_key(path) || self.root.join(path).is_file()
    }
}

/// The edit that gives a variable of a file of `NAME=value` lines another value; None where no
/// line sets it.
pub(crate) fn set_variable(text: &str, name: &str, value: &str) -> Option<Edit> {
    let mut at = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end();
        let before = body.find('=').map(|equals| &body[..equals]);
        let named = before.map(|b| b.trim().trim_start_matches("export ").trim());
        if named == Some(name)
            && let Some(before) = before
        {
            let start = at + before.len() + 1;
            found = Some(Edit::replace(start..at + body.len(), quote(value)));
        }
        at += line.len();
    }
    found
}
