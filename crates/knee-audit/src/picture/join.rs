//! Puts the picture together: each file goes to the reader of what it is, and what they say is
//! joined into services.

mod compose;
mod container;
mod copilot;
mod databases;
mod deployed;
mod documents;
mod images;
mod loose;
mod maker;
mod packages;
mod processes;
mod terraform;
#[cfg(test)]
mod tests;
mod undeployed;
mod workflows;

pub(super) use compose::assignments;

pub(crate) use images::is_dockerfile;

use super::ecs::Resource;
use super::files::{FileId, Files, Place};
use super::found::Found;
use super::service::{Container, Purpose};
use super::{Note, Picture, walk};
use knee_files::formats::FormatError;
use knee_files::formats::tree::Node;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Joins what files say.
pub(super) struct Join {
    pub picture: Picture,
    index: HashMap<String, FileId>,
    used: HashSet<FileId>,
    resources: Vec<Resource>,
    /// Names under which stacks export things, and what those are.
    exports: Vec<(String, Node)>,
    /// Dockerfiles with the names that they are built under.
    tagged: Vec<(FileId, String)>,
    /// Images that pipelines build.
    made: Vec<workflows::Made>,
    /// The words that the container last filled in is started with.
    started: Option<Found<Vec<String>>>,
    /// First arguments that the script of the container last filled in takes, too.
    others: Vec<String>,
}

impl Join {
    pub fn new(files: Files, notes: Vec<Note>) -> Join {
        let index = files.iter().map(|(id, file)| (file.path.clone(), id)).collect();
        let picture = Picture { files, notes, ..Picture::default() };
        Join {
            picture,
            index,
            used: HashSet::new(),
            resources: Vec::new(),
            exports: Vec::new(),
            tagged: Vec::new(),
            made: Vec::new(),
            started: None,
            others: Vec::new(),
        }
    }

    pub fn run(mut self) -> Picture {
        self.terraform();
        self.documents();
        self.ecs();
        self.databases();
        self.dockerfiles();
        self.processes();
        self.loose();
        self.undeployed();
        self.picture
    }

    fn note(&mut self, id: FileId, error: &FormatError) {
        let path = self.picture.files.get(id).path.clone();
        let at = Some((error.at.line, error.at.column));
        self.picture.notes.push(Note {
            path,
            at,
            text: format!("{}; the file is left out", error.problem),
        });
    }

    fn name(&self, id: FileId) -> String {
        let path = &self.picture.files.get(id).path;
        path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase()
    }

    fn folder(&self, id: FileId) -> String {
        let path = &self.picture.files.get(id).path;
        path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.into())
    }

    fn ids(&self) -> Vec<FileId> {
        (0..self.picture.files.read.len()).map(FileId).collect()
    }

    fn purpose(&self, id: FileId) -> Purpose {
        match walk::is_development(&self.picture.files.get(id).path) {
            true => Purpose::Development,
            false => Purpose::Production,
        }
    }
}

/// A container of which nothing is known.
fn empty(name: &str, place: Place) -> Container {
    Container {
        name: name.into(),
        place,
        image: None,
        cpu: None,
        memory: None,
        memory_reservation: None,
        stop_timeout: None,
        nofile: None,
        init: None,
        stop_signal: None,
        essential: true,
        port: None,
        env: BTreeMap::new(),
        command: None,
        targets: Vec::new(),
        programs: Vec::new(),
    }
}
