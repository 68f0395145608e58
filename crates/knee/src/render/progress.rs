//! What is being done, on one line of standard error that is gone when it is over.

use crate::render::words;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use knee_core::Seconds;
use knee_core::observe::Step;
use std::time::Duration;

/// A line that moves; silent where standard error is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins to show what is being done.
    pub fn begin(what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}");
        bar.set_style(style.expect("the template is well formed"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar }
    }

    /// Says what is being done now, counting time anew.
    pub fn now(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
        self.bar.reset_elapsed();
    }

    /// Writes to the terminal without tearing the line.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `80.0/s missed, p99 312 ms`: what a step showed.
pub fn seen(step: &Step) -> String {
    let outcome = words::outcome(step.outcome);
    format!("{}/s {outcome}, p99 {}", words::rate(step.offered), Seconds(step.latency.p99))
}
