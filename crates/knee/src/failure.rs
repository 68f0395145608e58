//! Why a verb ended without a result, and what to do about it.
//!
//! Libraries say what is wrong; the remedy and the exit code are added here.

use crate::exit::Exit;
use anstyle::{AnsiColor, Style};
use knee_files::FilesError;
use knee_measure::MeasureError;
use knee_tune::journal::JournalError;
use knee_tune::lab::LabError;
use knee_tune::tune::TuneError;
use std::io;

/// No result.
#[derive(Debug)]
pub enum Failure {
    /// Something to tell the user.
    Said {
        /// How knee ends.
        exit: Exit,
        /// What is wrong.
        what: String,
        /// What to do, where the error itself does not say.
        remedy: Option<String>,
    },
    /// Nobody reads standard output any more (`knee … | head`): not an error, and no more work.
    Closed,
}

impl Failure {
    /// A failure in words.
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure::Said { exit, what: what.into(), remedy: None }
    }

    /// The same with what to do about it.
    pub fn remedy(self, text: impl Into<String>) -> Failure {
        match self {
            Failure::Said { exit, what, .. } => {
                Failure::Said { exit, what, remedy: Some(text.into()) }
            }
            Failure::Closed => Failure::Closed,
        }
    }

    /// Tells it on standard error and says how knee ends.
    pub fn report(&self) -> Exit {
        let Failure::Said { exit, what, remedy } = self else { return Exit::Satisfied };
        let (error, help) = (AnsiColor::Red.on_default().bold(), Style::new().bold());
        // `write!` instead of `eprintln!`: standard error may be closed as well.
        let mut err = anstream::stderr();
        let _ = io::Write::write_fmt(&mut err, format_args!("{error}error{error:#}: {what}\n"));
        if let Some(remedy) = remedy {
            let _ = io::Write::write_fmt(&mut err, format_args!("{help}help{help:#}: {remedy}\n"));
        }
        *exit
    }
}

/// Standard output could not be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::new(Exit::Refused, format!("standard output: {error}")),
        }
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Failure {
        Failure::new(Exit::Refused, error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        let exit = match error {
            JournalError::NoRun { .. } => Exit::Nothing,
            JournalError::Io { .. } | JournalError::Broken { .. } => Exit::Refused,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Failure {
        let remedy = match &error {
            MeasureError::NotLoopback(at) => Some(format!(
                "load harms whoever does not expect it; if it is yours, add --allow-host {}",
                at.ip()
            )),
            _ => None,
        };
        let failure = Failure::new(Exit::Refused, error.to_string());
        match remedy {
            Some(remedy) => failure.remedy(remedy),
            None => failure,
        }
    }
}

impl From<TuneError> for Failure {
    fn from(error: TuneError) -> Failure {
        match error {
            TuneError::Files(error) => error.into(),
            TuneError::Measure(error) => error.into(),
            TuneError::Lab(error) => error.into(),
            TuneError::Calibration { ref doubts, .. } if !doubts.is_empty() => starved(&error),
            TuneError::Starved | TuneError::Crowded { .. } => starved(&error),
            TuneError::Calibration { .. } | TuneError::Unanswered { .. } => {
                Failure::new(Exit::Nothing, error.to_string()).remedy(
                    "name requests that the service answers below 400: --request 'GET /path', or \
                     [[request]] in knee.toml with their headers and bodies",
                )
            }
            TuneError::BeyondGenerator { .. } => {
                Failure::new(Exit::Inconclusive, error.to_string())
                    .remedy("ask for the share of the load that one task has to carry: --goal 'p99<250ms,rate>=200'")
            }
            TuneError::Probe(error) => Failure::new(Exit::Refused, error.to_string()),
            TuneError::Interrupted => Failure::new(Exit::Interrupted, error.to_string()),
        }
    }
}

/// The host kept knee from measuring: nothing is known of the service.
fn starved(error: &TuneError) -> Failure {
    Failure::new(Exit::Inconclusive, error.to_string())
        .remedy("end what else runs on this host, then repeat")
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Failure {
        let exit = match error {
            LabError::Unprivileged { .. }
            | LabError::Cgroup { .. }
            | LabError::File { .. }
            | LabError::Confine { .. } => Exit::Refused,
            LabError::Stopped => Exit::Interrupted,
            // The service does not run.
            LabError::Start { .. }
            | LabError::Launch { .. }
            | LabError::Exited { .. }
            | LabError::OutOfMemory { .. }
            | LabError::ForkedAway { .. }
            | LabError::NeverReady { .. }
            | LabError::BadAnswer { .. }
            | LabError::PortTaken { .. } => Exit::Nothing,
        };
        let failure = Failure::new(exit, error.to_string());
        match &error {
            // Most of what starts elsewhere and not here lacks one of these.
            LabError::Exited { .. } => failure.remedy(
                "what its image installs or makes (RUN) has to be here, too; what it needs of its \
                 environment it gets from knee's by --env NAME, or from a file by --env-file .env; a \
                 database or another service that it waits for has to run here",
            ),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_tune::calibrate::CalibrationError;
    use knee_tune::lab::Tail;

    /// How knee ends when nothing came back, under these doubts.
    fn unanswered(doubts: &[&str]) -> (Exit, String) {
        let error =
            CalibrationError::NoAnswer { sent: 9, rate: 5.0, failures: "9 timed out".into() };
        let doubts = doubts.iter().map(ToString::to_string).collect();
        let error = TuneError::Calibration { error, doubts, log: Tail::default() };
        let Failure::Said { exit, what, .. } = error.into() else { panic!("nothing said") };
        (exit, what)
    }

    #[test]
    fn a_starved_host_is_no_fault_of_the_service() {
        assert_eq!(unanswered(&[]).0, Exit::Nothing);
        let (exit, what) = unanswered(&["other programs used 1.8 of this host's 2 CPUs"]);
        assert_eq!(exit, Exit::Inconclusive);
        assert!(
            what.contains("9 timed out; other programs used 1.8 of this host's 2 CPUs"),
            "{what}"
        );
        let waited = std::time::Duration::from_secs(60);
        let late = || LabError::NeverReady { waited, seen: "nothing".into(), log: Tail::default() };
        let crowded = TuneError::Crowded { error: late(), doubt: "others used all".into() };
        for (error, expected) in [
            (TuneError::Starved, Exit::Inconclusive),
            (crowded, Exit::Inconclusive),
            (TuneError::Lab(late()), Exit::Nothing),
        ] {
            let Failure::Said { exit, .. } = error.into() else { panic!("nothing said") };
            assert_eq!(exit, expected);
        }
    }
}
