//! Files in, a service with origins out; edits and patches. Never touches network or clock, starts nothing.

#![allow(dead_code)] // until `discover` stands on the readers
mod error;
mod formats;
mod program;
mod text;

pub use error::FilesError;
pub use formats::FormatError;
pub use text::Position;
