//! The files of a user's folder, by how their names end.

use std::path::{Path, PathBuf};

/// Folders of what is somebody else's, or made.
const FOREIGN: [&str; 8] =
    [".git", ".knee", ".terraform", "node_modules", "vendor", ".venv", "venv", "target"];
/// No more folders are looked into.
const MOST: usize = 10_000;

/// The paths of files with one of these extensions, a folder's own before those below it, in order;
/// no deeper than so many folders.
pub(crate) fn files(
    root: &Path,
    extensions: &'static [&'static str],
    deepest: usize,
) -> impl Iterator<Item = PathBuf> {
    let wanted =
        |path: &Path| path.extension().is_some_and(|e| extensions.contains(&&*e.to_string_lossy()));
    let own = |path: &Path| {
        path.file_name().is_none_or(|name| !FOREIGN.contains(&&*name.to_string_lossy()))
    };
    let mut todo = vec![(root.to_path_buf(), 0)];
    let mut left = MOST;
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let (folder, depth) = todo.pop()?;
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, folder) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
            match folder {
                true if depth < deepest && own(&path) => folders.push((path, depth + 1)),
                false if wanted(&path) => files.push(path),
                _ => {}
            }
        }
        folders.sort_by(|a, b| b.cmp(a));
        todo.append(&mut folders);
        files.sort();
        Some(files)
    })
    .flatten()
}
