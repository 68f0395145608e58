//! Exit codes: what a script learns from how knee ended. `knee explain exit-codes` shows them.

use std::process::ExitCode;

/// How knee ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and what was asked for holds.
    Satisfied = 0,
    /// Done, and it does not hold.
    Unsatisfied = 1,
    /// Something has to be changed before knee can begin.
    Refused = 2,
    /// There is no service to work on.
    Nothing = 3,
    /// Measured, and it says nothing for sure.
    Inconclusive = 4,
    /// knee's own fault.
    Fault = 70,
    /// SIGHUP: the terminal went away.
    HungUp = 129,
    /// SIGINT: Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// All of them, ascending.
    pub const ALL: [Exit; 9] = [
        Exit::Satisfied,
        Exit::Unsatisfied,
        Exit::Refused,
        Exit::Nothing,
        Exit::Inconclusive,
        Exit::Fault,
        Exit::HungUp,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Satisfied => "done and satisfied: a better setting was found, or the goal holds",
            Exit::Unsatisfied => {
                "done and not satisfied: the goal is missed, or nothing better was found"
            }
            Exit::Refused => "usage, configuration or a missing privilege: change it, then repeat",
            Exit::Nothing => "nothing to work on: no service was found, or it does not run",
            Exit::Inconclusive => "inconclusive: the measurement says why it cannot be believed",
            Exit::Fault => "a fault of knee itself: please report it",
            Exit::HungUp => "the terminal was closed; everything was undone",
            Exit::Interrupted => "Ctrl-C; everything was undone",
            Exit::Terminated => "SIGTERM; everything was undone",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
