//! A folder in which each process of a runtime keeps a file with its latest status.

use crate::ProbeError;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A status is smaller; more is not read.
const STATUS: u64 = 64 << 10;

/// Such a folder, with what was seen of it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    seen: HashMap<String, (SystemTime, u64)>,
}

impl Folder {
    /// The folder need not be there yet.
    pub fn new(path: PathBuf) -> Folder {
        Folder { path, seen: HashMap::new() }
    }

    /// The `*.json` files that changed since the last look: name without ending, and content. A
    /// process that ended leaves a file that does not change any more.
    ///
    /// # Errors
    /// The folder cannot be read; a single file that cannot is left out.
    pub fn changed(&mut self) -> Result<Vec<(String, Vec<u8>)>, ProbeError> {
        let entries = fs::read_dir(&self.path).map_err(ProbeError::read(&self.path))?;
        let mut changed = Vec::new();
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some(name) = file.to_str().and_then(|f| f.strip_suffix(".json")) else { continue };
            // Of the entry itself, not of what a link points to: nothing else is opened.
            let Some(state) = entry.metadata().ok().filter(Metadata::is_file).and_then(state)
            else {
                continue;
            };
            if self.seen.get(name) == Some(&state) {
                continue;
            }
            if let Some(content) = read(&entry.path()) {
                self.seen.insert(name.into(), state);
                changed.push((name.into(), content));
            }
        }
        Ok(changed)
    }
}

/// A file that is replaced by another has another number or time.
fn state(metadata: Metadata) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.modified().ok()?, metadata.ino()))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path).ok()?.take(STATUS).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_status_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let part = dir.path().join("part");
            fs::write(&part, text).unwrap();
            fs::rename(part, dir.path().join(name)).unwrap();
        };
        let mut folder = Folder::new(dir.path().into());
        assert!(folder.changed().unwrap().is_empty());
        put("7.json", "{}");
        put("8.json.part", "{");
        fs::create_dir(dir.path().join("9.json")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("10.json")).unwrap();
        assert_eq!(folder.changed().unwrap(), [("7".to_string(), b"{}".to_vec())]);
        assert!(folder.changed().unwrap().is_empty());
        put("7.json", "{1}");
        assert_eq!(folder.changed().unwrap(), [("7".to_string(), b"{1}".to_vec())]);
        let mut absent = Folder::new(dir.path().join("absent"));
        assert!(absent.changed().unwrap_err().is_absent());
    }
}
