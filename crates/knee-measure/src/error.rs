//! What can go wrong before or while load is made. What the *service* does wrong is no
//! error: it is counted in a step.

use knee_core::workload::RequestError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Load could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The target is not on this machine and was not allowed by name.
    #[error("{0} is not a loopback address; allow its host by name to send load to it")]
    NotLoopback(SocketAddr),
    /// There is nothing to send.
    #[error("no request to send; name at least one path with a weight above 0")]
    NoRequest,
    /// A request that no HTTP/1.1 message can carry. Header values are never named.
    #[error("request {path}: {source}")]
    Request {
        /// Its path.
        path: String,
        /// What is wrong, and the remedy.
        source: RequestError,
    },
    /// A file with a body could not be read.
    #[error("body {}: {source}", path.display())]
    Body {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A rate or a length of time that is no positive number.
    #[error("pace: {0}")]
    Pace(String),
    /// The kernel refused what the generator itself needs.
    #[error("the load generator cannot {doing}: {source}")]
    System {
        /// What it tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Asked to stop from outside.
    #[error("stopped")]
    Stopped,
}

impl MeasureError {
    /// Turns the kernel's refusal into an error that says what was tried.
    pub(crate) fn system<E: Into<io::Error>>(doing: &'static str) -> impl Fn(E) -> MeasureError {
        move |source| MeasureError::System { doing, source: source.into() }
    }
}
