//! Where a running program spends its CPU, asked of its runtime from outside.
//!
//! What lives here: Node.js's inspector, Go's net/http/pprof, and readers of what both answer. What
//! never does: drawing, a change that stays. The entrypoint does not carry this: it needs web sockets and
//! compression, and knee-run has to stay small.

mod error;
pub mod go;
mod http;
mod inspector;
pub mod node;
mod pprof;
mod tree;
mod v8;

pub use error::ProfileError;
pub use tree::{Busy, Call, Frame, Origin, Tree};

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What was seen of a process.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The calls that were seen on its stack, with the CPU time of each.
    pub tree: Tree,
    /// How long it was looked at, seconds.
    pub seconds: f64,
    /// Whether what is not in the tree is time in which its one event loop waited.
    pub one_thread: bool,
    /// What is to be known beside it: what was opened and stayed open.
    pub notes: Vec<String>,
}

/// Between two looks whether somebody asks to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// Waits; false when somebody asked to stop.
fn wait(length: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + length;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.load(Ordering::Relaxed) {
            return !stop.load(Ordering::Relaxed);
        }
        std::thread::sleep(left.min(GLANCE));
    }
}

/// The readers of what other programs answer, for `make fuzz`.
#[cfg(fuzzing)]
pub mod fuzz {
    /// A profile as V8 writes it.
    pub fn v8(bytes: &[u8]) {
        let _ = crate::v8::read(bytes);
    }

    /// A profile as Go writes it, packed or not.
    pub fn pprof(bytes: &[u8]) {
        let _ = (crate::pprof::read(bytes), crate::pprof::decode(bytes));
    }
}
