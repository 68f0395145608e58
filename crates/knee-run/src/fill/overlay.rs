//! Files that are written for the service's time: beside its own, never in their place.

use std::fs;
use std::io;
use std::path::PathBuf;

/// A file to be written.
#[derive(Debug, PartialEq)]
pub struct Overlay {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
}

/// Files that were written; they go with it.
#[derive(Debug, Default)]
pub struct Written(Vec<PathBuf>);

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
}

impl Written {
    /// Writes it, in one step for whoever reads; also its folder, where it is missing.
    ///
    /// # Errors
    /// The folder takes no file (read-only, full, another owner).
    pub fn add(&mut self, overlay: &Overlay) -> io::Result<()> {
        let new = overlay.path.with_extension("knee-new");
        if let Some(folder) = overlay.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let written = fs::write(&new, &overlay.text).and_then(|()| fs::rename(&new, &overlay.path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        self.0.push(overlay.path.clone());
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}
