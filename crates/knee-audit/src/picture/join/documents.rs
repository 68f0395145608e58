//! Documents of structured text: stacks of CloudFormation, task definitions, compose files.

use super::Join;
use crate::picture::ecs::{self, Resource};
use crate::picture::files::FileId;
use knee_files::formats::tree::{Node, Value};
use knee_files::formats::{cloudformation, loose, yaml};
use std::collections::BTreeMap;

impl Join {
    pub(super) fn documents(&mut self) {
        for id in self.ids() {
            let file = self.picture.files.get(id);
            let (path, text) = (file.path.to_ascii_lowercase(), file.text.clone());
            let name = self.name(id);
            let is_yaml =
                path.ends_with(".yml") || path.ends_with(".yaml") || path.ends_with(".template");
            let is_json = name.contains(".json") || path.ends_with(".tpl") || path.ends_with(".j2");
            if is_yaml {
                let compose = name.contains("compose") && text.contains("services");
                let stack = text.contains("Resources")
                    && (text.contains("AWS::") || text.contains("Serverless"));
                let copilot = name.starts_with("manifest.") && path.contains("copilot/");
                if !compose && !stack && !copilot && !text.contains("containerDefinitions") {
                    continue;
                }
                match yaml::tree(&text, id.0) {
                    Ok(Some(root)) if compose => self.compose(id, &root),
                    Ok(Some(root)) if copilot => self.copilot(id, &root),
                    Ok(Some(root)) => self.document(id, root),
                    Ok(None) => {}
                    Err(error) => self.note(id, &error),
                }
            } else if is_json && (text.contains("ontainerDefinitions") || text.contains("AWS::")) {
                match loose::parse(&text, id.0) {
                    Ok(Some(root)) => self.document(id, root),
                    Ok(None) => {}
                    Err(error) => self.note(id, &error),
                }
            }
        }
    }

    /// A template of CloudFormation, or a task definition.
    pub(super) fn document(&mut self, id: FileId, root: Node) {
        let name = self.picture.files.get(id).path.clone();
        if cloudformation::is_template(&root) {
            let stack = cloudformation::evaluate(&root, &name, &BTreeMap::new());
            for resource in stack.resources {
                if let Some(kind) = ecs::kind(&resource.kind) {
                    self.resources.push(Resource {
                        id: resource.id,
                        kind,
                        body: resource.body,
                        span: resource.span,
                    });
                }
            }
            for (_, value, export) in stack.outputs {
                if let Some(export) = export.and_then(|name| name.text()) {
                    self.exports.push((pattern(&export), value));
                }
            }
            return;
        }
        let body = root.get("taskDefinition").cloned().unwrap_or(root);
        let is_list = body.is_list() && body.items().iter().any(|c| c.get("image").is_some());
        let named = self.name(id);
        if body.get("containerDefinitions").is_some() {
            let span = body.span.clone();
            self.resources.push(Resource { id: name, kind: "task", body, span });
        } else if is_list && (named.contains("task") || named.contains("container")) {
            let entries = vec![("containerDefinitions".to_string(), body.clone())];
            let span = body.span.clone();
            self.resources.push(Resource {
                id: name,
                kind: "task",
                body: Node { value: Value::Map(entries), ..body },
                span,
            });
        }
    }
}

/// An export's name with `*` for each part that is not known.
pub(super) fn pattern(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        out.push('*');
        rest = rest[at..].split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}
