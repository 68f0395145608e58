//! What the pipelines of a repository build: which Dockerfile, up to which stage, under which name.

use super::Join;
use super::images::is_dockerfile;
use crate::picture::files::{FileId, joined};
use knee_files::formats::tree::Node;
use knee_files::formats::yaml;

/// An image as a pipeline builds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub dockerfile: FileId,
    /// The last part of its name.
    pub name: String,
    pub stage: Option<String>,
}

/// Files of pipelines, by how their path begins.
const PIPELINES: [&str; 7] = [
    ".github/",
    ".circleci/",
    ".gitlab-ci",
    "bitbucket-pipelines",
    "azure-pipelines",
    "buildspec",
    "Jenkinsfile",
];

/// Words in the keys under which a pipeline names an image.
const NAMING: [&str; 8] = ["name", "image", "repo", "service", "svc", "ecr", "tag", "app"];

/// Whether a file says what a pipeline does.
pub(super) fn is_pipeline(path: &str) -> bool {
    PIPELINES.iter().any(|start| path.starts_with(start))
}

impl Join {
    /// Every map of a pipeline that names a Dockerfile and, beside it, an image: an entry of a
    /// matrix, the inputs of a step or of a reusable workflow.
    pub(super) fn made(&self) -> Vec<Made> {
        let mut made = Vec::new();
        let ids = self.ids().into_iter().filter(|id| {
            let path = &self.picture.files.get(*id).path;
            is_pipeline(path) && (path.ends_with(".yml") || path.ends_with(".yaml"))
        });
        for id in ids {
            let text = &self.picture.files.get(id).text;
            if let Ok(Some(root)) = yaml::tree(text, id.0) {
                self.built_in(&root, &mut made);
            }
        }
        made.dedup();
        made
    }

    fn built_in(&self, node: &Node, made: &mut Vec<Made>) {
        // A scalar is a list of itself.
        if node.is_list() {
            node.items().iter().for_each(|item| self.built_in(item, made));
        }
        node.entries().iter().for_each(|(_, inner)| self.built_in(inner, made));
        let texts = || node.entries().iter().filter_map(|(key, node)| Some((key, node.text()?)));
        let context = texts().find(|(key, _)| key.contains("context")).map(|(_, value)| value);
        let folders = [String::new(), context.unwrap_or_default()];
        let dockerfile = texts().find_map(|(_, value)| {
            let path = value.trim().trim_start_matches("./");
            let at = |folder: &String| self.index.get(&joined(folder, path)).copied();
            folders.iter().find_map(at).filter(|id| is_dockerfile(&self.name(*id)))
        });
        let Some(dockerfile) = dockerfile else { return };
        let stage = texts().find(|(key, _)| key.contains("target")).map(|(_, value)| value);
        let stage = stage.map(|value| value.trim_start_matches("--target").trim().to_string());
        let stage = stage.filter(|stage| !stage.is_empty() && !stage.contains('$'));
        for (key, value) in texts() {
            let key = key.to_ascii_lowercase();
            let names = NAMING.iter().any(|word| key.contains(word)) && !key.contains("file");
            let last = value.trim().rsplit('/').next().unwrap_or_default();
            let name = last.split([':', '@']).next().unwrap_or_default().to_ascii_lowercase();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if names && !name.is_empty() && name.chars().all(plain) {
                let one = Made { dockerfile, name: name.replace('_', "-"), stage: stage.clone() };
                if !made.contains(&one) {
                    made.push(one);
                }
            }
        }
    }
}
