//! The container's entrypoint, `knee run` and the small program `knee-run`.
//!
//! What lives here: the task's real size, an init, and a stop that loses no request. What never does: parsers of the user's files, an asynchronous
//! runtime, a panic: when a part of it fails the service goes on.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod args;
mod doctor;
mod exit;
mod init;
mod log;
mod recognise;
mod size;
mod stop;

use args::{Asked, Options};
use log::say;
use std::ffi::OsString;
use std::io::{self, Write};
use stop::Plan;

/// Does what these words, those behind the program's name, ask for; the exit code.
pub fn main(words: Vec<OsString>) -> u8 {
    match args::parse(words) {
        Ok(Asked::Help) => print(args::HELP),
        Ok(Asked::Version) => print(concat!("knee-run ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Asked::Doctor) => print(&doctor::report()),
        Ok(Asked::Run(options)) => run(&options),
        Err(wrong) => {
            say(format_args!("{wrong}"));
            exit::OWN
        }
    }
}

fn run(options: &Options) -> u8 {
    let seen = if options.keep { vec![] } else { size::look_here().told() };
    if options.dry_run {
        return print(&seen.iter().map(|line| format!("{line}\n")).collect::<String>());
    }
    seen.iter().for_each(|line| say(format_args!("{line}")));
    init::run(&options.command, &[], Plan::within(options.stop_timeout, options.serve_for))
}

fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => exit::OWN,
    }
}
