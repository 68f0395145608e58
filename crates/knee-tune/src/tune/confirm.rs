//! The end of a run: today's settings against the best in interleaved pairs, and what it came to.

use super::TuneError;
use super::run::Run;
use super::trials::{NOISE, WARM};
use crate::calibrate;
use crate::strategy;
use knee_core::event::{Conclusion, Confirmation, Estimate, Event, PatchFact, Trial, Verdict};
use knee_core::observe::{Capacity, Validity};
use knee_core::settings::Settings;
use knee_plan::pairs::{self, Pair, Side};
use knee_plan::statistics;
use std::hash::{BuildHasher, RandomState};

/// Ratio from which the fewest pairs are likely to tell a gain from noise, and for how many time is
/// kept where it is less.
const LARGE: f64 = 1.25;
const LIKELY: usize = 5;
/// Share of a known capacity at which it is searched again.
const BELOW: f64 = 0.9;
/// What starting, warming and ending a service takes, seconds, as a rule.
pub(super) const OPENING: f64 = 4.0;
/// By how much repeats may differ beyond what was assumed: of three, half as much again is chance.
const UNSTEADY: f64 = 2.0;

impl Run<'_> {
    /// Confirms the best, and says what the run came to.
    pub fn conclude(&mut self, stopped_because: String) -> Result<Verdict, TuneError> {
        let best = strategy::best(&self.problem(), &self.tested());
        let mut validity = self.validity.clone();
        validity.caveats.extend(self.speeds().said(&self.trials));
        for trial in [0, best] {
            self.trials[trial].capacity.iter().for_each(|c| validity.merge(&c.validity));
        }
        let asked = self.request.goal.value.rate.is_some();
        let satisfied = asked && best == 0 && self.carries_what_is_asked(0);
        let confirmation = match best {
            0 => None,
            best => self.pairs(best, &mut validity)?,
        };
        let better = match &confirmation {
            Some(confirmation) => confirmation.significant,
            // Today carries nothing, so there is no ratio: the best has to carry its load again.
            None if best != 0 && rate(&self.trials[0]) <= 0.0 => {
                self.again(best, self.request.seed, &mut validity)?.rate > 0.0
            }
            None => false,
        };
        let best = if better { best } else { 0 };
        if best == 0 {
            let unknown = |why| format!("{why}: whether other settings carry more cannot be told");
            validity.invalid.extend(self.at_ceiling(&self.trials[0]).map(unknown));
        }
        let conclusion = match () {
            () if !validity.is_valid() => Conclusion::Inconclusive,
            () if satisfied => Conclusion::Satisfied,
            () if !self.carries_what_is_asked(best) => Conclusion::GoalMissed,
            () if better => Conclusion::Improved,
            () => Conclusion::NoGain,
        };
        Ok(Verdict {
            conclusion,
            baseline: 1,
            best: self.trials[best].number,
            stopped_because,
            bound: self.most(confirmation.as_ref()),
            confirmation,
            // What was measured under doubt is not proposed.
            patches: if better && validity.is_valid() { self.patches(best)? } else { vec![] },
            validity,
        })
    }

    /// Whether a trial holds the goal, at the rate that it asks for or at any.
    fn carries_what_is_asked(&self, trial: usize) -> bool {
        let rate = rate(&self.trials[trial]);
        match self.request.goal.value.rate {
            Some(asked) => rate >= asked,
            None => rate > 0.0,
        }
    }

    /// Seconds that the confirmation takes, as things stand.
    pub fn confirmation(&self) -> f64 {
        let before = self.trials.first().map_or(0.0, rate);
        let most = self.trials.iter().map(rate).fold(0.0, f64::max);
        let pairs = if most > LARGE * before { pairs::FEWEST } else { LIKELY };
        pairs as f64 * self.one_pair()
    }

    fn one_pair(&self) -> f64 {
        2.0 * (self.request.lengths.pair + OPENING)
    }

    /// The pairs; None where today carries nothing at all, so that no ratio exists.
    fn pairs(
        &mut self,
        best: usize,
        validity: &mut Validity,
    ) -> Result<Option<Confirmation>, TuneError> {
        if rate(&self.trials[0]) <= 0.0 {
            return Ok(None);
        }
        let mut all: Vec<Pair> = std::mem::take(&mut self.pairs);
        all.truncate(pairs::MOST);
        while pairs::undecided(&all) && (all.len() < pairs::FEWEST || self.time_for_a_pair()) {
            let pair = self.pair(all.len(), best, validity)?;
            all.push(pair);
            self.tell(&Event::Paired {
                number: all.len() as u32,
                of: pairs::MOST as u32,
                baseline: pair.baseline.rate,
                best: pair.best.rate,
                host: Some((pair.baseline.host, pair.best.host)),
            });
        }
        validity.caveats.extend(unsteady(&all));
        let gain = pairs::gain(&all);
        validity.caveats.extend(gain.as_ref().and_then(|c| c.uncorrected).map(corrected));
        if gain.is_none() {
            let none = all.iter().filter(|p| p.baseline.rate <= 0.0 || p.best.rate <= 0.0).count();
            validity.invalid.push(format!(
                "in {none} of {} pairs one side held the goal at no rate that was tried, so that the pairs give no ratio",
                all.len()
            ));
        }
        Ok(gain)
    }

    /// Whether another pair fits into the run's time. What the pairs say has no part in it.
    fn time_for_a_pair(&self) -> bool {
        self.elapsed() + self.one_pair() <= self.request.lengths.total
    }

    /// Today's settings and the best, one after the other, in an order by chance: a drift of the
    /// host is noise then, whatever its shape, and the interval knows of noise (R. A. Fisher, The
    /// Design of Experiments, 1935, II). Turn and turn about it would be a pattern that a drift
    /// may follow. Both get the same arrivals, each pair others.
    fn pair(
        &mut self,
        number: usize,
        best: usize,
        validity: &mut Validity,
    ) -> Result<Pair, TuneError> {
        let seed = self.request.seed.wrapping_add(number as u64 + 1);
        let turned = RandomState::new().hash_one(number) & 1 == 1;
        let order = if turned { [best, 0] } else { [0, best] };
        let first = self.again(order[0], seed, validity)?;
        let second = self.again(order[1], seed, validity)?;
        let (baseline, best) = if turned { (second, first) } else { (first, second) };
        let host = self.speeds().on_pair([&baseline, &best]).unwrap_or((1.0, 1.0));
        Ok(Pair {
            baseline: Side { rate: baseline.rate, host: host.0 },
            best: Side { rate: best.rate, host: host.1 },
        })
    }

    /// The capacity of a trial's settings once more, searched around what is known. When no
    /// rate holds, where some did before, it gets a second chance.
    fn again(
        &mut self,
        index: usize,
        seed: u64,
        validity: &mut Validity,
    ) -> Result<Capacity, TuneError> {
        let settings = self.trials[index].settings.clone();
        // A little below what is known, so that a bracket is there soon.
        let known = BELOW * rate(&self.trials[index]);
        let mut capacity = self.fresh(&settings, known, seed)?;
        if capacity.rate <= 0.0 {
            capacity = self.fresh(&settings, known, seed)?;
        }
        validity.merge(&capacity.validity);
        let least = calibrate::least_cpu(&capacity.curve).into_iter().chain(self.least_in_pairs);
        self.least_in_pairs = least.min_by(|a, b| a.0.total_cmp(&b.0));
        Ok(capacity)
    }

    /// The capacity of a service that is started for it.
    fn fresh(&mut self, settings: &Settings, first: f64, seed: u64) -> Result<Capacity, TuneError> {
        let mut stage = self.open(settings, seed)?;
        let options = self.options(settings, Some(first), self.request.lengths.pair);
        stage.warm(WARM * options.first)?;
        let capacity = stage.capacity(vec![], &options, &self.scene(settings), &mut |_| {})?;
        stage.close()?;
        Ok(capacity)
    }

    fn patches(&self, best: usize) -> Result<Vec<PatchFact>, TuneError> {
        let patches = knee_files::patches(&self.request.service, &self.trials[best].settings)?;
        let fact = |p: &knee_files::Patch| PatchFact {
            path: p.path.display().to_string(),
            diff: p.diff(),
        };
        Ok(patches.iter().map(fact).collect())
    }
}

/// What a trial carries, requests/s.
fn rate(trial: &Trial) -> f64 {
    trial.capacity.as_ref().filter(|_| trial.rejected.is_none()).map_or(0.0, |c| c.rate)
}

/// That a gain is not as the pairs alone say, and what they say.
fn corrected(raw: Estimate) -> String {
    let [gain, low, high] =
        [raw.gain, raw.interval.0, raw.interval.1].map(|share| format!("{:+.0} %", 100.0 * share));
    format!(
        "the gain takes into account how fast the host ran during each side of a pair, as that \
         explains how the pairs differ; without it the gain is {gain} ({low} to {high})"
    )
}

/// What the repeats of the same settings say of the noise, where it is larger than was assumed.
fn unsteady(pairs: &[Pair]) -> Option<String> {
    let corrected = pairs::explains(pairs);
    let spread = |side: fn(&Pair) -> Side| {
        let repeats = pairs.iter().map(side);
        let rates = repeats.map(|s| s.rate / if corrected { s.host } else { 1.0 });
        statistics::spread(&rates.collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let spread = spread(|p| p.baseline).max(spread(|p| p.best));
    (spread > UNSTEADY * NOISE).then(|| {
        format!(
            "repeats of the same settings differ by {:.0} %, more than the {:.0} % that the search reckons with",
            spread * 100.0,
            NOISE * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(rates: &[(f64, f64)]) -> Vec<Pair> {
        let side = |rate| Side { rate, host: 1.0 };
        rates.iter().map(|(a, b)| Pair { baseline: side(*a), best: side(*b) }).collect()
    }

    #[test]
    fn repeats_that_differ_are_told() {
        assert_eq!(unsteady(&pairs(&[(100.0, 140.0), (103.0, 138.0), (98.0, 141.0)])), None);
        let said = unsteady(&pairs(&[(100.0, 140.0), (103.0, 100.0), (98.0, 160.0)])).unwrap();
        assert!(said.starts_with("repeats of the same settings differ by 24 %"), "{said}");
        assert_eq!(unsteady(&pairs(&[(100.0, 140.0)])), None, "no repeats");
    }

    #[test]
    fn repeats_that_only_a_host_moved_are_steady() {
        let speeds = [1.0, 0.7, 1.3];
        let moved = |host: f64| Pair {
            baseline: Side { rate: 100.0 * host, host },
            best: Side { rate: 140.0 * host, host },
        };
        assert_eq!(unsteady(&speeds.map(moved)), None);
    }
}
