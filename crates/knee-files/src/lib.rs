//! Files in, a service with origins out; edits and patches. Never touches network or clock, starts nothing.

mod asked;
mod blueprint;
mod command;
pub mod config;
mod copies;
mod deployed;
mod discover;
mod error;
#[doc(hidden)]
pub mod formats;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hidden;
mod init;
mod launch;
mod located;
mod official;
mod patches;
mod plan;
mod production;
#[doc(hidden)]
pub mod program;
mod sources;
mod templates;
#[doc(hidden)]
pub mod text;
mod turn;
mod view;
mod walk;

pub use discover::{Discovery, Missing, Overrides, discover};
pub use error::FilesError;
pub use formats::FormatError;
pub use hidden::{assignments, has_password, lacks_values, without_values};
pub use init::init;
pub use launch::launch;
pub use patches::{Patch, patches};
pub use production::is_production;
pub use text::Position;
