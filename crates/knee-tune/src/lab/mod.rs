//! The laboratory: a task as ECS builds it.
//!
//! The CPU quota and the memory limit sit on a *task* cgroup; each container runs in a cgroup
//! below it that has no quota of its own, in mount and cgroup namespaces over a copy-on-write
//! view of the host's files. So `nproc`, Go, libuv and the rest misread their size exactly as
//! in production. All of the host's CPUs stay visible; the network is the host's.
//!
//! What never lives here: which settings to try, load, and what a runtime means by its files.

mod answer;
mod base;
mod cgroup;
mod error;
mod files;
mod forker;
mod identity;
mod log;
mod members;
mod nofile;
mod ops;
mod patchwork;
mod process;
mod ready;
mod root;
mod running;
mod store;
mod warden;

pub use error::LabError;
pub use log::Tail;
pub use nofile::granted_nofile;
pub use ready::port_holder;
pub use running::Running;

use base::Base;
use cgroup::{Group, Weight};
use files::{Files, View, storages};
use forker::Forker;
use identity::{Name, Owner};
use knee_core::launch::{Container, Environment, Launch};
use knee_core::observe::Validity;
use knee_core::{Bytes, Task};
use knee_probe::mounts::{self, Mount};
use members::Marks;
use process::{Namespaces, Place};
use running::Started;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use store::Store;
use warden::Warden;

/// Numbers the tasks of this process.
static NUMBER: AtomicU32 = AtomicU32::new(0);
/// What the load generator needs beside the task, cores.
const GENERATOR_CORES: f64 = 0.5;
/// What knee and the host need beside the task.
const GENERATOR_MEMORY: Bytes = Bytes::mib(128);

/// How the laboratory is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabOptions {
    /// Go on without cgroups: no quota, no memory limit.
    pub unconfined: bool,
}

/// A place where tasks can be started, one after the other or at once.
#[derive(Debug)]
pub struct Lab {
    owner: Owner,
    mounts: Vec<Mount>,
    base: Option<Arc<Base>>,
    view: View,
    storage: PathBuf,
    forker: Arc<Forker>,
}

impl Lab {
    /// Finds out what this process may do, and removes what knees that were killed left.
    ///
    /// # Errors
    /// [`LabError::Unprivileged`] when a task's limits cannot be had, unless `unconfined`.
    pub fn new(options: LabOptions) -> Result<Lab, LabError> {
        storages().iter().for_each(|s| store::sweep(s));
        let owner = Owner::myself().ok_or_else(no_proc)?;
        let mounts =
            mounts::of_this_process().map_err(LabError::file("/proc/self/mountinfo", "read it"))?;
        let forker =
            Arc::new(Forker::new().map_err(LabError::file("/proc/self/task", "start a thread"))?);
        let (view, storage) = (View::Host { why: String::new() }, std::env::temp_dir());
        let mut lab = Lab { owner, mounts, base: None, view, storage, forker };
        let mut missing = Vec::new();
        if !options.unconfined {
            match lab.find_base() {
                Ok(base) => {
                    base.group.folders().into_iter().for_each(store::sweep_cgroups);
                    lab.base = Some(Arc::new(base));
                }
                Err(reasons) => missing = reasons,
            }
        }
        (lab.view, lab.storage) = lab.find_view();
        if let (View::Host { why }, false) = (&lab.view, options.unconfined) {
            missing.push(format!("no mount namespace: {why}"));
        }
        if missing.is_empty() { Ok(lab) } else { Err(LabError::Unprivileged { missing }) }
    }

    fn find_base(&self) -> Result<Base, Vec<String>> {
        let own = std::fs::read_to_string("/proc/self/cgroup");
        let own = own.map_err(|e| vec![format!("/proc/self/cgroup: {e}")])?;
        Base::find(&self.mounts, &own, &self.name().to_string())
    }

    /// Tries what may work: an overlay with its upper layers on a disk first, in memory last.
    fn find_view(&self) -> (View, PathBuf) {
        let user = !rustix::process::geteuid().is_root();
        let mut views = vec![View::Patched { user }];
        if !user {
            views.insert(0, View::Overlay);
        }
        let mut why = String::new();
        for view in views {
            for storage in storages() {
                match self.works(&view, &storage) {
                    Ok(()) => return (view, storage),
                    Err(error) => why = error.to_string(),
                }
            }
        }
        (View::Host { why }, std::env::temp_dir())
    }

    /// Starts a program that ends at once, in a cgroup and with a new folder to be seen.
    fn works(&self, view: &View, storage: &Path) -> Result<(), LabError> {
        let name = self.name();
        let store = Store::create(storage, name)?;
        let launch = nothing();
        let files = Files::prepare(view, store.path(), &self.mounts, &launch)?;
        let place = files.as_ref().map_or(Place::Host, Place::New);
        let log = store.path().join("log");
        let container = &launch.containers[0];
        let group = self.group(name);
        let created = group.as_ref().map_or(Ok(()), Group::create);
        let started = created.and_then(|()| {
            process::start(&self.forker, container, group.as_ref(), &place, &self.mounts, &log)
        });
        let ended = started.map(|mut child| drop(child.wait()));
        ended.and(group.as_ref().map_or(Ok(()), Group::remove))
    }

    /// The cgroup of that name for a task; nothing is created.
    fn group(&self, name: Name) -> Option<Group> {
        self.base.as_ref().map(|base| base.group.below(&name.to_string()))
    }

    /// Starts a service. It may not be ready yet: see [`Running::wait_ready`].
    ///
    /// # Errors
    /// Its cgroup, files or namespaces cannot be made, or its program cannot be started.
    pub fn start(&self, launch: &Launch) -> Result<Running, LabError> {
        let name = self.name();
        let store = Store::create(&self.storage, name)?;
        let files = Files::prepare(&self.view, store.path(), &self.mounts, launch)?;
        let group = self.group(name);
        let warden = Warden::start(&self.forker, store.path());
        let warden = warden.map_err(LabError::file("/bin/sh", "start it"))?;
        let mut running = Running {
            containers: Vec::new(),
            group: group.clone(),
            marks: Marks::default(),
            namespaces: None,
            limit: launch.task.memory,
            asks: launch.asks.clone(),
            confinement: self.confinement(launch.task),
            done: false,
            store,
            _warden: warden,
            _base: self.base.clone(),
            _forker: self.forker.clone(),
        };
        if let (Some(base), Some(group)) = (&self.base, &group) {
            running.store.note(&group.folders(), &running.marks)?;
            base.pass_on()?;
            group.create()?;
            group.limit(launch.task, Weight::here())?;
        }
        for (index, container) in launch.containers.iter().enumerate() {
            self.start_container(&mut running, index, container, files.as_ref())?;
        }
        Ok(running)
    }

    fn start_container(
        &self,
        running: &mut Running,
        index: usize,
        container: &Container,
        files: Option<&Files>,
    ) -> Result<(), LabError> {
        let group = running.group.as_ref().map(|g| g.below(&format!("container-{index}")));
        if let Some(group) = &group {
            group.create()?;
        }
        let place = match (files, &running.namespaces) {
            (Some(_), Some(namespaces)) => Place::Same(namespaces),
            (Some(files), None) => Place::New(files),
            (None, _) => Place::Host,
        };
        let log = running.store.path().join(format!("container-{index}.log"));
        let child =
            process::start(&self.forker, container, group.as_ref(), &place, &self.mounts, &log)?;
        let pid = child.id();
        let (name, mut env) = (container.name.clone(), container.env.clone());
        // What the command itself assigns is as secret.
        env.0.extend(container.argv.iter().flat_map(|word| knee_files::assignments(word)));
        let child = Mutex::new(child);
        running.marks.roots.push(pid.cast_signed());
        running.marks.logs.push(log.clone());
        running.containers.push(Started { name, pid: pid.cast_signed(), child, group, log, env });
        if let Some(files) = files {
            let link = PathBuf::from(format!("/proc/{pid}/ns/mnt"));
            running.marks.namespaces.extend(identity::namespace_inode(&link));
            if running.namespaces.is_none() {
                running.namespaces = Namespaces::of(pid, files.user()).ok();
            }
        }
        let folders = running.group.as_ref().map(Group::folders).unwrap_or_default();
        running.store.note(&folders, &running.marks)
    }

    /// Whether the task has its CPU quota and memory limit here.
    pub fn confines(&self) -> bool {
        self.base.is_some()
    }

    /// How a task of this size is imitated here, in a sentence.
    pub fn confinement(&self, task: Task) -> String {
        let limits = match self.base.as_ref().map(|b| &b.group) {
            Some(group) => {
                let version = if matches!(group, Group::V1 { .. }) { "v1" } else { "v2" };
                format!(
                    "cgroup {version}: {} ms of CPU in each 100 ms and {} on the task, no limit on its containers",
                    (task.cpu * 1000.0).round() / 10.0,
                    task.memory
                )
            }
            None => "unconfined: no CPU quota and no memory limit".into(),
        };
        let files = match &self.view {
            View::Overlay => "a copy-on-write view of the host's files",
            View::Patched { .. } => "the host's files with changed copies laid over them",
            View::Host { .. } => "the host's own files",
        };
        format!("{limits}; {files}")
    }

    /// Whether results for a task of this size can be believed on this host.
    pub fn validity(&self, task: Task) -> Validity {
        let mut validity = Validity::default();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        if task.cpu + GENERATOR_CORES > cpus {
            validity.invalid.push(format!(
                "the host has {cpus} CPUs, too few for a task of {} vCPU and the load generator together",
                task.cpu
            ));
        }
        let free = knee_probe::machine::available_memory(Path::new("/")).ok();
        if free.is_some_and(|free| task.memory.0 + GENERATOR_MEMORY.0 > free.0) {
            validity.invalid.push(format!(
                "the host has {} of memory available, too little for a task of {} and the load generator together",
                free.unwrap_or_default(),
                task.memory
            ));
        }
        if self.base.is_none() {
            let what = "the service ran unconfined: without the task's CPU quota and memory limit";
            validity.caveats.push(what.into());
        }
        validity
    }

    fn name(&self) -> Name {
        Name { owner: self.owner, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }
}

fn no_proc() -> LabError {
    let source = std::io::Error::other("no process information");
    LabError::File { path: "/proc/self/stat".into(), action: "read it", source }
}

/// A program that ends at once, to see whether one can be started where it sees a new folder.
fn nothing() -> Launch {
    let container = Container {
        name: "trial".into(),
        argv: vec!["true".into()],
        workdir: "/knee-trial".into(),
        env: Environment::default(),
        nofile: None,
    };
    let task = Task { cpu: 1.0, memory: Bytes::mib(64) };
    Launch { task, containers: vec![container], binds: vec![], files: vec![], asks: vec![] }
}
