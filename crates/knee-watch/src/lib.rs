//! Eyes on a running service: what it uses, what limits it now, what goes wrong.
//!
//! What lives here: looks at processes, sockets and cgroups, what runtimes say of themselves, and
//! verdicts over both. What never does: a change of what is watched, a thread, a parser of users'
//! files, an asynchronous runtime. Small, as the entrypoint carries it.

mod ears;
pub mod emf;
mod eyes;
mod find;
mod history;
pub mod metrics;
pub mod otlp;
pub mod prometheus;
pub mod recognise;
mod sample;
mod shape;
pub mod trend;
pub mod trouble;
mod unseen;
mod usage;
mod watched;

pub use ears::Ears;
pub use eyes::Eyes;
pub use find::{Found, Missing, Wanted, find};
pub use sample::{Busy, Sample, Trend, Unseen};
pub use watched::{Known, Watched, between_looks};

use std::path::PathBuf;

/// A runtime that says how it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The runtime's `id`.
    pub runtime: &'static str,
    /// Where it says so, on the host.
    pub place: Place,
}

/// Where a runtime's status comes from. `listen` is `host:port` or the absolute path of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A page over FastCGI.
    FastCgi {
        /// The socket, whose own accept queue is not counted: knee alone uses it.
        listen: String,
        /// The page.
        page: String,
    },
    /// A script over FastCGI, at marks and when usage is asked for only.
    Script {
        /// The socket, as above.
        listen: String,
        /// The script's path as the service sees it.
        script: String,
    },
    /// A page over HTTP, at marks and when usage is asked for only.
    Page(String),
    /// Files in a folder, one per process, each with its latest status.
    Folder(PathBuf),
    /// Lines of a log.
    Lines(PathBuf),
}

impl Source {
    /// Whether it answers at this socket, whose queue is then not the service's.
    fn is_at(&self, socket: &str) -> bool {
        match &self.place {
            Place::FastCgi { listen, .. } | Place::Script { listen, .. } => {
                listen.ends_with(socket)
            }
            Place::Page(_) | Place::Folder(_) | Place::Lines(_) => false,
        }
    }
}
