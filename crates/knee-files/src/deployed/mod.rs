//! The task that Terraform or CloudFormation deploys: its size, how its container is started and
//! what it is given, where no task definition stands in a file of its own. `files` says where what
//! was computed is written.

mod files;

use crate::error::FilesError;
use crate::formats::terraform::{Terraform, decode};
use crate::formats::tree::Node;
use crate::formats::{CommandText, Entry, FormatError, cloudformation, loose, yaml};
use crate::production::is_production;
use crate::walk;
use files::{Files, known};
use knee_core::sourced::{Origin, Sourced};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What deploys stands near the top and is looked for no deeper.
const DEEPEST: usize = 5;

/// What is deployed of one container.
#[derive(Debug)]
pub(crate) struct Deployed {
    /// What deploys it, as its makers write it.
    pub tool: &'static str,
    /// The container's name.
    pub name: String,
    /// Where it is defined.
    pub at: Origin,
    /// Of the task, as written: CPU units, MiB.
    pub cpu: Option<Sourced<String>>,
    pub memory: Option<Sourced<String>>,
    pub fargate: bool,
    pub port: Option<Sourced<u16>>,
    /// The command of its health check.
    pub health: Option<Sourced<String>>,
    pub env: Vec<Variable>,
    /// Names of variables whose value is not written out.
    pub computed: Vec<String>,
    /// Names whose values knee must not and cannot know.
    pub secrets: Vec<String>,
    /// What it starts in place of its image's, as far as that is written out.
    pub entrypoint: Option<Start>,
    pub command: Option<Start>,
}

/// A list of words that starts a container.
#[derive(Debug)]
pub(crate) enum Start {
    /// Written out in a file.
    Words(PathBuf, CommandText),
    /// Computed, there.
    Computed(Origin),
}

impl Start {
    /// The words, where they are written out.
    pub fn text(&self) -> Option<&CommandText> {
        match self {
            Start::Words(_, text) => Some(text),
            Start::Computed(_) => None,
        }
    }
}

/// A variable with a value that is written out.
#[derive(Debug)]
pub(crate) struct Variable {
    pub name: String,
    pub path: PathBuf,
    /// May be a secret.
    pub entry: Entry,
}

/// What the files of a folder deploy.
#[derive(Default)]
pub(crate) struct Found {
    /// The containers, those for production first.
    pub deployed: Vec<Deployed>,
    /// What is wrong in files that could not be read.
    pub broken: Vec<Sourced<String>>,
}

/// Reads a file, relative to the folder.
type Text<'a> = &'a dyn Fn(&Path) -> Result<Option<String>, FilesError>;

/// What the Terraform and the CloudFormation of a folder deploy.
pub(crate) fn deployed(root: &Path, text: Text<'_>) -> Result<Found, FilesError> {
    let mut found = Found::default();
    found.terraform(root, text)?;
    found.cloudformation(root, text)?;
    Ok(found)
}

/// Whether a path speaks of production: false sorts first.
fn aside(path: &str) -> bool {
    !is_production(path)
}

impl Found {
    fn broken(&mut self, path: &Path, error: &FormatError) {
        let path = path.display().to_string();
        let told = Sourced::from_file(format!("{path}:{error}"), path, error.at.line);
        self.broken.push(told);
    }

    fn terraform(&mut self, root: &Path, text: Text<'_>) -> Result<(), FilesError> {
        let files = Files::default();
        let mut terraform = Terraform::default();
        for path in walk::files(root, &["tf", "tfvars"], DEEPEST) {
            let path = path.strip_prefix(root).unwrap_or(&path);
            if let Some(text) = text(path)?
                && let Err(error) =
                    terraform.add(&path.to_string_lossy(), files.add(path, &text), &text)
            {
                self.broken(path, &error);
            }
        }
        let read = |path: &str| {
            let text = text(Path::new(path)).ok().flatten()?;
            Some((files.add(Path::new(path), &text), text))
        };
        let mut roots = terraform.roots();
        roots.sort_by_key(|folder| aside(folder));
        for folder in roots {
            let plan = terraform.plan(&folder, &read);
            let tasks = plan.resources.iter().filter(|r| r.kind == "aws_ecs_task_definition");
            self.deployed.extend(tasks.flat_map(|task| files.of_task("Terraform", &task.body)));
        }
        Ok(())
    }

    /// Templates of CloudFormation, and those that other tools make for it.
    fn cloudformation(&mut self, root: &Path, text: Text<'_>) -> Result<(), FilesError> {
        const TASK: &str = "AWS::ECS::TaskDefinition";
        let mut paths: Vec<PathBuf> =
            walk::files(root, &["yml", "yaml", "json", "template"], DEEPEST).collect();
        paths.sort_by_key(|path| aside(&path.strip_prefix(root).unwrap_or(path).to_string_lossy()));
        for path in paths {
            let path = path.strip_prefix(root).unwrap_or(&path);
            let Some(text) = text(path)?.filter(|text| text.contains(TASK)) else { continue };
            let files = Files::default();
            let number = files.add(path, &text);
            let read = match text.trim_start().starts_with('{') {
                true => loose::parse(&text, number),
                false => yaml::tree(&text, number),
            };
            let tree = match read {
                Ok(Some(tree)) if cloudformation::is_template(&tree) => tree,
                Ok(_) => continue,
                Err(error) => {
                    self.broken(path, &error);
                    continue;
                }
            };
            let name = path.to_string_lossy();
            let stack = cloudformation::evaluate(&tree, &name, &BTreeMap::new());
            let tasks = stack.resources.iter().filter(|r| r.kind == TASK);
            self.deployed
                .extend(tasks.flat_map(|task| files.of_task("CloudFormation", &task.body)));
        }
        Ok(())
    }
}

impl Deployed {
    /// Whether the task has the same size.
    pub fn sized_as(&self, other: &Deployed) -> bool {
        let said = |size: &Option<Sourced<String>>| size.as_ref().map(|size| size.value.clone());
        (said(&self.cpu), said(&self.memory)) == (said(&other.cpu), said(&other.memory))
    }

    /// Where a command stands that is not written out.
    pub fn computed_start(&self) -> Option<&Origin> {
        [&self.entrypoint, &self.command].into_iter().flatten().find_map(|start| match start {
            Start::Computed(origin) => Some(origin),
            Start::Words(..) => None,
        })
    }
}

impl Files {
    /// The containers of a task definition, whichever tool it is written for.
    fn of_task(&self, tool: &'static str, task: &Node) -> Vec<Deployed> {
        let amount = |key: &str| self.sourced(task.get(key)?, known);
        let fargate = task.get("requiresCompatibilities").is_some_and(|list| {
            list.items().iter().any(|one| one.text().as_deref() == Some("FARGATE"))
        });
        // A template or file is a text until it is read as JSON.
        let list = task.get("containerDefinitions").and_then(decode);
        let list = list.as_ref().map(Node::items).unwrap_or_default();
        let containers = list.iter().filter(|container| container.is_map());
        let deployed = |container: &Node| {
            Some(Deployed {
                tool,
                name: container.get("name").and_then(known).unwrap_or_default(),
                at: self.origin(container)?,
                cpu: amount("cpu"),
                memory: amount("memory"),
                fargate,
                port: self.port(container),
                health: container.path(&["healthCheck", "command"]).and_then(|command| {
                    let words: Option<Vec<String>> =
                        command.items().iter().map(Node::text).collect();
                    Some(Sourced::new(words?.join(" "), self.origin(command)?))
                }),
                env: variables(container).filter_map(|entry| self.variable(entry)).collect(),
                computed: variables(container)
                    .filter(|entry| self.variable(entry).is_none())
                    .filter_map(|entry| known(entry.get("name")?))
                    .collect(),
                secrets: (items(container, "secrets"))
                    .filter_map(|secret| known(secret.get("name")?))
                    .collect(),
                entrypoint: container.get("entryPoint").and_then(|words| self.start(words)),
                command: container.get("command").and_then(|words| self.start(words)),
            })
        };
        containers.filter_map(deployed).collect()
    }

    fn port(&self, container: &Node) -> Option<Sourced<u16>> {
        let mapping = container.get("portMappings")?.items().first()?;
        let number = |node: &Node| u16::try_from(node.number()? as i64).ok().filter(|n| *n > 0);
        self.sourced(mapping.get("containerPort")?, number)
    }

    /// A variable whose value is a text or number in its place: what is computed has no place that
    /// could be turned.
    fn variable(&self, entry: &Node) -> Option<Variable> {
        let name = known(entry.get("name")?)?;
        let (path, entry) = self.entry(entry.get("value")?)?;
        Some(Variable { name, path, entry })
    }

    /// What a list of words starts, where all of them stand in one file.
    fn start(&self, list: &Node) -> Option<Start> {
        let computed = Start::Computed(self.origin(list)?);
        let entries: Option<Vec<_>> = list.items().iter().map(|word| self.entry(word)).collect();
        let Some(entries) = entries.filter(|entries| !entries.is_empty()) else {
            return (!list.items().is_empty()).then_some(computed);
        };
        let path = entries[0].0.clone();
        if entries.iter().any(|(other, _)| *other != path) {
            return Some(computed);
        }
        let words = entries.into_iter().map(|(_, entry)| entry.word).collect();
        Some(Start::Words(path.clone(), self.command(&path, words)?))
    }
}

/// The entries of a container's environment, the last first: it wins.
fn variables(container: &Node) -> impl Iterator<Item = &Node> {
    items(container, "environment").rev()
}

fn items<'n>(container: &'n Node, key: &str) -> impl DoubleEndedIterator<Item = &'n Node> {
    container.get(key).map(Node::items).unwrap_or_default().iter()
}
