//! A correct init: it passes signals on, buries the dead and ends as its command ended.
//!
//! One thread that waits for signals and nothing else; whoever watches has others.

mod family;
mod passing;
mod signals;
mod spawn;

use crate::exit;
use crate::log::say;
use crate::stop::{self, Plan, Stop};
use crate::table::Entry;
pub use family::{Family, is_shell, right, send};
use knee_probe::{process, sockets};
pub use passing::Passing;
use signals::Signals;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the next process waits for one that is to listen.
const READY: Duration = Duration::from_secs(30);
/// Between two looks whether it does.
const LOOK: Duration = Duration::from_millis(20);

/// What is started, with the variables that it gets beside the inherited ones.
pub type Start = (Entry, BTreeMap<String, String>);

/// Runs these, in their order, to their end and returns the exit code. `watch` gets their processes
/// once they are started.
pub fn run(starts: &[Start], plan: Plan, passing: &Passing, watch: impl FnOnce(Vec<i32>)) -> u8 {
    let signals = match Signals::hold() {
        Ok(signals) => signals,
        Err(error) => {
            say(format_args!("cannot wait for signals: {error}"));
            return exit::OWN;
        }
    };
    // SAFETY: a plain call. Before the command can leave anything behind.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    let mut come = Vec::new();
    match start(starts, &signals, passing, &mut come) {
        Ok(family) => {
            // Behind the last fork, and with every signal held back: they are for one thread.
            watch(family.started());
            attend(&signals, family, plan, come)
        }
        Err(code) => code,
    }
}

/// Starts one after the other; a stop signal that comes meanwhile ends that.
fn start(
    starts: &[Start],
    signals: &Signals,
    passing: &Passing,
    come: &mut Vec<i32>,
) -> Result<Family, u8> {
    let mut family: Option<Family> = None;
    for (entry, variables) in starts {
        let started = match (spawn::spawn(&entry.command, variables, signals), &mut family) {
            (Ok(started), _) => started,
            (Err(error), family) => {
                let name = entry.command.first().map(|c| c.to_string_lossy()).unwrap_or_default();
                say(format_args!("{name}: cannot start it: {error}"));
                let code = exit::not_started(&error);
                let Some(family) = family else { return Err(code) };
                if entry.optional {
                    continue;
                }
                family.fail(code);
                break;
            }
        };
        let pid = started.pid;
        let family = match &mut family {
            Some(family) => {
                family.add(entry, started);
                family
            }
            none => none.insert(Family::of(started, starts.len() == 1, passing)),
        };
        if entry.listens && !listens(family, pid, signals, come) {
            say(format_args!("{} does not listen: the next one starts nevertheless", entry.name));
        }
        if family.code().is_some() || come.iter().any(|signal| family.stops(*signal)) {
            break;
        }
    }
    family.ok_or(exit::OWN)
}

/// Waits until a process or one below it listens; until then signals are kept.
fn listens(family: &mut Family, pid: i32, signals: &Signals, come: &mut Vec<i32>) -> bool {
    let until = Instant::now() + READY;
    while Instant::now() < until {
        let held = sockets::inodes(&process::with_descendants(&[pid]));
        if sockets::listening().iter().any(|listener| held.contains(&listener.inode)) {
            return true;
        }
        for signal in signals.wait(Some(LOOK)) {
            // One of a kind stands for all, as the kernel has it while a signal waits; children are reaped here.
            if signal != libc::SIGCHLD && !come.contains(&signal) {
                come.push(signal);
            }
        }
        family.reap();
        if family.code().is_some() || come.iter().any(|signal| family.stops(*signal)) {
            return true;
        }
    }
    false
}

fn attend(signals: &Signals, mut family: Family, plan: Plan, mut come: Vec<i32>) -> u8 {
    let mut stop: Option<Stop> = None;
    loop {
        if come.is_empty() && (family.code().is_none() || stop.is_some()) {
            come = signals.wait(stop.as_ref().map(|_| stop::STEP));
        }
        // Before the signals: one may be for whoever takes the place of a command that ended.
        family.reap();
        match (family.code(), &stop) {
            (Some(code), None) if family.is_one() && !family.follow() => {
                // What it left behind is not awaited, as a container ends with its command.
                family.members().into_iter().for_each(|pid| send(pid, libc::SIGTERM));
                return code;
            }
            (Some(_), None) if !family.is_one() => {
                stop = Some(Stop::at_once(&family, plan));
            }
            (Some(code), Some(stop)) if family.members().is_empty() => {
                stop.tell(code);
                return code;
            }
            _ => {}
        }
        for signal in std::mem::take(&mut come) {
            match (signal, &mut stop) {
                (libc::SIGCHLD, _) => {}
                (signal, _) if family.rewritten(signal) == Some(0) => {}
                (libc::SIGCONT, _) if family.rewritten(signal).is_none() => family.resume(),
                (signal, None) if family.stops(signal) => {
                    family.end();
                    stop = Some(Stop::begin(&family, signal, plan));
                }
                (signal, Some(stop)) if family.stops(signal) => stop.again(&family, signal),
                _ => family.forward(signal),
            }
        }
        if let Some(stop) = &mut stop {
            stop.step(&family);
        }
    }
}
