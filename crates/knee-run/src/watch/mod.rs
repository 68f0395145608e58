//! Watching beside the service: samples, metrics, and trouble that comes, on a thread of its own.
//! When a part of it fails the service goes on, and a line says what is missing.

mod goroutines;
mod recycle;
mod rounds;
mod serve;

use crate::log::say;
use crate::size::Size;
use rounds::Rounds;
use serve::Page;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What these threads need: they call nothing deep.
const STACK: usize = 512 << 10;

/// How it is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Between two samples; None: not at all.
    pub every: Option<Duration>,
    /// Where Prometheus asks.
    pub metrics: Option<SocketAddr>,
    /// Whether metrics are written to standard output for CloudWatch.
    pub emf: bool,
    /// Whether workers that leak are replaced.
    pub recycle: bool,
}

/// Begins to watch what these processes are and start, until this process ends.
pub fn begin(options: &Options, size: Option<&Size>, started: Vec<i32>) {
    let Some(every) = options.every else { return };
    let page = Page::default();
    if let Some(at) = options.metrics {
        match serve::open(at) {
            Ok(listener) => {
                let page = page.clone();
                thread("knee-metrics", move || serve::serve(&listener, &page));
            }
            Err(error) => say(format_args!("no metrics at {at}: {error}: the service goes on")),
        }
    }
    let mut rounds = Rounds::new(every, options, size, started, page);
    thread("knee-watch", move || rounds.go_round());
}

fn thread(name: &str, act: impl FnOnce() + Send + 'static) {
    let guarded = || {
        if catch_unwind(AssertUnwindSafe(act)).is_err() {
            say(format_args!("watching has ended by a fault of its own: the service goes on"));
        }
    };
    let thread = std::thread::Builder::new().name(name.into()).stack_size(STACK);
    if let Err(error) = thread.spawn(guarded) {
        say(format_args!("no thread to watch with: {error}: the service goes on"));
    }
}
