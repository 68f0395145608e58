//! A service as it was read from its files: what starts it, what it runs in, what may be turned.

use crate::launch::{Bind, Environment};
use crate::runtimes::{Runtime, Surroundings};
use crate::settings::{Knob, Settings, Site, Value};
use crate::sourced::{Origin, Sourced};
use crate::task::Task;
use std::path::PathBuf;

/// A service, each value with its origin.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// The folder it was read from, absolute.
    pub root: PathBuf,
    /// What the user calls it: the task definition's family, else the folder's name.
    pub name: String,
    /// Its containers, in start order.
    pub containers: Vec<ServiceContainer>,
    /// Index of the container that takes the requests.
    pub serving: usize,
    /// Host paths shown at other paths: WORKDIR and COPY. A later one lies above an earlier.
    pub binds: Vec<Bind>,
    /// Files that stand in for those of an image that is not here, by absolute path as the
    /// service sees them; the binds lie above them.
    pub stand_ins: Vec<(PathBuf, String)>,
    /// Those of them that are made of a template of the user's, each with that, relative to the
    /// folder: what is turned there is written into the template.
    pub made_of: Vec<(PathBuf, PathBuf)>,
    /// The task's size, where it was found.
    pub task: Option<Sourced<Task>>,
    /// The port that takes requests, where it was found; else the listening socket tells.
    pub port: Option<Sourced<u16>>,
    /// Path that answers 2xx when the service is ready, where it was found.
    pub ready: Option<Sourced<String>>,
}

/// One container of a service.
#[derive(Clone, Debug)]
pub struct ServiceContainer {
    /// Name as in the task definition, or `app`.
    pub name: String,
    /// Program and arguments; shell form is `["/bin/sh", "-c", text]`.
    pub command: Sourced<Vec<String>>,
    /// Working directory as the service sees it.
    pub workdir: PathBuf,
    /// Image and task-definition environment, the latter winning. Values are never printed.
    pub env: Environment,
    /// Soft and hard limit of open files.
    pub nofile: Option<Sourced<(u64, u64)>>,
    /// The programs in it that knee knows.
    pub parts: Vec<Part>,
}

/// A program that knee knows how to tune.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which runtime: an `id` of [`crate::runtimes::all`].
    pub runtime: &'static str,
    /// What it was recognised by, for people.
    pub recognised: Sourced<String>,
    /// Its knobs, with today's value and the place where each is written.
    pub knobs: Vec<PlacedKnob>,
}

/// A knob of this service.
#[derive(Clone, Debug)]
pub struct PlacedKnob {
    /// What may be turned. Its range is already narrowed by knee.toml.
    pub knob: Knob,
    /// What it is set to today, after precedence.
    pub current: Sourced<Value>,
    /// Where a new value is written.
    pub place: Place,
}

/// The one place where a knob's value is written, in the launch and as a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How it is written there.
    pub site: Site,
    /// The user's file, relative to the service's root; None where the value
    /// stands nowhere yet and can only be passed when the service is started.
    pub file: Option<PathBuf>,
    /// Absolute path of that file as the service sees it, for sites inside configuration files.
    pub seen_at: Option<PathBuf>,
}

impl Service {
    /// A service of which nothing is known but its runtime: every knob at its default, written
    /// nowhere yet.
    pub fn of_runtime(runtime: &'static Runtime, around: &Surroundings) -> Service {
        let origin = || Origin::Default { program: runtime.title.into() };
        let placed = |knob: Knob| {
            let value = (runtime.default)(&knob.name, around)?;
            let site = knob.sites.first()?.clone();
            let place = Place { site, file: None, seen_at: None };
            Some(PlacedKnob { current: Sourced::new(value, origin()), place, knob })
        };
        let because = "nothing else is known of the service";
        let part = Part {
            runtime: runtime.id,
            recognised: Sourced::assumed(runtime.title.into(), because),
            knobs: (runtime.knobs)().into_iter().filter_map(placed).collect(),
        };
        let container = ServiceContainer {
            name: "app".into(),
            command: Sourced::assumed(vec![], because),
            workdir: PathBuf::from("/"),
            env: Environment::default(),
            nofile: None,
            parts: vec![part],
        };
        Service {
            root: PathBuf::from("/"),
            name: runtime.id.into(),
            containers: vec![container],
            serving: 0,
            binds: vec![],
            stand_ins: vec![],
            made_of: vec![],
            task: None,
            port: None,
            ready: None,
        }
    }

    /// Every knob with the part it belongs to.
    pub fn knobs(&self) -> impl Iterator<Item = (&Part, &PlacedKnob)> {
        self.parts().flat_map(|part| part.knobs.iter().map(move |knob| (part, knob)))
    }

    /// Every part of every container.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.containers.iter().flat_map(|c| &c.parts)
    }

    /// Today's settings.
    pub fn current(&self) -> Settings {
        Settings(
            self.knobs().map(|(_, k)| (k.knob.name.to_string(), k.current.value.clone())).collect(),
        )
    }
}
