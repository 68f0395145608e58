//! One picture of each service: what its files say, joined, precedence resolved, each value with its place.
//!
//! Formats know no runtime here, rules know no format. What cannot be known from the files stays
//! [`Known::Unknown`] with the reason and is never guessed.

mod ecs;
mod facts;
mod files;
mod follow;
mod found;
mod image;
mod join;
mod knowledge;
mod measured;
mod program;
mod service;
mod settings;
mod values;
mod walk;
mod written;

#[cfg(test)]
mod tests;

pub(crate) use facts::{hidden as hidden_words, is_tuning};
pub(crate) use files::joined;
pub use files::{File, FileId, Files, Place};
pub use found::{Datum, Found, Known, Origin, Overrode};
pub(crate) use join::is_dockerfile;
pub(crate) use knowledge::recognise as starts;
pub use knowledge::{development_server, is_daemon};
pub use measured::{Measured, observed};
pub use program::{Chain, Link, LinkKind, Program, Runtime, Shell, Supervision};
pub use service::{
    Container, Database, Deployment, Image, Launch, LoadBalancer, Nofile, Purpose, Service, Target,
    Task,
};
pub(crate) use settings::version_said;
pub(crate) use walk::is_development;

use std::path::Path;

/// Everything that the files of a repository say about what is deployed.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The files that were read, and the paths of those that were not.
    pub files: Files,
    /// What is deployed, or could be: a Dockerfile that no deployment names is a service of its own.
    pub services: Vec<Service>,
    /// Load balancers; a [`Target`] names one by its index.
    pub load_balancers: Vec<LoadBalancer>,
    /// Databases whose limits the files state.
    pub databases: Vec<Database>,
    /// What was measured of services.
    pub profiles: Vec<Measured>,
    /// What could not be read, or only in part.
    pub notes: Vec<Note>,
}

/// Something that could not be read, for people.
#[derive(Clone, Debug)]
pub struct Note {
    /// The file, relative to the root.
    pub path: String,
    /// 1-based line and column, where the place is known.
    pub at: Option<(u32, u32)>,
    /// What is the matter, and what is left out because of it.
    pub text: String,
}

/// A value that was discovered, for `--facts`.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The service, and the container where there is one: `shop/web`; else the file.
    pub of: String,
    /// Dotted name: `alb.idle_timeout`, `gunicorn.workers`, `task.cpu`.
    pub key: String,
    /// The value for people, or why it is unknown. Never a secret.
    pub value: String,
    /// Where it stands, or whose default it is.
    pub origin: Origin,
    /// What it won against.
    pub overrode: Vec<Overrode>,
}

impl Picture {
    /// Reads a folder or a file.
    ///
    /// # Errors
    /// Only when the root itself cannot be read; a file that cannot be is a note.
    pub fn read(root: &Path) -> std::io::Result<Picture> {
        let (files, notes) = walk::read(root)?;
        Ok(Picture::of(files, notes))
    }

    /// What files say that were read.
    pub(crate) fn of(files: Files, notes: Vec<Note>) -> Picture {
        let mut picture = join::Join::new(files, notes).run();
        picture.read_profiles();
        picture
    }

    /// Every value that was discovered, in the order of services, containers, programs.
    pub fn facts(&self) -> Vec<Fact> {
        facts::facts(self)
    }

    /// Each program with the container and the service it runs in.
    pub fn programs(&self) -> impl Iterator<Item = (&Service, &Container, &Program)> {
        self.services
            .iter()
            .flat_map(|s| s.containers.iter().map(move |c| (s, c)))
            .flat_map(|(s, c)| c.programs.iter().map(move |p| (s, c, p)))
    }
}
