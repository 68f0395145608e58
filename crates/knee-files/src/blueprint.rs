//! A container as the files together say it: which command, which variables, which folder, which
//! copies. Precedence is decided here; nothing is judged, and no value of a knob is read.

use crate::asked::Asked;
use crate::command::{Command, Home, arguments, homed, joined};
use crate::copies::Built;
use crate::deployed::{Deployed, Start};
use crate::error::FilesError;
use crate::formats::argv::command_line;
use crate::formats::word::{Coat, Inner};
use crate::formats::{CommandText, Entry, shell};
use crate::official;
use crate::sources::{CONFIG, Source, Sources};
use knee_core::launch::Bind;
use knee_core::sourced::{Origin, Sourced};
use std::path::{Path, PathBuf};

/// A container, not yet followed into its scripts.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub name: String,
    /// Program and arguments; empty where no file says them.
    pub argv: Vec<String>,
    /// The same as commands whose words know where they stand.
    pub commands: Vec<Command>,
    pub origin: Origin,
    /// As the service sees it.
    pub workdir: PathBuf,
    /// The first of a name counts.
    pub variables: Vec<Variable>,
    /// Names whose values no file holds.
    pub secrets: Vec<String>,
    /// Names that knee is told to pass on from its own environment.
    pub passed: Vec<Sourced<String>>,
    pub built: Option<Built>,
    /// What its files show at other paths besides COPY.
    pub mounts: Vec<Bind>,
    /// Its index in the task definition.
    pub definition: Option<usize>,
    /// Its index in the compose file.
    pub service: Option<usize>,
    /// Where it is defined.
    pub defined: Option<Origin>,
    image: Option<String>,
}

impl Blueprint {
    /// The file that a new environment variable is written in: the task definition, else the
    /// compose file, else the Dockerfile.
    pub fn file_of_variables(&self, sources: &Sources) -> Option<PathBuf> {
        let task = sources.task.as_ref().filter(|_| self.definition.is_some());
        let compose = sources.compose.as_ref().filter(|_| self.service.is_some());
        let path = task.map(|file| &file.path).or(compose.map(|file| &file.path));
        path.or(self.built.as_ref().map(|built| &built.path)).cloned()
    }

    /// What a variable is set to.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|variable| variable.name == name);
        found.map(|variable| variable.value.as_str())
    }

    /// The image that it is, or that its own builds on.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }
}

/// An environment variable that a file sets.
#[derive(Clone)]
pub(crate) struct Variable {
    pub name: String,
    /// May be a secret.
    pub value: String,
    /// Relative to the folder.
    pub path: PathBuf,
    pub line: u32,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.name, self.path.display(), self.line)
    }
}

/// One of the container's files, of those that a container can be said in.
struct Layer<'a> {
    path: &'a Path,
    entrypoint: Option<&'a CommandText>,
    command: Option<&'a CommandText>,
    workdir: Option<&'a str>,
    env: &'a [(String, Entry)],
}

/// What a container is drawn from.
pub(crate) struct Draft<'a> {
    pub sources: &'a Sources,
    pub name: String,
    pub definition: Option<usize>,
    pub service: Option<usize>,
    pub built: Option<Built>,
    /// Whether it takes the requests: flags and knee.toml are about it.
    pub serving: bool,
}

impl Draft<'_> {
    /// The container as its files say it.
    pub fn draw(self, asked: Asked<'_>) -> Result<Blueprint, FilesError> {
        let layers = self.layers();
        let (argv, commands, origin) = self.start(&layers, asked);
        let mut variables = self.variables(&layers, asked)?;
        let mut mounts = self.mounts();
        let workdir = self.workdir(&layers, &origin);
        let here = self.sources.root.join(self.context());
        if self.built.is_none() && mounts.is_empty() && !workdir.starts_with(&here) {
            mounts.push(Bind { host: here, container: workdir.clone() });
        }
        variables.retain(|variable| !is_placeholder(&variable.value));
        let mut secrets: Vec<String> =
            self.definition().map(|d| d.secrets.clone()).unwrap_or_default();
        let deployed = self.deployed();
        secrets.extend(deployed.iter().flat_map(|deployed| deployed.secrets.clone()));
        let (image, defined) = (self.image(), self.defined());
        Ok(Blueprint {
            image,
            defined,
            name: self.name,
            argv,
            commands,
            origin,
            workdir,
            variables,
            secrets,
            passed: if self.serving { asked.passed(self.sources)? } else { Vec::new() },
            built: self.built,
            mounts,
            definition: self.definition,
            service: self.service,
        })
    }

    fn definition(&self) -> Option<&crate::formats::task_definition::Container> {
        self.sources.task.as_ref()?.parsed.containers.get(self.definition?)
    }

    /// What other files deploy in place of a task definition is about what serves.
    fn deployed(&self) -> Option<&Deployed> {
        self.sources.deployed(&self.name).filter(|_| self.serving)
    }

    fn compose(&self) -> Option<&crate::formats::compose::Service> {
        self.sources.compose.as_ref()?.parsed.get(self.service?)
    }

    fn defined(&self) -> Option<Origin> {
        let of_task = || Some((&self.sources.task.as_ref()?.path, self.definition()?.line));
        let composed = || Some((&self.sources.compose.as_ref()?.path, self.compose()?.line));
        match of_task().or_else(composed) {
            Some((path, line)) => Some(Origin::File { path: path.display().to_string(), line }),
            None => Some(self.deployed()?.at.clone()),
        }
    }

    /// The files that say something of it, the one that wins first. A compose file beside a task
    /// definition is about development.
    fn layers(&self) -> Vec<Layer<'_>> {
        let mut layers = Vec::new();
        let deployed = self.deployed();
        // What is deployed says more than what is for development.
        for (command, entrypoint) in [
            (deployed.and_then(|deployed| deployed.command.as_ref()), None),
            (None, deployed.and_then(|deployed| deployed.entrypoint.as_ref())),
        ] {
            if let Some(Start::Words(path, _)) = command.or(entrypoint) {
                layers.push(Layer {
                    path,
                    entrypoint: entrypoint.and_then(Start::text),
                    command: command.and_then(Start::text),
                    workdir: None,
                    env: &[],
                });
            }
        }
        if let (Some(task), Some(container)) = (&self.sources.task, self.definition()) {
            layers.push(Layer {
                path: &task.path,
                entrypoint: container.entrypoint.as_ref(),
                command: container.command.as_ref(),
                workdir: container.workdir.as_ref().map(|w| w.value.as_str()),
                env: &container.env,
            });
        } else if let (Some(file), Some(service)) = (&self.sources.compose, self.compose()) {
            layers.push(Layer {
                path: &file.path,
                entrypoint: service.entrypoint.as_ref(),
                command: service.command.as_ref(),
                workdir: service.workdir.as_ref().map(|w| w.value.as_str()),
                env: &service.env,
            });
        }
        if let Some(built) = &self.built {
            layers.push(Layer {
                path: &built.path,
                entrypoint: built.image.entrypoint.as_ref(),
                command: built.image.cmd.as_ref(),
                workdir: built.image.workdir.as_ref().map(|(dir, _)| dir.as_str()),
                env: &built.image.env,
            });
        }
        layers
    }

    fn start(&self, layers: &[Layer<'_>], asked: Asked<'_>) -> (Vec<String>, Vec<Command>, Origin) {
        if self.serving {
            if let Some(text) = asked.command {
                let argv = command_line(text);
                let commands = arguments(&argv);
                return (argv, commands, Origin::Flag { name: "--command".into() });
            }
            if let Some(start) = self.sources.config.as_ref().and_then(config_command) {
                return start;
            }
        }
        // An entry point of a file clears the command of those below it.
        let until = layers.iter().position(|layer| layer.entrypoint.is_some());
        let first = |of: for<'l> fn(&'l Layer<'_>) -> Option<&'l CommandText>| {
            let within = until.map_or(layers.len(), |at| at + 1);
            layers[..within].iter().find_map(|layer| {
                Some((of(layer)?, Home::File(layer.path.into()), layer.path.display().to_string()))
            })
        };
        let entrypoint = first(|layer| layer.entrypoint);
        let command = first(|layer| layer.command);
        if let Some((text, _, path)) = command.as_ref().or(entrypoint.as_ref()) {
            let origin = Origin::File { path: path.clone(), line: text.line };
            let part = |found: &Option<(&CommandText, Home, String)>| {
                found.as_ref().map(|(text, home, _)| ((*text).clone(), home.clone()))
            };
            let (entrypoint, command) = (part(&entrypoint), part(&command));
            let (argv, commands) = joined(
                entrypoint.as_ref().map(|(text, home)| (text, home)),
                command.as_ref().map(|(text, home)| (text, home)),
            );
            return (argv, commands, origin);
        }
        self.fallback()
    }

    /// What the image that it builds on starts, else the Procfile or package.json.
    fn fallback(&self) -> (Vec<String>, Vec<Command>, Origin) {
        let image = self.image();
        if let Some(official) = image.as_deref().and_then(official::image) {
            let argv: Vec<String> = official.command.iter().map(|w| w.to_string()).collect();
            let commands = arguments(&argv);
            return (argv, commands, Origin::Default { program: image.unwrap_or_default() });
        }
        match &self.sources.process {
            Some(Source { path, parsed, .. }) if self.serving => {
                let home = Home::File(path.clone());
                let (argv, commands) = joined(None, Some((parsed, &home)));
                let path = path.display().to_string();
                (argv, commands, Origin::File { path, line: parsed.line })
            }
            _ => {
                let because = "no file says what starts it".into();
                (Vec::new(), Vec::new(), Origin::Assumed { because })
            }
        }
    }

    fn image(&self) -> Option<String> {
        let built = self.built.as_ref().map(|built| built.image.base.clone());
        let defined = self.definition().and_then(|d| d.image.clone());
        let composed = self.compose().and_then(|s| Some(s.image.as_ref()?.value.clone()));
        built.or(defined).or(composed)
    }

    /// The folder that a compose file builds it from.
    fn context(&self) -> PathBuf {
        let context = self.compose().and_then(|s| s.build.as_ref()).map(|b| b.context.clone());
        context.map(PathBuf::from).filter(|path| path.is_relative()).unwrap_or_default()
    }

    fn workdir(&self, layers: &[Layer<'_>], origin: &Origin) -> PathBuf {
        let root = &self.sources.root;
        let config = self.sources.config.as_ref().map(|source| &source.parsed.service);
        let by_config = matches!(origin, Origin::File { path, .. } if path == CONFIG);
        let dir = config.and_then(|service| service.dir.as_ref()).filter(|_| self.serving);
        if dir.is_some() || by_config || matches!(origin, Origin::Flag { .. }) {
            return dir.map_or_else(|| root.clone(), |dir| root.join(&dir.value));
        }
        let stated = layers.iter().find_map(|layer| layer.workdir);
        let stated = stated.filter(|dir| dir.starts_with('/')).map(PathBuf::from);
        let image = self.image();
        let known = image.as_deref().and_then(official::image).map(|image| image.workdir.into());
        let here = || if self.built.is_some() { "/".into() } else { root.join(self.context()) };
        stated.or(known).unwrap_or_else(here)
    }

    /// The first of a name counts: of the file that was named, a container's own, those of its files
    /// of variables, its image's.
    fn variables(
        &self,
        layers: &[Layer<'_>],
        asked: Asked<'_>,
    ) -> Result<Vec<Variable>, FilesError> {
        let of = |layer: &Layer<'_>| {
            let variable = |(name, entry): &(String, Entry)| Variable {
                name: name.clone(),
                value: entry.value.clone(),
                path: layer.path.into(),
                line: entry.line,
            };
            // The last of a name wins within a file.
            layer.env.iter().rev().map(variable).collect::<Vec<_>>()
        };
        let images = layers.len() - usize::from(self.built.is_some());
        let mut variables = Vec::new();
        if self.serving
            && let Some(named) = asked.file(self.sources)?
        {
            variables.extend(self.in_file(&named.value)?);
        }
        variables.extend(layers[..images].iter().flat_map(of));
        variables.extend(self.file_variables()?);
        let deployed = self.deployed();
        variables.extend(deployed.iter().flat_map(|deployed| &deployed.env).map(|v| Variable {
            name: v.name.clone(),
            value: v.entry.value.clone(),
            path: v.path.clone(),
            line: v.entry.line,
        }));
        variables.extend(layers[images..].iter().flat_map(of));
        Ok(variables)
    }

    /// What a compose file shows at other paths.
    fn mounts(&self) -> Vec<Bind> {
        let mounts = match (self.definition, self.compose()) {
            (None, Some(service)) => service.mounts.as_slice(),
            _ => &[],
        };
        let bind = |(host, at): &(String, String)| Bind {
            host: self.sources.root.join(host),
            container: at.into(),
        };
        mounts.iter().map(bind).filter(|bind| bind.host.exists()).collect()
    }

    /// The variables of a compose service's env_file, and of `.env` beside a Procfile.
    fn file_variables(&self) -> Result<Vec<Variable>, FilesError> {
        let mut paths: Vec<PathBuf> = match (self.definition, self.compose()) {
            (None, Some(service)) => {
                service.env_files.iter().rev().map(|file| PathBuf::from(&file.value)).collect()
            }
            _ => Vec::new(),
        };
        if self.definition.is_none() && self.service.is_none() && self.built.is_none() {
            paths.push(".env".into());
        }
        let mut found = Vec::new();
        for path in paths {
            found.extend(self.in_file(&path)?);
        }
        Ok(found)
    }

    /// The variables of a file of `NAME=value` lines, the last of a name first.
    fn in_file(&self, path: &Path) -> Result<Vec<Variable>, FilesError> {
        let path = path.strip_prefix(".").unwrap_or(path);
        let read = self.sources.variables(path)?.into_iter().rev();
        let variable = |(name, value)| Variable { name, value, path: path.into(), line: 1 };
        Ok(read.map(variable).collect())
    }
}

/// knee.toml's command, each word with its place in that file.
fn config_command(
    source: &Source<crate::config::Config>,
) -> Option<(Vec<String>, Vec<Command>, Origin)> {
    let stated = source.parsed.service.command.as_ref()?;
    let document = toml_edit::Document::parse(source.text.as_str()).ok()?;
    let range = document.get("service")?.get("command")?.as_value()?.span()?;
    let raw = &source.text[range.clone()];
    let coat = if raw.starts_with('\'') { Coat::Block } else { Coat::Json };
    let inner = Inner::aligned(&source.text, range, &stated.value, coat);
    let commands = homed(shell::statements(&inner), &Home::File(source.path.clone()));
    let path = source.path.display().to_string();
    Some((command_line(&stated.value), commands, Origin::File { path, line: stated.line }))
}

/// A value that a template leaves open.
fn is_placeholder(value: &str) -> bool {
    let wrapped = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    wrapped("${", "}") || wrapped("{{", "}}") || wrapped("<", ">")
}
