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
pub mod seen;
mod size;
mod stop;
mod table;
mod watch;

pub use args::HELP;
use args::{Asked, Options};
use fill::{Means, Overlay, Written};
use log::say;
use size::Size;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use stop::Plan;
use table::Entry;

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
    let entries = match &options.processes {
        Some(file) => table::read(file),
        None => Ok(vec![Entry { command: options.command.clone(), ..Entry::default() }]),
    };
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(wrong) => {
            say(format_args!("{wrong}"));
            return exit::OWN;
        }
    };
    let mut written = Written::default();
    let (size, variables, told) = if options.keep {
        (None, vec![BTreeMap::new(); entries.len()], vec![])
    } else {
        let mut put =
            |file: &Overlay| if options.dry_run { file.possible() } else { written.add(file) };
        fill_all(options, &mut entries, &mut put)
    };
    if options.dry_run {
        return print(&told.iter().map(|line| format!("{line}\n")).collect::<String>());
    }
    told.iter().for_each(|line| say(format_args!("{line}")));
    let plan = Plan::within(options.stop_timeout, options.serve_for);
    let starts: Vec<init::Start> = entries.into_iter().zip(variables).collect();
    let watch = |started| watch::begin(&options.watch, size.as_ref(), started);
    init::run(&starts, plan, &options.passing, watch)
}

/// Fills in what each leaves open; the size that this rests on, the variables of each, and what is to be said.
fn fill_all(
    options: &Options,
    entries: &mut [Entry],
    put: &mut dyn FnMut(&Overlay) -> io::Result<()>,
) -> (Option<Size>, Vec<BTreeMap<String, String>>, Vec<String>) {
    let size = size::look_here();
    let mut told = size.told();
    told.extend(fill::files(options.dry_run));
    let mut means = Means {
        size: &size,
        sharing: entries.iter().map(|entry| fill::serving(&entry.command)).sum(),
        lock: lock::read(options.lock.as_deref(), &mut told),
        variable: &|name| std::env::var(name).ok(),
        watched: options.watch.every.is_some(),
        put,
    };
    let commands: Vec<&[OsString]> = entries.iter().map(|e| e.command.as_slice()).collect();
    told.extend(means.lock.take_if(|lock| !lock.is_for(&commands)).map(|lock| lock.foreign()));
    let mut variables = Vec::new();
    for entry in entries {
        let mut filled = fill::fill(&entry.command, &mut means);
        told.append(&mut filled.told);
        entry.command = filled.command;
        variables.push(filled.variables);
    }
    (Some(size), variables, told)
}

fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => exit::OWN,
    }
}
