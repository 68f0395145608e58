//! What interleaved pairs of two settings say of the gain: an estimate, its interval, and whether
//! another pair is worth its time.
//!
//! One pair gives the logarithm of a ratio. Their mean has an interval by Student's t, which knows
//! that few pairs which agree may do so by chance; no assumption of how noisy a host is goes into
//! it. Pairs are looked at after each from the third on, and measuring ends as soon as a gain is
//! certain. Who looks six times finds something by chance more often than who looks once, so each look
//! takes the t of a 97 % interval: together they hold what a 95 % interval promises (Jennison and
//! Turnbull, Group Sequential Methods, chapter 9, on repeated intervals; the tests here count it).
//!
//! Where a yardstick says how fast the host ran during each side, what that explains is taken
//! out of the ratios (a control variate). Whether it explains anything is asked of the pairs'
//! means and not of their ratios: for noise that hits all alike the two are independent, so the question does not
//! favour one answer on the gain.

use crate::statistics::{deviation, mean};
use knee_core::event::{Confirmation, Estimate};

/// Pairs before the first look.
pub const FEWEST: usize = 3;
/// Pairs after which there is no further one.
pub const MOST: usize = 8;
/// 98.5 % quantiles of Student's t for 1 to 7 degrees of freedom.
const STUDENT: [f64; MOST - 1] = [21.205, 5.643, 3.896, 3.298, 3.003, 2.829, 2.715];
/// Standard deviation of a ratio's logarithm that a search leaves at the least: it stops at a
/// resolution of 4 %, and two of them that took the same steps agree for no other reason.
/// (Uniform within the resolution: 0.04 / √12, for each of the two.)
const RESOLVED: f64 = 0.0163;
/// A gain of less is not worth more pairs.
const WORTH: f64 = 0.02;

/// One side of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Its capacity, requests/s.
    pub rate: f64,
    /// The factor that the host's speed put on it, as far as a yardstick tells: 0.9 where a host
    /// that ran slower than before took a tenth. 1 where nothing is known.
    pub host: f64,
}

/// Today's settings and others, measured one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Today's settings.
    pub baseline: Side,
    /// The others.
    pub best: Side,
}

impl Pair {
    fn sides(&self) -> [Side; 2] {
        [self.baseline, self.best]
    }

    /// Logarithms of the ratio of its sides, and of their geometric mean.
    fn logs(&self, corrected: bool) -> (f64, f64) {
        let log =
            |side: Side| libm::log(side.rate) - if corrected { libm::log(side.host) } else { 0.0 };
        let [baseline, best] = self.sides().map(log);
        (best - baseline, (baseline + best) / 2.0)
    }
}

/// The gain of the second settings over the first. None below two pairs, or where a capacity is
/// not positive: then there is no ratio.
pub fn gain(pairs: &[Pair]) -> Option<Confirmation> {
    let positive = |side: Side| side.rate > 0.0 && side.host > 0.0;
    if pairs.len() < 2 || !pairs.iter().flat_map(Pair::sides).all(positive) {
        return None;
    }
    let raw = estimate(pairs, false);
    let corrected = explains(pairs).then(|| estimate(pairs, true));
    let Estimate { gain, interval } = corrected.unwrap_or(raw);
    Some(Confirmation {
        pairs: pairs.iter().map(|p| (p.baseline.rate, p.best.rate)).collect(),
        gain,
        interval,
        significant: interval.0 > 0.0,
        uncorrected: corrected.map(|_| raw),
    })
}

/// Whether another pair is worth its time: neither is a gain certain nor out of sight.
pub fn undecided(pairs: &[Pair]) -> bool {
    let open = |found: Confirmation| !found.significant && found.gain >= WORTH;
    pairs.len() < FEWEST || (pairs.len() < MOST && gain(pairs).is_some_and(open))
}

/// Whether the host's speed explains how the pairs' means differ.
pub fn explains(pairs: &[Pair]) -> bool {
    let spread = |corrected| {
        let means: Vec<f64> = pairs.iter().map(|pair| pair.logs(corrected).1).collect();
        deviation(&means).unwrap_or(0.0)
    };
    spread(true) < spread(false)
}

fn estimate(pairs: &[Pair], corrected: bool) -> Estimate {
    let ratios: Vec<f64> = pairs.iter().map(|pair| pair.logs(corrected).0).collect();
    let middle = mean(&ratios);
    let deviation = deviation(&ratios).unwrap_or(0.0).max(RESOLVED);
    let freedom = (ratios.len() - 1).clamp(1, STUDENT.len());
    let half = STUDENT[freedom - 1] * deviation / (ratios.len() as f64).sqrt();
    let interval = (libm::expm1(middle - half), libm::expm1(middle + half));
    Estimate { gain: libm::expm1(middle), interval }
}

#[cfg(test)]
mod coverage;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(baseline: f64, best: f64) -> Pair {
        let side = |rate| Side { rate, host: 1.0 };
        Pair { baseline: side(baseline), best: side(best) }
    }

    #[test]
    fn a_steady_gain_is_significant_and_noise_is_not() {
        let steady = [pair(100.0, 139.0), pair(101.0, 142.0), pair(99.0, 139.5)];
        let found = gain(&steady).unwrap();
        assert!(found.significant && (found.gain - 0.4).abs() < 0.01, "{found:?}");
        assert!(found.interval.0 < found.gain && found.gain < found.interval.1);
        assert_eq!(found.uncorrected, None, "no yardstick");
        assert!(!undecided(&steady), "it is certain");
        let noise = [pair(100.0, 104.0), pair(101.0, 96.0), pair(99.0, 109.0)];
        let found = gain(&noise).unwrap();
        assert!(!found.significant && found.interval.0 < 0.0 && found.interval.1 > 0.0);
        assert!(undecided(&noise), "3 % may still become certain: {found:?}");
        assert!(!undecided(&[pair(100.0, 101.0); 3]), "too little to go on for");
        assert!(!undecided(&[pair(100.0, 102.5); MOST]) && undecided(&steady[..2]));
    }

    #[test]
    fn pairs_that_agree_are_no_surer_than_what_they_resolve() {
        assert!(!gain(&[pair(100.0, 104.0); 3]).unwrap().significant);
        assert!(gain(&[pair(100.0, 107.0); 3]).unwrap().significant);
    }

    #[test]
    fn one_pair_or_a_dead_service_says_nothing() {
        assert_eq!(gain(&[pair(100.0, 140.0)]), None);
        let dead = [pair(100.0, 140.0), pair(0.0, 140.0), pair(100.0, 140.0)];
        assert_eq!(gain(&dead), None);
        assert!(!undecided(&dead));
    }

    #[test]
    fn what_the_hosts_speed_explains_is_taken_out_and_what_it_does_not_is_left() {
        let slowed = |mut pair: Pair, by: [f64; 2]| {
            (pair.baseline.host, pair.best.host) = (by[0], by[1]);
            pair
        };
        // 10 % more, on a host that halves its speed and doubles it.
        let speeds = [[1.0, 0.7], [0.6, 1.0], [1.3, 0.8], [0.9, 1.2]];
        let steady = speeds.map(|by| slowed(pair(100.0 * by[0], 110.0 * by[1]), by));
        let found = gain(&steady).unwrap();
        assert!(found.significant && (found.gain - 0.1).abs() < 1e-9, "{found:?}");
        assert!(found.uncorrected.unwrap().interval.0 < 0.0, "{found:?}");
        // The same speeds, and a service that did not feel them.
        let unmoved = speeds.map(|by| slowed(pair(100.0, 110.0), by));
        let found = gain(&unmoved).unwrap();
        assert!(found.uncorrected.is_none() && (found.gain - 0.1).abs() < 1e-9, "{found:?}");
    }
}
