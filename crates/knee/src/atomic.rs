//! Files written whole or not at all: a reader, or a crash, never sees half of one.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes a file by way of a temporary one beside it. An existing file keeps its mode and
/// owner, and a symbolic link stays one: what it points to is replaced.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let (mut file, path, before) = begin(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(before) = before {
        // The owner first: changing it clears the set-user-ID bits of the mode.
        fchown(file.as_file(), Some(before.uid()), Some(before.gid()))?;
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// Whether a file could be written now, for who works long before it has what to write.
pub fn check(path: &Path) -> io::Result<()> {
    begin(path).map(|_| ())
}

/// The temporary file, which goes when it is dropped, what it is to replace, and what that is now.
fn begin(path: &Path) -> io::Result<(NamedTempFile, PathBuf, Option<Metadata>)> {
    let path = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
        found => found?,
    };
    let before = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        found => Some(found?),
    };
    // What the umask leaves of 0666, as for any new file; nobody else sees a copy of an old one.
    let mode = Permissions::from_mode(if before.is_some() { 0o600 } else { 0o666 });
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = Builder::new()
        .prefix(".knee-")
        .permissions(mode)
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    Ok((file, path, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("start.sh"), folder.path().join("link"));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "after").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o750);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_new_file_is_as_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        write(&ours, "x").unwrap();
        fs::write(&theirs, "x").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&theirs));
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/where"), folder.path().into()] {
            assert!(write(&path, "x").is_err() && check(&path).is_err(), "{path:?}");
        }
        assert!(check(&folder.path().join("drawn.svg")).is_ok());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
