//! Files that are written for the service's time: beside its own, never in their place.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file to be written.
#[derive(Debug, PartialEq)]
pub struct Overlay {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
    /// A folder that whoever reads the file fills, as whichever user.
    pub fills: Option<PathBuf>,
}

/// Files that were written; they go with it, and what was filled by their readers. Two that run beside
/// each other need the same file: each holds a lock on it, and the last one removes it.
#[derive(Debug, Default)]
pub struct Written(Vec<Held>);

#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
    fills: Option<PathBuf>,
}

impl Overlay {
    /// Whether it could be written, changing nothing.
    ///
    /// # Errors
    /// Why its folder takes no file.
    pub fn possible(&self) -> io::Result<()> {
        use rustix::fs::{Access, access};
        let mut above = self.path.ancestors().skip(1);
        let folder = above.find(|folder| folder.exists()).ok_or(io::ErrorKind::NotFound)?;
        Ok(access(folder, Access::WRITE_OK)?)
    }

    /// The file, where it stands there as it is to be, and stays until the lock is let go.
    fn there(&self) -> Option<File> {
        let file = File::open(&self.path).ok()?;
        // Waits for who is removing it now. A file system without locks has one user as a rule.
        let _ = flock(&file, FlockOperation::LockShared);
        let same = fs::read(&self.path).is_ok_and(|text| text == self.text.as_bytes());
        (same && is_at(&file, &self.path)).then_some(file)
    }
}

/// Whether the file still stands there: it may have been removed, or replaced by another.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let (own, there) = (file.metadata().map(number), fs::metadata(path).map(number));
    own.is_ok_and(|own| there.is_ok_and(|there| own == there))
}

impl Written {
    /// Writes it, in one step for whoever reads; also its folder, where it is missing.
    ///
    /// # Errors
    /// The folder takes no file (read-only, full, another owner).
    pub fn add(&mut self, overlay: &Overlay) -> io::Result<()> {
        let new = overlay.fills.as_ref().filter(|folder| !folder.exists());
        let file = held(overlay).inspect_err(|_| {
            // Nobody comes to fill it.
            if let Some(folder) = new {
                let _ = fs::remove_dir(folder);
            }
        })?;
        self.0.push(Held { path: overlay.path.clone(), file, fills: overlay.fills.clone() });
        Ok(())
    }
}

/// The file that stands there now, and the folder that is to be filled.
fn held(overlay: &Overlay) -> io::Result<File> {
    if let Some(folder) = &overlay.fills {
        open_to_all(folder)?;
    }
    if let Some(file) = overlay.there() {
        return Ok(file);
    }
    write(overlay)?;
    Ok(overlay.there().ok_or(io::ErrorKind::ResourceBusy)?)
}

/// A folder that everybody may fill, and nobody may take from others: the service may be started as
/// another user than this program.
fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match fs::set_permissions(folder, Permissions::from_mode(0o1777)) {
        // Another one that runs beside this one has made it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

fn write(overlay: &Overlay) -> io::Result<()> {
    // Of this process alone: another one may write the same file now.
    let new = overlay.path.with_extension(format!("knee-new-{}", std::process::id()));
    if let Some(folder) = overlay.path.parent() {
        fs::create_dir_all(folder)?;
    }
    let written = fs::write(&new, &overlay.text).and_then(|()| fs::rename(&new, &overlay.path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

impl Drop for Written {
    fn drop(&mut self) {
        for Held { path, file, fills } in &self.0 {
            let used = flock(file, FlockOperation::NonBlockingLockExclusive)
                == Err(rustix::io::Errno::WOULDBLOCK);
            if used || !is_at(file, path) {
                continue;
            }
            let _ = fs::remove_file(path);
            if let Some(folder) = fills {
                let _ = fs::remove_dir_all(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(folder: &Path, text: &str) -> Overlay {
        let fills = Some(folder.join("filled"));
        Overlay { path: folder.join("below/file"), text: text.into(), fills }
    }

    fn written(overlay: &Overlay) -> Written {
        let mut written = Written::default();
        written.add(overlay).unwrap();
        written
    }

    #[test]
    fn the_last_of_those_who_need_a_file_removes_it_and_what_was_filled() {
        let dir = tempfile::tempdir().unwrap();
        let one = overlay(dir.path(), "x");
        let filled = dir.path().join("filled");
        fs::create_dir(&filled).unwrap();
        fs::write(filled.join("7.json"), "{}").unwrap();
        let (first, second) = (written(&one), written(&one));
        drop(first);
        assert!(one.path.exists() && filled.exists(), "the second needs them");
        drop(second);
        assert!(!one.path.exists() && !filled.exists());
        assert_eq!(fs::read_dir(dir.path().join("below")).unwrap().count(), 0);
    }

    #[test]
    fn where_no_file_is_taken_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let one = overlay(dir.path(), "x");
        let filled = dir.path().join("filled");
        // A folder in the place of the file: it cannot be written, whoever asks.
        fs::create_dir_all(&one.path).unwrap();
        assert!(Written::default().add(&one).is_err());
        assert!(!filled.exists() && fs::read_dir(dir.path().join("below")).unwrap().count() == 1);
        fs::create_dir(&filled).unwrap();
        assert!(Written::default().add(&one).is_err() && filled.exists(), "it is another's");
    }

    #[test]
    fn what_a_killed_one_left_is_replaced_and_goes_and_anothers_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (overlay(dir.path(), "old"), overlay(dir.path(), "new"));
        write(&old).unwrap();
        drop(written(&old));
        assert!(!old.path.exists(), "left by one that was killed");
        let before = written(&old);
        let after = written(&new);
        drop(before);
        assert_eq!(fs::read_to_string(&new.path).unwrap(), "new", "it is the other's");
        drop(after);
        assert!(!new.path.exists());
    }
}
