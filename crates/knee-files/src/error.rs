//! What can go wrong while files are read or edited.

use crate::config::Mistakes;
use crate::formats::FormatError;
use knee_core::task::TaskError;
use std::path::PathBuf;

/// Files that cannot be read, understood or edited.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file system refused.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Not the format that its name says.
    #[error("{}:{error}", .path.display())]
    Format {
        /// Path as the user would type it from the service's folder.
        path: PathBuf,
        /// Where and what.
        #[source]
        error: FormatError,
    },
    /// A knee.toml with mistakes, a line for each.
    #[error("{}", .mistakes.of(.path.display()))]
    Config {
        /// Path as the user would type it from the service's folder.
        path: PathBuf,
        /// Where and what.
        #[source]
        mistakes: Mistakes,
    },
    /// A task size that Fargate does not offer.
    #[error("{origin}: {error}")]
    Task {
        /// Who asked for it.
        origin: String,
        /// The nearest sizes that exist.
        #[source]
        error: TaskError,
    },
    /// A value on knee's own command line.
    #[error("{flag}: {problem}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A setting that cannot be written where it has to stand.
    #[error("{knob}: cannot be written in {}: {problem}", .path.display())]
    Unwritable {
        /// The knob.
        knob: String,
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// A knob that this service does not have.
    #[error("{knob}: no such knob here; there are {known}")]
    UnknownKnob {
        /// As asked for.
        knob: String,
        /// Those that exist.
        known: String,
    },
    /// A file that is no longer what a patch was made for.
    #[error("{}: changed since the patch was made; nothing was written. Run `knee tune` again, or undo the change", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl FilesError {
    /// An error of the file system at that path.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> FilesError {
        let path = path.into();
        |error| FilesError::Io { path, error }
    }

    /// An error of format in that file.
    pub(crate) fn format(path: impl Into<PathBuf>) -> impl FnOnce(FormatError) -> FilesError {
        let path = path.into();
        |error| FilesError::Format { path, error }
    }
}
