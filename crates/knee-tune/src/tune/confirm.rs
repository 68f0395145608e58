//! The end of a run: today's settings against the best in interleaved pairs, and what it came to.

use super::TuneError;
use super::run::Run;
use super::trials::{NOISE, WARM};
use crate::strategy::{self, Tested};
use knee_core::event::{Conclusion, Confirmation, Event, PatchFact, Trial, Verdict};
use knee_core::observe::{Capacity, Validity};
use knee_core::settings::Settings;
use knee_plan::statistics;

/// Ratio from which few pairs suffice to tell a gain from noise.
const LARGE: f64 = 1.25;
const FEW_PAIRS: u32 = 3;
const PAIRS: u32 = 5;
/// Share of a known capacity at which it is searched again.
const BELOW: f64 = 0.9;
/// What starting, warming and ending a service takes, seconds, as a rule.
pub(super) const OPENING: f64 = 4.0;
/// By how much repeats may differ beyond what was assumed: of three, half as much again is chance.
const UNSTEADY: f64 = 2.0;

impl Run<'_> {
    /// Confirms the best, and says what the run came to.
    pub fn conclude(&mut self, stopped_because: String) -> Result<Verdict, TuneError> {
        let tested: Vec<Tested> = self.trials.iter().map(|t| self.tested(t)).collect();
        let best = strategy::best(&self.problem(), &tested);
        let mut validity = self.validity.clone();
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
        let most = self.trials.iter().map(rate).fold(0.0, f64::max);
        2.0 * f64::from(count(self.trials.first().map_or(0.0, rate), most))
            * (self.request.lengths.pair + OPENING)
    }

    /// The pairs; None where today carries nothing at all, so that no ratio exists.
    fn pairs(
        &mut self,
        best: usize,
        validity: &mut Validity,
    ) -> Result<Option<Confirmation>, TuneError> {
        let (before, after) = (rate(&self.trials[0]), rate(&self.trials[best]));
        if before <= 0.0 {
            return Ok(None);
        }
        let of = count(before, after);
        let mut pairs: Vec<(f64, f64)> = std::mem::take(&mut self.pairs);
        pairs.truncate(of as usize);
        let mut variances = vec![];
        while (pairs.len() as u32) < of && !nothing_to_gain(&pairs) {
            let number = pairs.len() as u32 + 1;
            let [baseline, best] = self.pair(number, best, validity)?;
            let variance = |c: &Capacity| c.spread.unwrap_or(NOISE).powi(2);
            variances.push(variance(&baseline) + variance(&best));
            pairs.push((baseline.rate, best.rate));
            self.tell(&Event::Paired { number, of, baseline: baseline.rate, best: best.rate });
        }
        validity.caveats.extend(unsteady(&pairs));
        let least = statistics::median(&variances).unwrap_or(2.0 * NOISE.powi(2)).sqrt();
        let gain = statistics::gain(&pairs, least);
        if gain.is_none() {
            let none = pairs.iter().filter(|(a, b)| *a <= 0.0 || *b <= 0.0).count();
            validity.invalid.push(format!(
                "in {none} of {} pairs one side held the goal at no rate that was tried, so that the pairs give no ratio",
                pairs.len()
            ));
        }
        Ok(gain)
    }

    /// Today's settings and the best, turn and turn about: a drift of the machine hits both
    /// alike. Both get the same arrivals, each pair others.
    fn pair(
        &mut self,
        number: u32,
        best: usize,
        validity: &mut Validity,
    ) -> Result<[Capacity; 2], TuneError> {
        let seed = self.request.seed.wrapping_add(u64::from(number));
        let turned = number.is_multiple_of(2);
        let order = if turned { [best, 0] } else { [0, best] };
        let first = self.again(order[0], seed, validity)?;
        let second = self.again(order[1], seed, validity)?;
        Ok(if turned { [second, first] } else { [first, second] })
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

/// Whether more pairs would not make a gain out of none. (Stopping only where nothing is gained
/// leaves the interval of a gain as it is.)
fn nothing_to_gain(pairs: &[(f64, f64)]) -> bool {
    pairs.len() >= FEW_PAIRS as usize && ratio(pairs) < 1.0 + NOISE / 2.0
}

/// Geometric mean of best over baseline.
fn ratio(pairs: &[(f64, f64)]) -> f64 {
    let logs = pairs.iter().map(|(baseline, best)| (best / baseline.max(1e-9)).max(1e-9).ln());
    (logs.sum::<f64>() / pairs.len().max(1) as f64).exp()
}

/// How many pairs tell a gain from noise.
fn count(before: f64, after: f64) -> u32 {
    if after > LARGE * before { FEW_PAIRS } else { PAIRS }
}

/// What a trial carries, requests/s.
fn rate(trial: &Trial) -> f64 {
    trial.capacity.as_ref().filter(|_| trial.rejected.is_none()).map_or(0.0, |c| c.rate)
}

/// What the repeats of the same settings say of the noise, where it is larger than was assumed.
fn unsteady(pairs: &[(f64, f64)]) -> Option<String> {
    let sides: [Vec<f64>; 2] =
        [pairs.iter().map(|p| p.0).collect(), pairs.iter().map(|p| p.1).collect()];
    let spread = sides.iter().filter_map(|side| statistics::spread(side)).fold(0.0, f64::max);
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

    #[test]
    fn repeats_that_differ_are_told() {
        assert_eq!(unsteady(&[(100.0, 140.0), (103.0, 138.0), (98.0, 141.0)]), None);
        let said = unsteady(&[(100.0, 140.0), (103.0, 100.0), (98.0, 160.0)]).unwrap();
        assert!(said.starts_with("repeats of the same settings differ by 24 %"), "{said}");
        assert_eq!(unsteady(&[(100.0, 140.0)]), None, "no repeats");
    }
}
