//! The container's entrypoint, `knee run` and the small program `knee-run`.
//!
//! What lives here: the task's real size, what was left open filled in from it, an
//! init, and a stop that loses no request. What never does: parsers of the user's files, an asynchronous
//! runtime, a panic: when a part of it fails the service goes on.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod args;
mod doctor;
mod exit;
mod fill;
mod init;
mod lock;
mod log;
mod recognise;
mod size;
mod stop;

pub use args::HELP;
use args::{Asked, Options};
use fill::{Filled, Means, Overlay, Written};
use log::say;
use std::ffi::OsString;
use std::io::{self, Write};
use stop::Plan;

/// Does what these words, those behind the program's name, ask for; the exit code.
pub fn main(words: Vec<OsString>) -> u8 {
    match args::parse(words) {
        Ok(Asked::Help) => print(HELP),
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
    let mut written = Written::default();
    let mut filled = Filled { command: options.command.clone(), ..Filled::default() };
    let mut told = Vec::new();
    if !options.keep {
        let size = size::look_here();
        told = size.told();
        told.extend(fill::files(options.dry_run));
        let mut put = |file: &Overlay| {
            if options.dry_run { file.possible() } else { written.add(file) }
        };
        let mut means = Means {
            size: &size,
            lock: lock::read(options.lock.as_deref(), &mut told),
            variable: &|name| std::env::var(name).ok(),
            put: &mut put,
        };
        filled = fill::fill(&options.command, &mut means);
        told.append(&mut filled.told);
    }
    if options.dry_run {
        return print(&told.iter().map(|line| format!("{line}\n")).collect::<String>());
    }
    told.iter().for_each(|line| say(format_args!("{line}")));
    let plan = Plan::within(options.stop_timeout, options.serve_for);
    init::run(&filled.command, &filled.variables, plan)
}

fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => exit::OWN,
    }
}
