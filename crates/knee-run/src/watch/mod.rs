//! Watching beside the service: samples, metrics, and trouble that comes, on a thread of its own.
//! When a part of it fails the service goes on, and a line says what is missing.

mod otlp;
mod recycle;
mod rounds;
mod serve;

use crate::log::say;
use crate::size::Size;
pub use otlp::Collector;
use otlp::{Exporter, Outbox};
use rounds::Rounds;
use serve::Page;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

/// What these threads need: they call nothing deep.
const STACK: usize = 512 << 10;

/// How it is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Between two samples; None: not at all.
    pub every: Option<Duration>,
    /// Where Prometheus asks.
    pub metrics: Option<SocketAddr>,
    /// The OpenTelemetry collector that gets them.
    pub collector: Option<Collector>,
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
    let outbox = options.collector.clone().map(|collector| {
        let outbox = Outbox::default();
        let sent = outbox.clone();
        thread("knee-otlp", move || sent.deliver(&collector));
        outbox
    });
    let (options, size) = (options.clone(), size.cloned());
    thread("knee-watch", move || {
        let documents = size.as_ref().map(|size| size.documents.clone());
        let exporter = outbox.map(|outbox| Exporter::new(outbox, documents));
        Rounds::new(every, &options, size.as_ref(), started, page, exporter).go_round();
    });
}

/// Nanoseconds since 1970.
fn nanos() -> u64 {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
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
