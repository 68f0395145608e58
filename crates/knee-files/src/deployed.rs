//! The task that Terraform deploys: its size, and what its container is given, where no task
//! definition stands in a file of its own. Commands are not taken from here.

use crate::error::FilesError;
use crate::formats::terraform::{Plan, Terraform};
use crate::formats::tree::{Node, Value};
use crate::formats::word::quoted;
use crate::text::{Edit, line};
use crate::view::read_text;
use knee_core::sourced::{Origin, Sourced};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Folders that hold no Terraform of the user's own.
const FOREIGN: [&str; 7] =
    [".git", ".terraform", "node_modules", "vendor", ".venv", "venv", "target"];
/// Folders are searched no deeper, and no more of them: Terraform stands near the top.
const DEEPEST: usize = 5;
const MOST: usize = 2000;

/// What is deployed of one container.
#[derive(Debug)]
pub(crate) struct Deployed {
    /// The container's name.
    pub name: String,
    /// Of the task, as written: CPU units, MiB.
    pub cpu: Option<Sourced<String>>,
    pub memory: Option<Sourced<String>>,
    pub fargate: bool,
    pub port: Option<Sourced<u16>>,
    /// The command of its health check.
    pub health: Option<Sourced<String>>,
    pub env: Vec<Variable>,
    /// Names whose values knee must not and cannot know.
    pub secrets: Vec<String>,
    /// Where it states a command of its own.
    pub command: Option<Origin>,
}

/// A variable with a value that is written out.
pub(crate) struct Variable {
    pub name: String,
    /// May be a secret.
    pub value: String,
    pub path: PathBuf,
    pub line: u32,
    range: Range<usize>,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.name, self.path.display(), self.line)
    }
}

impl Variable {
    /// The edit that gives it another value.
    pub fn set(&self, value: &str) -> Edit {
        Edit::replace(self.range.clone(), quoted(value))
    }
}

/// The files of a folder.
#[derive(Default)]
struct Files(Vec<(PathBuf, String)>);

/// The containers that the Terraform of a folder deploys; `text` reads a file, relative to the
/// folder. Files that are no Terraform deploy nothing: the audit names them.
pub(crate) fn deployed(
    root: &Path,
    text: &dyn Fn(&Path) -> Result<Option<String>, FilesError>,
) -> Result<Vec<Deployed>, FilesError> {
    let mut files = Files::default();
    let mut terraform = Terraform::default();
    for path in search(root) {
        if let Some(text) = text(&path)? {
            let _ = terraform.add(&path.to_string_lossy(), files.0.len(), &text);
            files.0.push((path, text));
        }
    }
    if files.0.is_empty() {
        return Ok(Vec::new());
    }
    let read = |path: &str| {
        let known = files.0.iter().position(|(p, _)| p == Path::new(path));
        let text = read_text(&root.join(path), Path::new(path)).ok().flatten()?;
        Some((known.unwrap_or(usize::MAX), text))
    };
    let plans = terraform.roots().into_iter().map(|folder| terraform.plan(&folder, &read));
    Ok(plans.flat_map(|plan| files.containers(&plan)).collect())
}

/// The paths of Terraform's files below a folder, relative to it, in order.
fn search(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(root.to_path_buf(), 0)];
    let mut searched = 0;
    while let Some((folder, depth)) = todo.pop().filter(|_| searched < MOST) {
        searched += 1;
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if depth < DEEPEST && !FOREIGN.contains(&&*name) {
                    todo.push((path, depth + 1));
                }
            } else if name.ends_with(".tf") || name.ends_with(".tfvars") {
                found.extend(path.strip_prefix(root).ok().map(Path::to_path_buf));
            }
        }
    }
    found.sort();
    found
}

impl Files {
    fn origin(&self, node: &Node) -> Option<Origin> {
        let (path, text) = self.0.get(node.span.file)?;
        let line = line(text, node.span.range.start);
        Some(Origin::File { path: path.display().to_string(), line })
    }

    fn sourced<T>(&self, node: &Node, read: impl Fn(&Node) -> Option<T>) -> Option<Sourced<T>> {
        Some(Sourced::new(read(node)?, self.origin(node)?))
    }

    fn containers(&self, plan: &Plan) -> Vec<Deployed> {
        let tasks = plan.resources.iter().filter(|r| r.kind == "aws_ecs_task_definition");
        tasks.flat_map(|task| self.of_task(&task.body)).collect()
    }

    fn of_task(&self, task: &Node) -> Vec<Deployed> {
        let amount = |key: &str| self.sourced(task.get(key)?, known);
        let fargate = task.get("requires_compatibilities").is_some_and(|list| {
            list.items().iter().any(|one| one.text().as_deref() == Some("FARGATE"))
        });
        let list = task.get("container_definitions").map(Node::items).unwrap_or_default();
        let containers = list.iter().filter(|container| container.is_map());
        let deployed = |container: &Node| Deployed {
            name: container.get("name").and_then(known).unwrap_or_default(),
            cpu: amount("cpu"),
            memory: amount("memory"),
            fargate,
            port: self.port(container),
            health: container.path(&["healthCheck", "command"]).and_then(|command| {
                let words: Option<Vec<String>> = command.items().iter().map(Node::text).collect();
                Some(Sourced::new(words?.join(" "), self.origin(command)?))
            }),
            env: self.variables(container),
            secrets: container
                .get("secrets")
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .filter_map(|secret| known(secret.get("name")?))
                .collect(),
            command: container
                .first(&["command", "entryPoint"])
                .filter(|words| !words.items().is_empty())
                .and_then(|words| self.origin(words)),
        };
        containers.map(deployed).collect()
    }

    fn port(&self, container: &Node) -> Option<Sourced<u16>> {
        let mapping = container.get("portMappings")?.items().first()?;
        let number = |node: &Node| u16::try_from(node.number()? as i64).ok().filter(|n| *n > 0);
        self.sourced(mapping.get("containerPort")?, number)
    }

    /// Those whose value is a text in its place: what is computed has no place that could be turned.
    fn variables(&self, container: &Node) -> Vec<Variable> {
        let list = container.get("environment").map(Node::items).unwrap_or_default();
        let variable = |entry: &Node| {
            let (name, node) = (known(entry.get("name")?)?, entry.get("value")?);
            let value = known(node)?;
            let (path, text) = self.0.get(node.span.file)?;
            let range = node.span.range.clone();
            let literal = text.get(range.clone()) == Some(&*quoted(&value));
            literal.then(|| Variable {
                name,
                value,
                path: path.clone(),
                line: line(text, range.start),
                range,
            })
        };
        list.iter().filter_map(variable).collect()
    }
}

/// A scalar whose every part is known.
fn known(node: &Node) -> Option<String> {
    let known = !matches!(node.value, Value::Unknown(_) | Value::Reference(_));
    node.text().filter(|text| known && !text.contains("${"))
}
