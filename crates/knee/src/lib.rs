//! The door: command line, configuration, rendering.
//!
//! What lives here: verbs that ask the libraries, and renderers of what they answer. What never
//! does: knowledge of a runtime, of load, of cgroups or of statistics.

mod asked;
mod atomic;
mod audit;
mod cli;
mod conduct;
mod crash;
mod exit;
mod failure;
mod kept;
mod out;
mod pace;
mod plan;
mod render;
pub mod report;
mod run;
mod screen;
mod served;
mod signals;
mod terms;
mod url;
mod verbs;
mod watch;

use clap::Parser;
use std::process::ExitCode;

/// Does what the command line says.
pub fn main() -> ExitCode {
    crash::explain_panics();
    crash::guard(|| cli::Cli::parse().run()).into()
}
