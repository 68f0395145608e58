//! What stands in a service's folder, as a service with an origin for every value.

use crate::error::FilesError;
use knee_core::event::Fact;
use knee_core::goal::Goal;
use knee_core::service::Service;
use knee_core::sourced::Sourced;
use knee_core::task::Task;
use knee_core::workload::Request;
use std::path::{Path, PathBuf};

/// What knee's own command line says instead of the files. A flag wins over everything.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// What starts the service, in one line.
    pub command: Option<String>,
    /// Path that answers 2xx when the service is ready.
    pub ready: Option<String>,
    /// The port that takes requests.
    pub port: Option<u16>,
    /// Size of the task.
    pub task: Option<Task>,
    /// What has to be held.
    pub goal: Option<Goal>,
    /// The container that takes the requests, where a task has several.
    pub container: Option<String>,
    /// What is sent; empty leaves it to the files.
    pub requests: Vec<Request>,
}

/// A folder that was read.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The service.
    pub service: Service,
    /// What has to be held; knee's own proposal is marked as assumed.
    pub goal: Sourced<Goal>,
    /// What is sent; empty where nothing says so.
    pub requests: Vec<Request>,
    /// Share of the task's memory that has to stay free, in [0, 1).
    pub head_room: Sourced<f64>,
    /// What was read, for people. Never a secret.
    pub facts: Vec<Fact>,
    /// What is needed and was not found.
    pub missing: Vec<Missing>,
    /// knee.toml, if there is one.
    pub config: Option<PathBuf>,
}

/// Something that is needed and was not found, in the words to ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is, and where it was looked for.
    pub what: String,
    /// The flag that says it.
    pub flag: String,
    /// How it may be said.
    pub example: String,
}

/// Reads the folder of a service.
///
/// # Errors
/// A file that cannot be read or is not what its name says, with its line and column; a task
/// size that Fargate does not offer. What is only not there is among [`Discovery::missing`].
pub fn discover(root: &Path, overrides: &Overrides) -> Result<Discovery, FilesError> {
    todo!("{root:?} {overrides:?}")
}
