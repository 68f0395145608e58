//! A correct init: it passes signals on, buries the dead and ends as its command ended.
//!
//! One thread that waits for signals and nothing else.

mod family;
mod signals;
mod spawn;

use crate::exit;
use crate::log::say;
use crate::stop::{self, Plan, Stop};
pub use family::{Family, is_shell, send};
use signals::Signals;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Runs the command to its end and returns the exit code.
pub fn run(command: &[OsString], variables: &BTreeMap<String, String>, plan: Plan) -> u8 {
    let signals = match Signals::hold() {
        Ok(signals) => signals,
        Err(error) => {
            say(format_args!("cannot wait for signals: {error}"));
            return exit::OWN;
        }
    };
    // SAFETY: a plain call. Before the command can leave anything behind.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    match spawn::spawn(command, variables, &signals) {
        Ok(started) => attend(&signals, Family::of(started), plan),
        Err(error) => {
            let name = command.first().map(|c| c.to_string_lossy()).unwrap_or_default();
            say(format_args!("{name}: cannot start it: {error}"));
            exit::not_started(&error)
        }
    }
}

fn attend(signals: &Signals, mut family: Family, plan: Plan) -> u8 {
    let mut stop: Option<Stop> = None;
    loop {
        let come = signals.wait(stop.as_ref().map(|_| stop::STEP));
        // Before the signals: one may be for whoever takes the place of a command that ended.
        family.reap();
        match (family.code(), &stop) {
            (Some(code), None) if !family.follow() => return code,
            (Some(code), Some(stop)) if family.members().is_empty() => {
                stop.tell(code);
                return code;
            }
            _ => {}
        }
        for signal in come {
            match (signal, &mut stop) {
                (libc::SIGCHLD, _) => {}
                (libc::SIGCONT, _) => family.resume(),
                (libc::SIGTERM | libc::SIGINT | libc::SIGQUIT, None) => {
                    stop = Some(Stop::begin(&family, signal, plan));
                }
                (libc::SIGTERM | libc::SIGINT | libc::SIGQUIT, Some(stop)) => {
                    stop.again(&family, signal);
                }
                _ => drop(family.forward(signal)),
            }
        }
        if let Some(stop) = &mut stop {
            stop.step(&family);
        }
    }
}
