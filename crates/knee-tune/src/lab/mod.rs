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
mod forker;
mod identity;
mod log;
mod members;
mod mounts;
mod ops;
mod process;
mod ready;
mod root;
mod running;
mod sockets;
mod store;
mod warden;

pub use error::LabError;
pub use log::Tail;
pub use ready::port_holder;
pub use running::Running;

use base::Base;
use cgroup::Group;
use forker::Forker;
use identity::{Name, Owner};
use knee_core::launch::{Container, Environment, Launch};
use knee_core::observe::Validity;
use knee_core::{Bytes, Task};
use members::Marks;
use mounts::Mount;
use process::{Namespaces, Place};
use root::Root;
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
    forker: Arc<Forker>,
}

/// How a task sees files.
#[derive(Debug)]
enum View {
    /// An overlay with its upper layers in this folder; in a user namespace or not.
    Overlay { storage: PathBuf, user: bool },
    /// The host's own.
    Host { storage: PathBuf, why: String },
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
        let mut lab = Lab { owner, mounts, base: None, view: View::none(), forker };
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
        lab.view = lab.find_view();
        if let (View::Host { why, .. }, false) = (&lab.view, options.unconfined) {
            missing.push(format!("no mount namespace with an overlay: {why}"));
        }
        if missing.is_empty() { Ok(lab) } else { Err(LabError::Unprivileged { missing }) }
    }

    fn find_base(&self) -> Result<Base, Vec<String>> {
        let own = std::fs::read_to_string("/proc/self/cgroup");
        let own = own.map_err(|e| vec![format!("/proc/self/cgroup: {e}")])?;
        Base::find(&self.mounts, &own, &self.name().to_string())
    }

    /// Tries an overlay where it may work: on a disk first, in memory last.
    fn find_view(&self) -> View {
        let user = !rustix::process::geteuid().is_root();
        let mut why = String::new();
        for storage in storages() {
            let attempt = || {
                let store = Store::create(&storage, self.name())?;
                let root = Root::new(store.path(), &self.mounts, user)?;
                let place = Place::New { root: &root, user };
                let log = store.path().join("log");
                process::start(&self.forker, &nothing(), None, &place, &[], &log)
            };
            match attempt() {
                Ok(mut child) => {
                    let _ = child.wait();
                    return View::Overlay { storage, user };
                }
                Err(error) => why = error.to_string(),
            }
        }
        View::Host { storage: std::env::temp_dir(), why }
    }

    /// Starts a service. It may not be ready yet: see [`Running::wait_ready`].
    ///
    /// # Errors
    /// Its cgroup, files or namespaces cannot be made, or its program cannot be started.
    pub fn start(&self, launch: &Launch) -> Result<Running, LabError> {
        let name = self.name();
        let mut root = None;
        let store = match &self.view {
            View::Overlay { storage, user } => {
                let store = Store::create(storage, name)?;
                root = Some((self.files(&store, launch, *user)?, *user));
                store
            }
            View::Host { storage, why } => {
                check_no_files(launch, why)?;
                Store::create(storage, name)?
            }
        };
        let group = self.base.as_ref().map(|b| b.group.below(&name.to_string()));
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
        if let Some(group) = &group {
            running.store.note(&group.folders(), &running.marks)?;
            group.create()?;
            group.limit(launch.task)?;
        }
        for (index, container) in launch.containers.iter().enumerate() {
            self.start_container(&mut running, index, container, root.as_ref())?;
        }
        Ok(running)
    }

    fn start_container(
        &self,
        running: &mut Running,
        index: usize,
        container: &Container,
        root: Option<&(Root, bool)>,
    ) -> Result<(), LabError> {
        let group = running.group.as_ref().map(|g| g.below(&format!("container-{index}")));
        if let Some(group) = &group {
            group.create()?;
        }
        let place = match (root, &running.namespaces) {
            (Some(_), Some(namespaces)) => Place::Same(namespaces),
            (Some((root, user)), None) => Place::New { root, user: *user },
            (None, _) => Place::Host,
        };
        let log = running.store.path().join(format!("container-{index}.log"));
        let child =
            process::start(&self.forker, container, group.as_ref(), &place, &self.mounts, &log)?;
        let pid = child.id();
        let (name, env) = (container.name.clone(), container.env.clone());
        let child = Mutex::new(child);
        running.marks.roots.push(pid.cast_signed());
        running.containers.push(Started { name, pid: pid.cast_signed(), child, group, log, env });
        if let Some((_, user)) = root {
            let link = PathBuf::from(format!("/proc/{pid}/ns/mnt"));
            running.marks.namespaces.extend(identity::namespace_inode(&link));
            if running.namespaces.is_none() {
                running.namespaces = Namespaces::of(pid, *user).ok();
            }
        }
        let folders = running.group.as_ref().map(Group::folders).unwrap_or_default();
        running.store.note(&folders, &running.marks)
    }

    fn files(&self, store: &Store, launch: &Launch, user: bool) -> Result<Root, LabError> {
        let mut root = Root::new(store.path(), &self.mounts, user)?;
        launch.binds.iter().try_for_each(|bind| root.bind(bind))?;
        launch.files.iter().try_for_each(|(path, bytes)| root.write(path, bytes))?;
        launch.containers.iter().try_for_each(|c| root.create_folder(&c.workdir))?;
        Ok(root)
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
            View::Overlay { .. } => "a copy-on-write view of the host's files",
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
        let free = available_memory();
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

impl View {
    fn none() -> View {
        View::Host { storage: std::env::temp_dir(), why: String::new() }
    }
}

/// Folders for temporary files, the best first: those in memory would count as the service's.
fn storages() -> Vec<PathBuf> {
    let mut all = vec![std::env::temp_dir()];
    for path in ["/var/tmp", "/dev/shm"].map(PathBuf::from) {
        if path.is_dir() && !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

/// Without a view of its own a service would see, and change, the user's files.
fn check_no_files(launch: &Launch, why: &str) -> Result<(), LabError> {
    if launch.files.is_empty() && launch.binds.is_empty() {
        return Ok(());
    }
    let what = format!("copies of changed files cannot be shown to the service: {why}");
    Err(LabError::Unprivileged { missing: vec![what] })
}

fn no_proc() -> LabError {
    let source = std::io::Error::other("no process information");
    LabError::File { path: "/proc/self/stat".into(), action: "read it", source }
}

/// A container that ends at once, to see whether one can be started.
fn nothing() -> Container {
    Container {
        name: "trial".into(),
        argv: vec!["true".into()],
        workdir: "/".into(),
        env: Environment::default(),
        nofile: None,
    }
}

fn available_memory() -> Option<Bytes> {
    let text = std::fs::read_to_string(Path::new("/proc/meminfo")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok().map(|kib: u64| Bytes(kib << 10))
}
