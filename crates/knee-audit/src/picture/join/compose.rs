//! Compose files.

use super::container::Start;
use super::{Join, empty};
use crate::picture::files::FileId;
use crate::picture::found::Found;
use crate::picture::service::{Deployment, Nofile, Purpose, Service, Task};
use crate::picture::{ecs, image};
use knee_files::formats::tree::Node;

impl Join {
    pub(super) fn compose(&mut self, id: FileId, root: &Node) {
        let services = root.get("services").map(|s| s.entries().to_vec()).unwrap_or_default();
        for (name, node) in services.iter().filter(|(_, node)| node.is_map()) {
            let place = ecs::place(&node.span);
            let mut container = empty(name, place.clone());
            for variable in node.get("environment").map(variables).unwrap_or_default() {
                container.env.insert(variable.0, variable.1);
            }
            container.stop_timeout =
                node.get("stop_grace_period").map(|node| ecs::found(node, ecs::seconds));
            container.stop_signal =
                node.get("stop_signal").map(|node| ecs::found(node, Node::text));
            container.init = node.get("init").map(|node| ecs::found(node, Node::switch));
            container.memory = node
                .path(&["deploy", "resources", "limits", "memory"])
                .or_else(|| node.get("mem_limit"))
                .map(|node| {
                    ecs::found(node, |n| n.text()?.parse::<knee_core::Bytes>().ok().map(|b| b.0))
                });
            container.nofile = node.path(&["ulimits", "nofile"]).map(|limit| {
                let soft = limit.get("soft").unwrap_or(limit);
                let hard = limit.get("hard").unwrap_or(limit).number();
                ecs::found(soft, |soft| {
                    Some(Nofile { soft: soft.number()? as u64, hard: hard? as u64 })
                })
            });
            let folder = self.folder(id);
            let build = node.get("build");
            let context =
                build.and_then(|b| b.get("context").and_then(Node::text).or_else(|| b.text()));
            let built = context.and_then(|context| {
                let context = joined(&folder, &context);
                let file = build
                    .and_then(|b| b.get("dockerfile"))
                    .and_then(Node::text)
                    .unwrap_or_else(|| "Dockerfile".into());
                let dockerfile = *self.index.get(&joined(&context, &file))?;
                let stage = build.and_then(|b| b.get("target")).and_then(Node::text);
                image::build(&self.picture.files, dockerfile, stage.as_deref(), Some(&context)).ok()
            });
            let start = Start {
                entrypoint: node.get("entrypoint").and_then(|n| self.command(n)),
                cmd: node.get("command").and_then(|n| self.command(n)),
            };
            self.fill(&mut container, built, start, node.get("image"));
            let mounted = node
                .get("volumes")
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .filter_map(Node::text);
            let sources =
                mounted.into_iter().any(|v| matches!(v.split(':').next(), Some("." | "./" | "..")));
            let purpose = match self.purpose(id) {
                Purpose::Production if sources => Purpose::Development,
                purpose => purpose,
            };
            self.picture.services.push(Service {
                name: name.clone(),
                purpose,
                deployment: Deployment::Compose,
                place,
                task: Task::default(),
                containers: vec![container],
            });
        }
    }
}

pub(super) fn joined(folder: &str, path: &str) -> String {
    knee_files::formats::dockerfile::absolute(&format!("/{folder}"), path).trim_matches('/').into()
}

/// Variables of a compose service, written as a map or a list.
pub(super) fn variables(node: &Node) -> Vec<(String, Found<String>)> {
    let text = |node: &Node| node.text().filter(|text| !text.contains("${"));
    if node.is_map() {
        let all = node.entries().iter();
        return all.map(|(name, node)| (name.clone(), ecs::found(node, text))).collect();
    }
    let pair = |node: &Node| {
        let whole = node.text()?;
        let (name, value) = whole.split_once('=')?;
        let value = value.to_string();
        Some((
            name.to_string(),
            ecs::found(node, |_| (!value.contains("${")).then(|| value.clone())),
        ))
    };
    node.items().iter().filter_map(pair).collect()
}
