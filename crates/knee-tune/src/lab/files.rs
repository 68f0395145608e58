//! The files as a task will see them, by whichever means this host allows.

use super::error::LabError;
use super::ops::Op;
use super::patchwork::Patchwork;
use super::root::Root;
use knee_core::launch::Launch;
use knee_probe::mounts::Mount;
use std::path::{Path, PathBuf};

/// How a task sees files on this host.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// An overlay of everything.
    Overlay,
    /// The host's files with single ones covered; in a user namespace or not.
    Patched { user: bool },
    /// The host's own, unchanged: no mount namespace, for this reason.
    Host { why: String },
}

/// The files of one task.
#[derive(Debug)]
pub(super) enum Files {
    Overlay(Root),
    Patched { patchwork: Patchwork, user: bool },
}

impl Files {
    /// Everything that a launch changes, written into `store`. None when the host's own files
    /// are all there is, and enough.
    pub fn prepare(
        view: &View,
        store: &Path,
        mounts: &[Mount],
        launch: &Launch,
    ) -> Result<Option<Files>, LabError> {
        let workdirs = launch.containers.iter().map(|c| c.workdir.as_path());
        match view {
            View::Overlay => {
                let mut root = Root::new(store, mounts)?;
                launch.binds.iter().try_for_each(|bind| root.bind(bind))?;
                launch.files.iter().try_for_each(|(path, bytes)| root.write(path, bytes))?;
                workdirs.into_iter().try_for_each(|w| root.create_folder(w))?;
                Ok(Some(Files::Overlay(root)))
            }
            View::Patched { user } => {
                let mut patchwork = Patchwork::new(store)?;
                launch.binds.iter().try_for_each(|bind| patchwork.bind(bind))?;
                launch.files.iter().try_for_each(|(path, bytes)| patchwork.write(path, bytes))?;
                workdirs.into_iter().try_for_each(|w| patchwork.create_folder(w))?;
                Ok(Some(Files::Patched { patchwork, user: *user }))
            }
            View::Host { .. } if launch.files.is_empty() && launch.binds.is_empty() => Ok(None),
            View::Host { why } => {
                let what = format!("copies of changed files cannot be shown to the service: {why}");
                Err(LabError::Unprivileged { missing: vec![what] })
            }
        }
    }

    /// Whether they are seen in a user namespace.
    pub fn user(&self) -> bool {
        matches!(self, Files::Patched { user: true, .. })
    }

    /// The mounts, in order.
    pub fn ops(&self) -> Vec<Op> {
        match self {
            Files::Overlay(root) => root.ops(),
            Files::Patched { patchwork, .. } => patchwork.ops(),
        }
    }

    /// The folder that becomes the root, if another than the host's does.
    pub fn root(&self) -> Option<&Path> {
        match self {
            Files::Overlay(root) => Some(root.at()),
            Files::Patched { patchwork, .. } => patchwork.at(),
        }
    }
}

/// Folders for temporary files, the best first: those in memory would count as the service's.
pub(super) fn storages() -> Vec<PathBuf> {
    let mut all = vec![std::env::temp_dir()];
    for path in ["/var/tmp", "/dev/shm"].map(PathBuf::from) {
        if path.is_dir() && !all.contains(&path) {
            all.push(path);
        }
    }
    all
}
