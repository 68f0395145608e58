//! The end of a run: today's settings against the best in interleaved pairs, and what it came to.

use super::TuneError;
use super::run::Run;
use super::trials::{NOISE, WARM};
use crate::stage::Stage;
use crate::strategy::{self, Tested};
use knee_core::event::{Conclusion, Confirmation, Event, PatchFact, Trial, Verdict};
use knee_core::observe::{Capacity, Validity};
use knee_plan::statistics;

/// Ratio from which few pairs suffice to tell a gain from noise.
const LARGE: f64 = 1.25;
const FEW_PAIRS: u32 = 3;
const PAIRS: u32 = 5;
/// Share of a known capacity at which it is searched again.
const BELOW: f64 = 0.9;

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
                self.again(best, &mut validity)?.rate > 0.0
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
        let of = if after / before > LARGE { FEW_PAIRS } else { PAIRS };
        let (mut pairs, mut variances) = (vec![], vec![]);
        for number in 1..=of {
            // Turn and turn about: a drift of the machine hits both alike.
            let order = if number % 2 == 1 { [0, best] } else { [best, 0] };
            let (mut pair, mut variance) = ([0.0; 2], 0.0);
            for index in order {
                let capacity = self.again(index, validity)?;
                pair[usize::from(index == best)] = capacity.rate;
                variance += capacity.spread.unwrap_or(NOISE).powi(2);
            }
            variances.push(variance);
            pairs.push((pair[0], pair[1]));
            self.tell(&Event::Paired { number, of, baseline: pair[0], best: pair[1] });
            // More pairs would not make a gain out of none. (Stopping only where nothing is
            // gained leaves the interval of a gain as it is.)
            if number >= FEW_PAIRS && ratio(&pairs) < 1.0 + NOISE / 2.0 {
                break;
            }
        }
        let least = statistics::median(&variances).unwrap_or(0.0).sqrt();
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

    /// The capacity of a trial's settings once more, searched around what is known.
    fn again(&mut self, index: usize, validity: &mut Validity) -> Result<Capacity, TuneError> {
        let settings = self.trials[index].settings.clone();
        let known = rate(&self.trials[index]);
        let mut stage = Stage::open(self.lab, self.request, &settings, self.stop)?;
        // A little below what is known, so that a bracket is there soon.
        let options = self.options(&settings, Some(BELOW * known), self.request.lengths.pair);
        stage.warm(WARM * options.first)?;
        let capacity = stage.capacity(&options, &self.scene(&settings), &mut |_| {})?;
        stage.close()?;
        validity.merge(&capacity.validity);
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

/// Geometric mean of best over baseline.
fn ratio(pairs: &[(f64, f64)]) -> f64 {
    let logs = pairs.iter().map(|(baseline, best)| (best / baseline.max(1e-9)).max(1e-9).ln());
    (logs.sum::<f64>() / pairs.len().max(1) as f64).exp()
}

/// What a trial carries, requests/s.
fn rate(trial: &Trial) -> f64 {
    trial.capacity.as_ref().filter(|_| trial.rejected.is_none()).map_or(0.0, |c| c.rate)
}
