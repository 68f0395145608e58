//! What stands in a service's folder, as a service with an origin for every value.

mod container;
mod facts;
mod hints;
mod knobs;
mod parts;
mod ports;
mod programs;
mod reading;
mod requests;
mod size;
mod source;

pub(crate) use facts::command_line;

use crate::asked::Asked;
use crate::config::Config;
use crate::error::FilesError;
use crate::plan::{Plan, plan};
use crate::sources::Sources;
use knee_core::event::Fact;
use knee_core::goal::Goal;
use knee_core::runtimes::Surroundings;
use knee_core::service::Service;
use knee_core::sourced::{Origin, Sourced};
use knee_core::task::Task;
use knee_core::units::Bytes;
use knee_core::workload::Request;
use reading::Reading;
use std::collections::BTreeMap;
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
    /// Names of variables that the service is given from knee's own environment.
    pub env: Vec<String>,
    /// A file of variables that it is given, relative to the folder.
    pub env_file: Option<PathBuf>,
}

impl Overrides {
    fn asked(&self) -> Asked<'_> {
        Asked {
            command: self.command.as_deref(),
            container: self.container.as_deref(),
            env: &self.env,
            env_file: self.env_file.as_deref(),
        }
    }
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
    /// Names of variables that the service is given from knee's own environment.
    pub env: Vec<Sourced<String>>,
    /// The file of variables that was named, relative to the folder.
    pub env_file: Option<Sourced<PathBuf>>,
    /// What was read, for people. Never a secret.
    pub facts: Vec<Fact>,
    /// What is needed and was not found.
    pub missing: Vec<Missing>,
    /// knee.toml, if there is one.
    pub config: Option<PathBuf>,
    /// What it says; nothing where there is none.
    pub stated: Config,
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

impl Missing {
    /// The value of a variable that only knee's own environment can give; `why` it is wanted.
    fn value(name: &str, why: &str, origin: &Origin) -> Missing {
        Missing {
            what: format!("a value for {name}, {why} ({origin})"),
            flag: "knee's environment".into(),
            example: format!("{name}=… knee tune"),
        }
    }
}

/// Reads the folder of a service.
///
/// # Errors
/// A file that cannot be read or is not what its name says, with its line and column; a task
/// size that Fargate does not offer. What is only not there is among [`Discovery::missing`].
pub fn discover(root: &Path, overrides: &Overrides) -> Result<Discovery, FilesError> {
    let sources = Sources::read(root, BTreeMap::new())?;
    let Plan { containers, serving, left_out } = plan(&sources, overrides.asked())?;
    let (task, no_task) = size::task(&sources, &containers[serving], overrides.task)?;
    let around = surroundings(task.as_ref());
    let mut reading = Reading::new(&sources, containers, serving)?;
    reading.find_parts(around)?;
    reading.finish(overrides, task, no_task, &left_out)
}

/// What a program sees of this host and what its task has; a small task where none is known.
fn surroundings(task: Option<&Sourced<Task>>) -> Surroundings {
    let task = task.map_or(Task { cpu: 1.0, memory: Bytes::mib(2048) }, |task| task.value);
    Surroundings { visible_cpus: visible_cpus(), task_cpu: task.cpu, task_memory: task.memory.0 }
}

/// The CPUs that a process of this host may run on: what `nproc` counts, which no quota changes.
fn visible_cpus() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"));
    let digits = mask.into_iter().flat_map(|mask| mask.chars().filter_map(|c| c.to_digit(16)));
    digits.map(u32::count_ones).sum::<u32>().max(1)
}
