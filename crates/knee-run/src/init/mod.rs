//! A correct init: it passes signals on, buries the dead and ends as its command ended.
//!
//! One thread that waits for signals and nothing else.

mod family;
mod signals;
mod spawn;

use crate::exit;
use crate::log::say;
use family::Family;
use signals::Signals;
use std::ffi::OsString;

/// Runs the command to its end and returns the exit code.
pub fn run(command: &[OsString], variables: &[(String, String)]) -> u8 {
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
        Ok(started) => attend(&signals, Family::of(started)),
        Err(error) => {
            let name = command.first().map(|c| c.to_string_lossy()).unwrap_or_default();
            say(format_args!("{name}: cannot start it: {error}"));
            exit::not_started(&error)
        }
    }
}

fn attend(signals: &Signals, mut family: Family) -> u8 {
    loop {
        let come = signals.wait(None);
        // Before the signals: one may be for whoever takes the place of a command that ended.
        family.reap();
        if let Some(code) = family.code()
            && !family.follow()
        {
            return code;
        }
        for signal in come {
            match signal {
                libc::SIGCHLD => {}
                libc::SIGCONT => family.resume(),
                other => family.forward(other),
            }
        }
    }
}
