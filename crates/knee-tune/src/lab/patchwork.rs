//! The host's files with single ones covered: for where no overlay of the whole can be had, as
//! in a user namespace, which may not overlay a folder that has mounts in it.
//!
//! What the service itself writes reaches the host's files, with the rights it has there.

use super::error::LabError;
use super::ops::Op;
use super::root::look_like;
use knee_core::launch::Bind;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What is laid over the host's files, in a private mount namespace.
#[derive(Debug)]
pub(super) struct Patchwork {
    store: PathBuf,
    /// Host folders that need new entries, with the folder that takes their place: it shows
    /// the host's entries by mounts, and holds the new ones.
    replicas: BTreeMap<PathBuf, Replica>,
    /// What is shown where, in order.
    covers: Vec<(PathBuf, PathBuf)>,
}

#[derive(Debug)]
struct Replica {
    stage: PathBuf,
    entries: Vec<PathBuf>,
}

impl Patchwork {
    /// The host's files as they are; `store` takes the copies.
    pub fn new(store: &Path) -> Result<Patchwork, LabError> {
        let store = store.join("patches");
        fs::create_dir(&store).map_err(LabError::file(&store, "create it"))?;
        Ok(Patchwork { store, replicas: BTreeMap::new(), covers: Vec::new() })
    }

    /// Shows a host folder or file at another path: itself, not a copy.
    pub fn bind(&mut self, bind: &Bind) -> Result<(), LabError> {
        let host = bind.host.canonicalize().map_err(LabError::file(&bind.host, "read it"))?;
        if host.is_dir() {
            self.create_folder(&bind.container)?;
            self.covers.push((host, bind.container.clone()));
            return Ok(());
        }
        let bytes = fs::read(&host).map_err(LabError::file(&host, "read it"))?;
        self.write(&bind.container, &bytes)
    }

    /// Makes sure that a folder is there.
    pub fn create_folder(&mut self, at: &Path) -> Result<(), LabError> {
        let place = self.place(at)?;
        fs::create_dir_all(&place).map_err(LabError::file(&place, "create it"))
    }

    /// Puts a file in place.
    pub fn write(&mut self, at: &Path, bytes: &[u8]) -> Result<(), LabError> {
        let bound = self.covers.iter().rev().find_map(|(host, c)| {
            at.strip_prefix(c).ok().filter(|_| host.is_dir()).map(|within| host.join(within))
        });
        let hidden = bound.unwrap_or_else(|| at.into());
        if !hidden.exists() {
            let place = self.place(&hidden)?;
            let parent = place.parent().unwrap_or(&self.store);
            fs::create_dir_all(parent).map_err(LabError::file(parent, "create it"))?;
            return fs::write(&place, bytes).map_err(LabError::file(&place, "write it"));
        }
        let copy = self.store.join(format!("file-{}", self.covers.len()));
        fs::write(&copy, bytes).map_err(LabError::file(&copy, "write it"))?;
        look_like(&hidden.canonicalize().unwrap_or(hidden), &copy)?;
        self.covers.push((copy, at.into()));
        Ok(())
    }

    /// Where something can be created so that it is seen at `at`; the host's own place when it
    /// is there already.
    fn place(&mut self, at: &Path) -> Result<PathBuf, LabError> {
        let there = at.ancestors().find(|a| a.exists()).unwrap_or(Path::new("/"));
        if there == at {
            return Ok(at.into());
        }
        let within = at.strip_prefix(there).unwrap_or(at);
        let folder = there.canonicalize().map_err(LabError::file(there, "read it"))?;
        if !self.replicas.contains_key(&folder) {
            let replica = self.replica(&folder)?;
            self.replicas.insert(folder.clone(), replica);
        }
        Ok(self.replicas[&folder].stage.join(within))
    }

    /// A folder with an empty entry for each of the host's, to be covered by it.
    fn replica(&self, folder: &Path) -> Result<Replica, LabError> {
        let stage = self.store.join(format!("folder-{}", self.replicas.len()));
        fs::create_dir(&stage).map_err(LabError::file(&stage, "create it"))?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(LabError::file(folder, "read it"))?.flatten() {
            let (from, to) = (entry.path(), stage.join(entry.file_name()));
            let made = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => fs::read_link(&from).and_then(|l| symlink(l, &to)),
                Ok(kind) if kind.is_dir() => fs::create_dir(&to),
                _ => fs::write(&to, ""),
            };
            made.map_err(LabError::file(&to, "create it"))?;
            entries.push(entry.file_name().into());
        }
        Ok(Replica { stage, entries })
    }

    /// The mounts, in order, to be made in a private mount namespace.
    pub fn ops(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        for (folder, replica) in &self.replicas {
            ops.push(Op::bind(&replica.stage, &replica.stage, libc::MS_REC));
            for entry in &replica.entries {
                let (from, to) = (folder.join(entry), replica.stage.join(entry));
                // An entry may vanish meanwhile, and a link needs no mount.
                if !from.is_symlink() {
                    ops.push(Op::bind(&from, &to, libc::MS_REC).or_ignore());
                }
            }
            let target = self.inside(folder);
            if folder != Path::new("/") {
                ops.push(Op::bind(&replica.stage, &target, libc::MS_REC));
            }
        }
        // From inside the new root: a folder that is shown may hold a replica by now.
        let shown = |(from, at): &(PathBuf, PathBuf)| {
            Op::bind(&self.inside(from), &self.inside(at), libc::MS_REC)
        };
        ops.extend(self.covers.iter().map(shown));
        ops
    }

    /// The folder that becomes the root; None keeps the host's.
    pub fn at(&self) -> Option<&Path> {
        self.replicas.get(Path::new("/")).map(|r| r.stage.as_path())
    }

    fn inside(&self, at: &Path) -> PathBuf {
        self.at().unwrap_or(Path::new("/")).join(at.strip_prefix("/").unwrap_or(at))
    }
}
