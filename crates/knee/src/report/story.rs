//! A run as the report tells it: its trials, finished or not, and which of them is which.
//!
//! What lives here: what belongs to what. What never does: how anything is shown.

use super::changes::{between, words};
use crate::run::{Expectation, Run};
use knee_core::event::{Abandoned, Started, Trial, Verdict};
use knee_core::observe::{Capacity, Limit, Step, Validity};
use knee_core::settings::Settings;

/// A run with its trials.
pub struct Story<'a> {
    /// What its events say.
    pub run: &'a Run,
    /// The trials that were begun, by number.
    pub attempts: Vec<Attempt<'a>>,
}

/// A trial that was begun.
pub struct Attempt<'a> {
    /// Its number.
    pub number: u32,
    /// The candidate.
    pub settings: &'a Settings,
    /// Why it was tried.
    pub expectation: Option<&'a Expectation>,
    /// Its result; None when it was interrupted.
    pub trial: Option<&'a Trial>,
    /// Steps of a trial without a result.
    steps: &'a [Step],
}

impl<'a> Story<'a> {
    /// Reads a run.
    pub fn of(run: &'a Run) -> Story<'a> {
        let expectation = |number: u32| run.expectations.get(&number);
        let finished = run.trials.iter().map(|trial| Attempt {
            number: trial.number,
            settings: &trial.settings,
            expectation: expectation(trial.number),
            trial: Some(trial),
            steps: &[],
        });
        let trying = run.trying.as_ref().filter(|trying| run.trial(trying.number).is_none());
        let running = trying.map(|trying| Attempt {
            number: trying.number,
            settings: &trying.settings,
            expectation: expectation(trying.number),
            trial: None,
            steps: &trying.steps,
        });
        Story { run, attempts: finished.chain(running).collect() }
    }

    /// What it started from.
    pub fn started(&self) -> Option<&'a Started> {
        self.run.started.as_ref()
    }

    /// How it ended; None while it runs, and when it was interrupted.
    pub fn verdict(&self) -> Option<&'a Verdict> {
        self.run.verdict.as_ref()
    }

    /// Today's settings.
    pub fn baseline(&self) -> Option<&Attempt<'a>> {
        self.numbered(self.verdict().map_or(1, |v| v.baseline))
    }

    /// The best of all: as the verdict says, else the highest capacity so far.
    pub fn best(&self) -> Option<&Attempt<'a>> {
        match self.verdict() {
            Some(verdict) => self.numbered(verdict.best),
            None => {
                let usable = self.attempts.iter().filter(|a| a.rejected().is_none());
                // Of equals the first: today's.
                usable.rev().max_by(|a, b| a.carried().total_cmp(&b.carried()))
            }
        }
    }

    /// The best where it is not today's settings.
    pub fn winner(&self) -> Option<&Attempt<'a>> {
        let baseline = self.baseline().map(|a| a.number);
        self.best().filter(|best| Some(best.number) != baseline)
    }

    /// What today's settings and the winner carried in the interleaved pairs, geometric means in
    /// requests/s: unlike their trials, which were minutes apart on a host that may have changed.
    pub fn in_pairs(&self) -> Option<(f64, f64)> {
        let pairs = &self.winner().and(self.verdict())?.confirmation.as_ref()?.pairs;
        let mean = |of: fn(&(f64, f64)) -> f64| {
            (pairs.iter().map(|pair| of(pair).ln()).sum::<f64>() / pairs.len() as f64).exp()
        };
        let means = (mean(|pair| pair.0), mean(|pair| pair.1));
        (means.0 > 0.0 && means.1.is_finite()).then_some(means)
    }

    fn numbered(&self, number: u32) -> Option<&Attempt<'a>> {
        self.attempts.iter().find(|a| a.number == number)
    }

    /// An attempt by what it changes.
    pub fn changes(&self, attempt: &Attempt<'_>) -> String {
        match self.baseline() {
            Some(today) if today.number != attempt.number => {
                words(&between(today.settings, attempt.settings))
            }
            _ => "today's settings".into(),
        }
    }

    /// Every reason to doubt what was measured.
    pub fn validity(&self) -> Validity {
        let mut all = self.started().map(|s| s.validity.clone()).unwrap_or_default();
        match self.verdict() {
            Some(verdict) => all.merge(&verdict.validity),
            None => {
                let measured = self.attempts.iter().filter_map(Attempt::capacity);
                measured.for_each(|c| all.merge(&c.validity));
            }
        }
        all
    }

    /// How long the trials took together, seconds.
    pub fn seconds(&self) -> f64 {
        self.run.trials.iter().map(|t| t.seconds).sum()
    }
}

impl<'a> Attempt<'a> {
    /// What was measured of it.
    pub fn capacity(&self) -> Option<&'a Capacity> {
        self.trial?.capacity.as_ref()
    }

    /// Its capacity, requests/s.
    pub fn rate(&self) -> Option<f64> {
        self.capacity().map(|c| c.rate)
    }

    /// The same, 0 where none was measured.
    pub fn carried(&self) -> f64 {
        self.rate().unwrap_or(0.0)
    }

    /// What it was expected to carry, requests/s.
    pub fn forecast(&self) -> Option<f64> {
        self.expectation?.forecast
    }

    /// The step at its capacity.
    pub fn at(&self) -> Option<&'a Step> {
        self.capacity()?.at.as_ref()
    }

    /// What showed early that it does not beat the best.
    pub fn abandoned(&self) -> Option<&'a Abandoned> {
        self.trial?.abandoned.as_deref()
    }

    /// Why it cannot be taken.
    pub fn rejected(&self) -> Option<&'a str> {
        self.trial?.rejected.as_deref()
    }

    /// What gave out.
    pub fn limit(&self) -> Option<&'a Limit> {
        let measured = self.capacity().map(|c| &c.limited_by);
        measured.or_else(|| self.abandoned().map(|a| &a.limited_by))
    }

    /// Its steps in the order measured; of an interrupted trial those that it came to.
    pub fn curve(&self) -> &'a [Step] {
        self.capacity().map_or(self.steps, |capacity| &capacity.curve)
    }
}
