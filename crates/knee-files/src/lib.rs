//! Files in, a service with origins out; edits and patches. Never touches network or clock, starts nothing.

#![allow(dead_code)] // until `discover` stands on the readers
pub mod config;
mod discover;
mod error;
mod formats;
mod init;
mod launch;
mod patches;
mod program;
mod text;

pub use discover::{Discovery, Missing, Overrides, discover};
pub use error::FilesError;
pub use formats::FormatError;
pub use init::init;
pub use launch::launch;
pub use patches::{Patch, patches};
pub use text::Position;
