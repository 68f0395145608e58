//! A run as plain lines, each of which says everything about one thing: for logs and pipes.

use crate::render::figures::Figures;
use crate::render::words;
use crate::run::Run;
use knee_core::event::{Event, Fact, Started, Trial, Verdict};
use knee_core::observe::{Bound, Calibration, Validity};
use std::fmt::Write;

/// The renderer with what it has seen.
#[derive(Debug, Default)]
pub struct Plain {
    run: Run,
}

impl Plain {
    /// The lines that an event adds; empty for what only a progress bar shows.
    pub fn on(&mut self, event: &Event) -> String {
        self.run.take(event);
        let mut text = String::new();
        match event {
            Event::Started(started) => text += &start(started),
            Event::Calibrated { calibration, bound } => text += &calibrated(calibration, bound),
            Event::Trying { number, settings, because, .. } => {
                let what = words::changes(settings, self.today());
                let _ = writeln!(text, "trial {number}: trying {what}: {because}");
            }
            Event::Stepped { .. } => {}
            Event::Tried(trial) => text += &self.tried(trial),
            Event::Paired { number, of, baseline, best, .. } => {
                let (today, best) = (words::rate(*baseline), words::rate(*best));
                let _ = writeln!(
                    text,
                    "pair {number} of at most {of}: today {today}/s, winner {best}/s"
                );
            }
            Event::Ended(verdict) => text += &self.ended(verdict),
        }
        text
    }

    /// The lines of a run that happened earlier.
    pub fn replay(&mut self, events: &[Event]) -> String {
        events.iter().map(|event| self.on(event)).collect()
    }

    fn today(&self) -> Option<&knee_core::Settings> {
        self.run.baseline().map(|trial| &trial.settings)
    }

    fn tried(&self, trial: &Trial) -> String {
        let what = words::changes(&trial.settings, self.today());
        let figures = Figures::of(trial);
        if let Some(why) = &trial.rejected {
            return format!("trial {}: {what}: rejected: {why}\n", trial.number);
        }
        format!(
            "trial {}: {what}: {}, p50 {}, p99 {}, {} vCPU, {}; gave out: {} ({})\n",
            trial.number,
            figures.capacity,
            figures.p50,
            figures.p99,
            figures.cpu,
            figures.memory,
            figures.gave_out,
            figures.evidence,
        )
    }

    fn ended(&self, verdict: &Verdict) -> String {
        let mut text = String::new();
        for sentence in words::verdict(&self.run) {
            let _ = writeln!(text, "verdict: {sentence}");
        }
        text += &validity(&verdict.validity);
        for patch in &verdict.patches {
            let _ = writeln!(text, "proposed for {}:\n{}", patch.path, patch.diff.trim_end());
        }
        text
    }
}

/// A line per thing that was read.
pub fn facts(facts: &[Fact]) -> String {
    facts.iter().map(|fact| format!("read {}: {}\n", fact.what, fact.value)).collect()
}

fn start(started: &Started) -> String {
    let mut text = format!("knee {} tunes {}\n", started.knee, started.service);
    text += &facts(&started.facts);
    for knob in &started.knobs {
        let unit = if knob.unit.is_empty() { String::new() } else { format!(" {}", knob.unit) };
        let _ = writeln!(text, "knob {}: {}, within {}{unit}", knob.name, knob.current, knob.range);
    }
    let machine = &started.machine;
    let memory = knee_core::Bytes(machine.memory);
    let _ = writeln!(
        text,
        "machine: {}, {} CPUs, {memory}, Linux {}",
        machine.cpu, machine.cpus, machine.kernel
    );
    let _ = writeln!(text, "laboratory: {}", started.confinement);
    text + &validity(&started.validity)
}

fn calibrated(calibration: &Calibration, bound: &Bound) -> String {
    format!(
        "calibrated at {} requests/s: {} of CPU and {} of waiting per request; {} per worker, {} shared\n\
         bound: {} requests/s under any settings that take as much CPU a request, more where load makes it less: {}\n",
        words::rate(calibration.rate),
        calibration.cpu,
        calibration.wait,
        calibration.per_worker,
        calibration.shared,
        words::rate(bound.rate),
        bound.resource
    )
}

fn validity(validity: &Validity) -> String {
    words::reasons(validity).iter().map(|reason| format!("{reason}\n")).collect()
}
