//! Settings as edits of the user's own files.

use crate::error::FilesError;
use knee_core::service::Service;
use knee_core::settings::Settings;
use std::path::PathBuf;

/// A change of one file of the user's. Nothing is written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The file, relative to the service's root.
    pub path: PathBuf,
    /// What it says.
    pub before: String,
    /// What it would say.
    pub after: String,
}

impl Patch {
    /// The change as a unified diff, as `git diff` prints it and `patch -p1` reads it.
    pub fn diff(&self) -> String {
        let name = self.path.display();
        similar::TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .header(&format!("a/{name}"), &format!("b/{name}"))
            .to_string()
    }
}

/// The edits that turn the service's knobs to these settings; none where they are today's. A
/// knob whose place is in no file of the user's is left out.
///
/// # Errors
/// A knob that the service does not have; a file that cannot be read any more or in which a
/// setting cannot be written.
pub fn patches(service: &Service, settings: &Settings) -> Result<Vec<Patch>, FilesError> {
    todo!("{service:?} {settings:?}")
}
