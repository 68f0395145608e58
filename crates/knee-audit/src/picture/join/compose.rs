//! Compose files.

use super::container::Start;
use super::{Join, empty};
use crate::picture::development_server;
use crate::picture::ecs;
use crate::picture::files::{FileId, joined};
use crate::picture::found::{Found, Overrode};
use crate::picture::image::{self, Built};
use crate::picture::service::{Deployment, Nofile, Purpose, Service, Task};
use knee_files::formats::expand::expand;
use knee_files::formats::tree::Node;
use knee_files::formats::unit;

impl Join {
    pub(super) fn compose(&mut self, id: FileId, root: &Node) {
        let services = root.get("services").map(|s| s.entries().to_vec()).unwrap_or_default();
        for (name, node) in services.iter().filter(|(_, node)| node.is_map()) {
            let place = ecs::place(&node.span);
            let mut container = empty(name, place.clone());
            for (name, value) in self.env_files(id, node) {
                container.env.insert(name, value);
            }
            for variable in node.get("environment").map(variables).unwrap_or_default() {
                let weaker = container.env.remove(&variable.0);
                let mut own = variable.1;
                own.overrode.extend(weaker.map(|lost| Overrode {
                    value: "set in an env_file".into(),
                    origin: lost.origin,
                }));
                container.env.insert(variable.0, own);
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
                let stage = stage.map(|stage| expand(&stage, &|_| None));
                image::build(&self.picture.files, dockerfile, stage.as_deref(), Some(&context)).ok()
            });
            let start = Start {
                entrypoint: node.get("entrypoint").and_then(|n| self.command(n)),
                cmd: node.get("command").and_then(|n| self.command(n)),
            };
            let target = node.path(&["build", "target"]).and_then(Node::text);
            let target = target.map(|stage| expand(&stage, &|_| None));
            let purpose = match self.purpose(id) {
                Purpose::Production if target.is_some_and(|stage| image::development(&stage)) => {
                    Purpose::Development
                }
                Purpose::Production if self.mounts_code(node, &folder, built.as_ref()) => {
                    Purpose::Development
                }
                purpose => purpose,
            };
            let complete = built.as_ref().is_some_and(|built| built.image.copies_code);
            let used = self.used.clone();
            self.fill(&mut container, built, start, node.get("image"));
            // What development starts with its code in it may be deployed too, by what no file says.
            let mut started = container.programs.iter().filter_map(|program| program.command.get());
            let develops = started.any(|command| development_server(command).is_some());
            let purpose = if develops { Purpose::Development } else { purpose };
            let own = node.get("command").is_none() && node.get("entrypoint").is_none();
            // Nor does what is started in place of a server say that the server is not.
            let serves = container.programs.iter().any(|program| program.runtime.serves());
            let judged = purpose == Purpose::Production && (own || serves);
            if complete && !judged && !(develops && own) {
                self.used = used;
            }
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

impl Join {
    /// Whether the code comes from the developer's disk: the project's folder is mounted, or one
    /// with sources to where the image has its own.
    fn mounts_code(&self, service: &Node, folder: &str, built: Option<&Built>) -> bool {
        let volumes = service.get("volumes").map(Node::items).unwrap_or_default();
        let mounts = volumes.iter().filter_map(|node| {
            if node.is_map() {
                return Some((node.get("source")?.text()?, node.get("target")?.text()?));
            }
            let text = node.text()?;
            let (from, to) = text.split_once(':')?;
            Some((from.to_string(), to.split(':').next()?.to_string()))
        });
        mounts.into_iter().any(|(from, to)| {
            if matches!(&*from, "." | "./" | "..") {
                return true;
            }
            let Some(built) = built.filter(|_| from.starts_with('.')) else { return false };
            let (to, own) = (to.trim_end_matches('/'), built.workdir.trim_end_matches('/'));
            let inside = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
            let ends = [".py", ".js", ".ts", ".php", ".go", ".rb"];
            let sources = format!("{}/", joined(folder, &from));
            !to.is_empty()
                && !own.is_empty()
                && (inside(to, own) || inside(own, to))
                && self.picture.files.iter().any(|(_, file)| {
                    file.path.starts_with(&sources) && ends.iter().any(|e| file.path.ends_with(e))
                })
        })
    }

    /// Variables of the files that a service names, the later file over the earlier one. Their values
    /// may be secrets; only those that tune a runtime are ever shown.
    fn env_files(&mut self, id: FileId, node: &Node) -> Vec<(String, Found<String>)> {
        let Some(named) = node.get("env_file") else { return Vec::new() };
        let one = |node: &Node| node.get("path").unwrap_or(node).text();
        let paths: Vec<String> = match named.is_list() {
            true => named.items().iter().filter_map(one).collect(),
            false => one(named).into_iter().collect(),
        };
        let folder = self.folder(id);
        let mut found = Vec::new();
        for path in paths {
            let Some(file) = self.index.get(&joined(&folder, &path)).copied() else { continue };
            self.used.insert(file);
            found.extend(assignments(&self.picture.files.get(file).text, file));
        }
        found
    }
}

/// Variables of a file of `NAME=value` lines.
pub(in crate::picture) fn assignments(text: &str, file: FileId) -> Vec<(String, Found<String>)> {
    let keys = unit::parse(text, file.0).into_iter().flat_map(|section| section.keys);
    let value = |node: &Node| {
        let text = node.text().unwrap_or_default();
        let text = text.trim_matches(['"', '\'']).to_string();
        (!text.contains('$')).then_some(text)
    };
    keys.map(|(name, node)| (name, ecs::found(&node, value))).collect()
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
