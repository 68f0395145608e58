//! The task that Terraform deploys: its size, and what its container is given, where no task
//! definition stands in a file of its own. Commands are not taken from here.

use crate::error::FilesError;
use crate::formats::terraform::{Plan, Terraform, decode};
use crate::formats::tree::{Node, Value};
use crate::formats::word::quoted;
use crate::text::{Edit, line};
use crate::walk;
use knee_core::sourced::{Origin, Sourced};
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Terraform is looked for no deeper: it stands near the top.
const DEEPEST: usize = 5;

/// What is deployed of one container.
#[derive(Debug)]
pub(crate) struct Deployed {
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
    /// Bytes of the text with its quotes, or of the number.
    range: Range<usize>,
    quoted: bool,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.name, self.path.display(), self.line)
    }
}

impl Variable {
    /// The edit that gives it another value.
    pub fn set(&self, value: &str) -> Edit {
        let bare = !self.quoted && value.parse::<f64>().is_ok();
        Edit::replace(self.range.clone(), if bare { value.into() } else { quoted(value) })
    }
}

/// The files that say something, Terraform's own and those that it names.
#[derive(Default)]
struct Files(RefCell<Vec<(PathBuf, String)>>);

/// The containers that the Terraform of a folder deploys, those for production first; `text` reads a
/// file, relative to the folder. Files that are no Terraform deploy nothing: the audit names them.
pub(crate) fn deployed(
    root: &Path,
    text: &dyn Fn(&Path) -> Result<Option<String>, FilesError>,
) -> Result<Vec<Deployed>, FilesError> {
    let files = Files::default();
    let mut terraform = Terraform::default();
    for path in walk::files(root, &["tf", "tfvars"], DEEPEST) {
        let path = path.strip_prefix(root).unwrap_or(&path);
        if let Some(text) = text(path)? {
            let _ = terraform.add(&path.to_string_lossy(), files.add(path, &text), &text);
        }
    }
    let read = |path: &str| {
        let text = text(Path::new(path)).ok().flatten()?;
        Some((files.add(Path::new(path), &text), text))
    };
    let mut roots = terraform.roots();
    roots.sort_by_key(|folder| !folder.to_lowercase().contains("prod"));
    let plans = roots.into_iter().map(|folder| terraform.plan(&folder, &read));
    Ok(plans.flat_map(|plan| files.containers(&plan)).collect())
}

impl Deployed {
    /// Whether the task has the same size.
    pub fn sized_as(&self, other: &Deployed) -> bool {
        let said = |size: &Option<Sourced<String>>| size.as_ref().map(|size| size.value.clone());
        (said(&self.cpu), said(&self.memory)) == (said(&other.cpu), said(&other.memory))
    }
}

impl Files {
    /// The number of a file.
    fn add(&self, path: &Path, text: &str) -> usize {
        let mut files = self.0.borrow_mut();
        files.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            files.push((path.into(), text.into()));
            files.len() - 1
        })
    }

    fn origin(&self, node: &Node) -> Option<Origin> {
        let files = self.0.borrow();
        let (path, text) = files.get(node.span.file)?;
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
        // A template or file is a text until it is read as JSON.
        let list = task.get("container_definitions").and_then(decode);
        let list = list.as_ref().map(Node::items).unwrap_or_default();
        let containers = list.iter().filter(|container| container.is_map());
        let deployed = |container: &Node| {
            Some(Deployed {
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
                command: container
                    .first(&["command", "entryPoint"])
                    .filter(|words| !words.items().is_empty())
                    .and_then(|words| self.origin(words)),
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
        let (name, node) = (known(entry.get("name")?)?, entry.get("value")?);
        let value = known(node)?;
        let files = self.0.borrow();
        let (path, text) = files.get(node.span.file)?;
        let range = node.span.range.clone();
        let with_quotes = range.start.saturating_sub(1)..range.end + 1;
        let says = |range: &Range<usize>, what: &str| text.get(range.clone()) == Some(what);
        let (range, quoted) = match quoted(&value) {
            text if says(&range, &text) => (range, true),
            text if says(&with_quotes, &text) => (with_quotes, true),
            _ if says(&range, &value) => (range, false),
            _ => return None,
        };
        let line = line(text, range.start);
        Some(Variable { name, value, path: path.clone(), line, range, quoted })
    }
}

/// The entries of a container's environment, the last first: it wins.
fn variables(container: &Node) -> impl Iterator<Item = &Node> {
    items(container, "environment").rev()
}

fn items<'n>(container: &'n Node, key: &str) -> impl DoubleEndedIterator<Item = &'n Node> {
    container.get(key).map(Node::items).unwrap_or_default().iter()
}

/// A scalar whose every part is known.
fn known(node: &Node) -> Option<String> {
    let known = !matches!(node.value, Value::Unknown(_) | Value::Reference(_));
    node.text().filter(|text| known && !text.contains("${"))
}
