//! The running trial on one line of standard error, gone when it is over.

use crate::render::words;
use crate::run::Run;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use knee_core::Seconds;
use knee_core::event::Event;
use knee_core::observe::Step;
use std::time::Duration;

/// A line that moves; silent where standard error is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    run: Run,
}

impl Progress {
    /// Begins to show what is being done.
    pub fn begin(what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}");
        bar.set_style(style.expect("the template is well formed"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar, run: Run::default() }
    }

    /// Says what is being done now, counting time anew.
    pub fn now(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
        self.bar.reset_elapsed();
    }

    /// Takes in what happened earlier.
    pub fn note(&mut self, event: &Event) {
        self.run.take(event);
    }

    /// Follows a run.
    pub fn on(&mut self, event: &Event) {
        self.run.take(event);
        match event {
            Event::Trying { .. } if self.run.calibrated.is_none() => {
                self.now("starting the service and calibrating");
            }
            Event::Calibrated { .. } => self.now("trial 1: today's settings"),
            Event::Trying { number, settings, .. } => {
                let today = self.run.baseline().map(|trial| &trial.settings);
                self.now(format!("trial {number}: {}", words::changes(settings, today)));
            }
            Event::Stepped { number, step } => {
                let steps = self.run.trying.as_ref().map_or(0, |trying| trying.steps.len());
                self.bar.set_message(format!("trial {number}, step {steps}: {}", seen(step)));
            }
            // The next trial, if there is one, begins at once.
            Event::Tried(_) => self.now("confirming the best against today's settings"),
            Event::Paired { number, of, .. } if number < of => {
                self.now(format!("confirming: pair {} of at most {of}", number + 1));
            }
            Event::Started(_) | Event::Paired { .. } => {}
            Event::Ended(_) => self.bar.finish_and_clear(),
        }
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
