//! Sizes, counts and time-outs in files of the deployment: Terraform and what is like it, YAML.

use super::names::{deployed, snake};
use super::{Said, is_amount};
use knee_files::formats::terraform;
use knee_files::formats::tree::{Node, Value};
use knee_files::formats::yaml;

/// What Terraform's files say, those of environments included. A file that is broken says nothing
/// here; the picture notes it.
pub(super) fn terraform(text: &str) -> Vec<Said> {
    let Ok(tree) = terraform::written(text, 0) else { return Vec::new() };
    let mut reader = Reader { text, copilot: false, said: Vec::new() };
    reader.walk(&tree, &mut Vec::new());
    reader.said
}

/// What a file in YAML says: Copilot's manifests, configuration of a deployment, CloudFormation's parameters.
/// Kubernetes' objects have other units.
pub(super) fn yaml(path: &str, text: &str) -> Vec<Said> {
    let lower = text.to_ascii_lowercase();
    let telling = ["cpu", "memory", "count", "timeout", "capacity", "init", "range", "port"];
    let others = ["apiversion:", "openapi:", "swagger:"];
    if lower.lines().any(|line| others.iter().any(|other| line.starts_with(other)))
        || !telling.iter().any(|word| lower.contains(word))
    {
        return Vec::new();
    }
    let Ok(Some(tree)) = yaml::tree(text, 0) else { return Vec::new() };
    let copilot = path.ends_with("manifest.yml") || path.ends_with("manifest.yaml");
    let mut reader = Reader { text, copilot, said: Vec::new() };
    reader.walk(&tree, &mut Vec::new());
    reader.said
}

struct Reader<'a> {
    text: &'a str,
    copilot: bool,
    said: Vec<Said>,
}

impl Reader<'_> {
    fn walk(&mut self, node: &Node, path: &mut Vec<String>) {
        match &node.value {
            Value::Map(entries) => {
                let limits = node.get("name").and_then(Node::text).as_deref() == Some("nofile");
                for (name, inner) in entries {
                    path.push(snake(name));
                    match (limits, &*snake(name)) {
                        (true, "soft_limit") => self.say("nofile.soft", inner),
                        (true, "hard_limit") => self.say("nofile.hard", inner),
                        _ => self.walk(inner, path),
                    }
                    path.pop();
                }
            }
            Value::List(items) if is_command(path, items) => {
                let words: Vec<String> = items.iter().filter_map(Node::text).collect();
                self.put("entry", crate::picture::hidden_words(&words), node);
            }
            Value::List(items) => items.iter().for_each(|item| self.walk(item, path)),
            _ => {
                if let Some(key) = self.key(path) {
                    self.say(&key, node);
                }
            }
        }
    }

    fn key(&self, path: &[String]) -> Option<String> {
        let own = path.last()?;
        // <https://aws.github.io/copilot-cli/docs/manifest/lb-web-service/#count>
        match (&**own, self.copilot) {
            ("count", true) => Some("service.desired_count".into()),
            ("range" | "spot_from", true) if path.iter().any(|name| name == "count") => {
                Some(format!("service.{own}"))
            }
            _ => deployed(path),
        }
    }

    fn say(&mut self, key: &str, node: &Node) {
        let value = match &node.value {
            Value::Number(n) => n.to_string(),
            Value::Bool(on) if key == "container.init" => on.to_string(),
            Value::Text(text) if is_amount(text) => text.clone(),
            Value::Text(text) if key == "container.init" && node.switch().is_some() => text.clone(),
            // What a template gets: `gunicorn_workers = ceil(…)`.
            Value::Unknown(_) | Value::List(_)
                if super::names::server(&key.replace('.', "_")).is_some() =>
            {
                let text = self.text.get(node.span.range.clone()).unwrap_or_default();
                format!("unknown: is written as `{}`", super::plain(text))
            }
            _ => return,
        };
        self.put(key, value, node);
    }

    fn put(&mut self, key: &str, value: String, node: &Node) {
        let range = node.span.range.clone();
        // A node whose place is not known begins the file.
        if !range.is_empty() && range.end <= self.text.len() {
            self.said.push(Said { key: key.into(), value, range });
        }
    }
}

/// A command as a list of words: an argument of a module, or an input.
fn is_command(path: &[String], items: &[Node]) -> bool {
    let Some(own) = path.last() else { return false };
    let ends = ["entrypoint", "entry_point", "command", "commands"];
    let health = path.iter().any(|name| name.contains("health") || name == "provisioner");
    let words = |node: &Node| matches!(&node.value, Value::Text(text) if !text.contains("${"));
    ends.iter().any(|end| own == end || own.ends_with(&format!("_{end}")))
        && !health
        && !items.is_empty()
        && items.iter().all(words)
}
