//! Why there is no profile. What to do about it, the door says.

use std::time::Duration;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It may not be asked.
    #[error("process {pid} belongs to another user")]
    Foreign {
        /// The process.
        pid: i32,
    },
    /// Its 127.0.0.1 is another one.
    #[error(
        "process {pid} lives in another network namespace, where its inspector cannot be reached"
    )]
    Network {
        /// The process.
        pid: i32,
    },
    /// It has ended, perhaps meanwhile.
    #[error("process {pid} has ended")]
    Ended {
        /// The process.
        pid: i32,
    },
    /// The signal would end it.
    #[error("process {pid} opens no inspector: it does not listen to SIGUSR1, which would end it")]
    Deaf {
        /// The process.
        pid: i32,
    },
    /// Somebody else has the inspector's port.
    #[error("port {port}, where process {pid} would open its inspector, is taken{by}")]
    Taken {
        /// The process.
        pid: i32,
        /// The port.
        port: u16,
        /// ` by NAME (pid N)`, where that can be seen.
        by: String,
    },
    /// It did not open the inspector.
    #[error("process {pid} has not opened its inspector within {waited:?}")]
    Silent {
        /// The process.
        pid: i32,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The inspector answered otherwise than it should.
    #[error("the inspector of process {pid}: {problem}")]
    Inspector {
        /// The process.
        pid: i32,
        /// What happened.
        problem: String,
    },
    /// Nobody serves net/http/pprof for it.
    #[error("process {pid} does not serve net/http/pprof{asked}")]
    NoPprof {
        /// The process.
        pid: i32,
        /// ` (asked at ADDRESS, ADDRESS)`.
        asked: String,
    },
    /// pprof answered, but with no profile.
    #[error("pprof at {at}: {problem}")]
    Pprof {
        /// Its address.
        at: String,
        /// What happened.
        problem: String,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}
