//! The temporary folder of one task, and the removal of what a dead knee left.

use super::cgroup;
use super::error::LabError;
use super::identity::Name;
use super::members::{self, Marks};
use knee_probe::cgroup::pids_below;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Which cgroup folders and mount namespaces belong to the task, a line each.
const MANIFEST: &str = "belongings";

/// The folder; dropping it removes it.
#[derive(Debug)]
pub(super) struct Store(PathBuf);

impl Store {
    /// Creates it for this user only.
    pub fn create(below: &Path, name: Name) -> Result<Store, LabError> {
        let path = below.join(name.to_string());
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(LabError::file(&path, "create it"))?;
        Ok(Store(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Notes what a later knee must remove should this one be killed.
    pub fn note(&self, cgroups: &[&Path], marks: &Marks) -> Result<(), LabError> {
        let folders = cgroups.iter().map(|p| format!("cgroup {}\n", p.display()));
        let namespaces = marks.namespaces.iter().map(|n| format!("namespace {n}\n"));
        let file = self.0.join(MANIFEST);
        let text: String = folders.chain(namespaces).collect();
        fs::write(&file, text).map_err(LabError::file(&file, "write it"))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = remove(&self.0);
    }
}

/// Removes a folder with all in it. overlayfs makes folders that not even their owner may
/// enter, so modes are widened first.
fn remove(folder: &Path) -> io::Result<()> {
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    widen(folder);
    fs::remove_dir_all(folder)
}

fn widen(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            widen(&entry.path());
        }
    }
}

/// Removes what knees that are gone left in `below`: processes, cgroups, then the folder.
pub(super) fn sweep(below: &Path) {
    for (path, name) in left_in(below) {
        // Others can write into a folder for temporary files: only what is one's own is believed.
        let own = fs::symlink_metadata(&path)
            .is_ok_and(|m| m.is_dir() && m.uid() == rustix::process::geteuid().as_raw());
        if own {
            sweep_belongings(&path, name);
            let _ = remove(&path);
        }
    }
}

/// Removes cgroups of knees that are gone from a folder of cgroups.
pub(super) fn sweep_cgroups(below: &Path) {
    for (path, _) in left_in(below) {
        sweep_cgroup(&path);
    }
}

fn left_in(below: &Path) -> Vec<(PathBuf, Name)> {
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    let named = entries.filter_map(|e| Some((e.path(), e.file_name().to_str()?.parse().ok()?)));
    named.filter(|(_, name): &(_, Name)| name.owner.is_gone()).collect()
}

fn sweep_belongings(folder: &Path, name: Name) {
    let text = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    let mut marks = Marks::default();
    let mut in_cgroups = false;
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("cgroup", path)) if Path::new(path).ends_with(name.to_string()) => {
                in_cgroups = true;
                sweep_cgroup(Path::new(path));
            }
            Some(("namespace", number)) => marks.namespaces.extend(number.parse::<u64>()),
            _ => {}
        }
    }
    // A cgroup held all of its processes. The kernel gives the number of a namespace that is gone to the next
    // one that is made, which may be another knee's: it is only asked where there was no cgroup.
    if in_cgroups {
        return;
    }
    // A namespace that knee itself is in is not one of a task.
    let mine = super::identity::namespace_inode(Path::new("/proc/self/ns/mnt"));
    marks.namespaces.retain(|n| Some(*n) != mine);
    if !marks.namespaces.is_empty() {
        members::pids(&marks).into_iter().for_each(cgroup::kill);
    }
}

fn sweep_cgroup(folder: &Path) {
    if folder.join("cgroup.procs").exists() {
        let _ = cgroup::empty(|| pids_below(folder), folder);
        let _ = cgroup::remove_folder(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Owner;
    use super::*;

    #[test]
    fn a_folder_is_swept_when_its_owner_is_gone_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let mine =
            Store::create(dir.path(), Name { owner: Owner::myself().unwrap(), number: 1 }).unwrap();
        let shown = mine.path().file_name().unwrap().to_str().unwrap().to_string();
        let fields: Vec<&str> = shown.split('-').collect();
        let dead = dir.path().join(format!("knee-{}-1-{}-1", fields[1], fields[3]));
        fs::create_dir_all(dead.join("layers/0/work/work")).unwrap();
        fs::set_permissions(dead.join("layers/0/work/work"), fs::Permissions::from_mode(0o000))
            .unwrap();
        fs::write(dead.join(MANIFEST), "cgroup /etc\nnamespace x\nnonsense\n").unwrap();
        fs::create_dir(dir.path().join("knee-of-somebody")).unwrap();
        sweep(dir.path());
        assert!(!dead.exists() && mine.path().exists());
        assert!(dir.path().join("knee-of-somebody").exists());
        let path = mine.path().to_path_buf();
        drop(mine);
        assert!(!path.exists());
    }
}
