//! Files in, a service with origins out; edits and patches. Never touches network or clock, starts nothing.

mod blueprint;
mod command;
pub mod config;
mod copies;
mod discover;
mod error;
mod formats;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hidden;
mod init;
mod launch;
mod located;
mod official;
mod patches;
mod plan;
mod program;
mod sources;
mod text;
mod turn;
mod view;

pub use discover::{Discovery, Missing, Overrides, discover};
pub use error::FilesError;
pub use formats::FormatError;
pub use init::init;
pub use launch::launch;
pub use patches::{Patch, patches};
pub use text::Position;
