//! A run as its events tell it: what the renderers and a resumed search ask of a log.
//!
//! What lives here: folding events. What never does: a figure that no event holds.

use knee_core::Settings;
use knee_core::event::{Event, Started, Trial, Verdict};
use knee_core::observe::{Bound, Calibration, Step};
use std::collections::BTreeMap;

/// A run so far. A trial that was begun again after an interruption is there once.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What it started from.
    pub started: Option<Started>,
    /// What the low load told, and what no setting can exceed.
    pub calibrated: Option<(Calibration, Bound)>,
    /// The trial that was begun and has no result yet.
    pub trying: Option<Trying>,
    /// Trials with a result, by number.
    pub trials: Vec<Trial>,
    /// Why each trial was begun, by number.
    pub expectations: BTreeMap<u32, Expectation>,
    /// Capacities of today's settings and of the winner, pair by pair, requests/s.
    pub pairs: Vec<(f64, f64)>,
    /// How many pairs are planned.
    pub planned: u32,
    /// How it ended.
    pub verdict: Option<Verdict>,
}

/// A trial that runs.
#[derive(Clone, Debug)]
pub struct Trying {
    /// Its number.
    pub number: u32,
    /// The candidate.
    pub settings: Settings,
    /// Steps so far.
    pub steps: Vec<Step>,
}

/// What a trial was begun for.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Why it is worth a trial.
    pub because: String,
    /// What it is expected to carry, requests/s; None where no model says.
    pub forecast: Option<f64>,
}

impl Run {
    /// The run that these events tell.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Run {
        let mut run = Run::default();
        events.into_iter().for_each(|event| run.take(event));
        run
    }

    /// Takes the next event in.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Started(started) => self.started = Some((**started).clone()),
            Event::Calibrated { calibration, bound } => {
                self.calibrated = Some((calibration.clone(), bound.clone()));
            }
            Event::Trying { number, settings, because, forecast } => {
                let settings = settings.clone();
                let expectation = Expectation { because: because.clone(), forecast: *forecast };
                self.expectations.insert(*number, expectation);
                self.trying = Some(Trying { number: *number, settings, steps: vec![] });
            }
            Event::Stepped { number, step } => {
                let running = self.trying.as_mut().filter(|trying| trying.number == *number);
                running.into_iter().for_each(|trying| trying.steps.push((**step).clone()));
            }
            Event::Tried(trial) => {
                self.trying = None;
                self.trials.retain(|known| known.number != trial.number);
                self.trials.push((**trial).clone());
                self.trials.sort_by_key(|trial| trial.number);
            }
            Event::Paired { number, of, baseline, best, .. } => {
                self.planned = *of;
                self.pairs.truncate((*number as usize).saturating_sub(1));
                self.pairs.push((*baseline, *best));
            }
            Event::Ended(verdict) => self.verdict = Some((**verdict).clone()),
        }
    }

    /// What no setting can exceed, as far as that is known so far.
    pub fn bound(&self) -> Option<&Bound> {
        let ended = self.verdict.as_ref().and_then(|verdict| verdict.bound.as_ref());
        ended.or(self.calibrated.as_ref().map(|(_, bound)| bound))
    }

    /// The trial of that number.
    pub fn trial(&self, number: u32) -> Option<&Trial> {
        self.trials.iter().find(|trial| trial.number == number)
    }

    /// Today's settings as they were measured.
    pub fn baseline(&self) -> Option<&Trial> {
        self.trial(self.verdict.as_ref().map_or(1, |verdict| verdict.baseline))
    }

    /// The winner, once there is a verdict; today's settings when nothing better was found.
    pub fn best(&self) -> Option<&Trial> {
        self.trial(self.verdict.as_ref()?.best)
    }

    /// Names of the knobs that are not the same in all trials, the running one among them.
    pub fn turned(&self) -> Vec<&str> {
        let settings = || self.trials.iter().map(|t| &t.settings).chain(self.trying_settings());
        let Some(first) = settings().next() else { return vec![] };
        let differs = |knob: &String| settings().any(|s| s.0.get(knob) != first.0.get(knob));
        let mut knobs: Vec<&str> = settings()
            .flat_map(|s| s.0.keys())
            .filter(|k| differs(k))
            .map(String::as_str)
            .collect();
        knobs.sort_unstable();
        knobs.dedup();
        knobs
    }

    fn trying_settings(&self) -> Option<&Settings> {
        self.trying.as_ref().map(|trying| &trying.settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trying(number: u32, workers: i64) -> Event {
        let settings = Settings::default().with("workers", workers).with("backlog", 64);
        Event::Trying { number, settings, because: "a guess".into(), forecast: None }
    }

    fn tried(number: u32, workers: i64) -> Event {
        let settings = Settings::default().with("workers", workers).with("backlog", 64);
        Event::Tried(Box::new(Trial {
            number,
            settings,
            bound: Some(10.0),
            capacity: None,
            abandoned: None,
            rejected: None,
            seconds: 1.0,
        }))
    }

    #[test]
    fn a_trial_begun_again_counts_once() {
        let events = [trying(1, 5), tried(1, 5), trying(2, 2), trying(2, 3), tried(2, 3)];
        let run = Run::of(&events);
        assert_eq!(run.trials.len(), 2);
        assert_eq!(run.trial(2).unwrap().settings.int("workers"), Some(3));
        assert!(run.trying.is_none() && run.best().is_none());
        assert_eq!(run.baseline().unwrap().number, 1);
        assert_eq!(run.expectations[&2].because, "a guess");
    }

    #[test]
    fn only_turned_knobs_are_named() {
        assert!(Run::of(&[tried(1, 5)]).turned().is_empty());
        assert_eq!(Run::of(&[tried(1, 5), trying(2, 8)]).turned(), ["workers"]);
    }

    #[test]
    fn pairs_measured_again_replace_the_earlier_ones() {
        let pair = |number, best| Event::Paired { number, of: 3, baseline: 1.0, best, host: None };
        let run = Run::of(&[pair(1, 2.0), pair(2, 2.0), pair(1, 3.0)]);
        assert_eq!(run.pairs, [(1.0, 3.0)]);
    }
}
