//! When a step's outcome is certain, before its end and at its end. Pure over what the event
//! loop has seen.

use knee_core::Goal;
use knee_core::observe::Outcome;

/// A narrow miss is measured to its end, how narrow it was tells the search more: only this
/// many times the late ones or failures allowed, and a handful, are hopeless.
const HOPELESS: f64 = 4.0;
const HANDFUL: u64 = 10;
/// Outstanding requests, in times of the goal's latency at the offered rate, from which on
/// the next ones will be late (Little's law).
const CROWD: f64 = 1.5;
/// No step is hopeless before this, seconds: the throughput under overload is worth knowing.
const PATIENCE: f64 = 0.8;
/// Share of the goal's latency within which nearly all answers come when a rate is easy.
const EASY: f64 = 0.4;
/// Requests that must have shown it.
const EASY_REQUESTS: f64 = 200.0;
/// Requests beyond the goal's quantile that must have been possible meanwhile.
const EASY_BEYOND: f64 = 2.0;
/// Share of a step's length that must have shown it, and times of the goal's latency.
const EASY_SHARE: f64 = 0.75;
const EASY_LATENCIES: f64 = 1.5;
/// Time after which a queue that goes on growing must not have broken the goal, seconds.
const HORIZON: f64 = 60.0;
/// Parts of the window over which growth is sought.
const BLOCKS: usize = 12;
/// Student's t (11 degrees of freedom) from which a growing queue is no chance: at the end
/// of a step (2 %), while it runs and is looked at again and again, and against an early
/// acceptance.
const GREW: f64 = 2.3;
const GROWS: f64 = 3.0;
const MAY_GROW: f64 = 1.0;
/// Growth is sought each so many seconds, and not before so many.
const GROWTH_EVERY: f64 = 0.5;
const GROWTH_AFTER: f64 = 1.5;

/// What is decided while a step runs. Times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Latencies beyond which a request is slow, and late.
    pub limits: [f64; 2],
    /// How long answers are still awaited after a hopeless step.
    pub drain: f64,
    rate: f64,
    /// Share of requests that may be late.
    beyond: f64,
    late: u64,
    failed: u64,
    crowd: u64,
    easy_after: f64,
    next_growth: f64,
}

/// What of a step's measured window is known so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// Requests that were due.
    pub due: u64,
    /// Requests that took or wait longer than each of the limits, or failed.
    pub beyond: [u64; 2],
    /// Requests that failed.
    pub failed: u64,
    /// Requests outstanding over time: seconds into the window, requests.
    pub outstanding: &'a [(f64, u64)],
}

impl Rule {
    /// The rule for a goal over `planned` requests in `seconds`.
    pub fn new(goal: &Goal, planned: u64, seconds: f64) -> Self {
        let beyond = 1.0 - goal.quantile;
        let rate = planned as f64 / seconds;
        let limit = |share: f64| (HOPELESS * share * planned as f64) as u64 + HANDFUL;
        Rule {
            limits: [EASY * goal.latency.0, goal.latency.0],
            drain: drain(goal),
            rate,
            beyond,
            late: limit(beyond),
            failed: limit(goal.errors),
            crowd: (CROWD * rate * goal.latency.0) as u64 + 2 * HANDFUL,
            easy_after: (EASY_SHARE * seconds).max(EASY_LATENCIES * goal.latency.0),
            next_growth: GROWTH_AFTER,
        }
    }

    /// The outcome, if it is certain `at` seconds into the measured window.
    pub fn decide(&mut self, at: f64, seen: &Seen<'_>) -> Option<Outcome> {
        let live = seen.outstanding.last().map_or(0, |(_, live)| *live);
        let [_, late] = seen.beyond;
        let lost = late > self.late || seen.failed > self.failed || live > self.crowd;
        if (lost && at >= PATIENCE) || self.grows(at, seen) {
            return Some(Outcome::Hopeless);
        }
        (at >= self.easy_after && self.is_easy(seen)).then_some(Outcome::Held)
    }

    fn grows(&mut self, at: f64, seen: &Seen<'_>) -> bool {
        let look = at >= self.next_growth;
        if look {
            self.next_growth += GROWTH_EVERY;
        }
        look && breaks(growth(seen.outstanding, GROWS), self.rate, self.limits[1])
    }

    fn is_easy(&self, seen: &Seen<'_>) -> bool {
        let [slow, _] = seen.beyond;
        let due = seen.due as f64;
        let allowed = self.beyond * due;
        due >= EASY_REQUESTS
            && allowed >= EASY_BEYOND
            && (slow as f64) < allowed / 2.0
            && seen.failed == 0
            && growth(seen.outstanding, MAY_GROW) <= 0.0
    }
}

/// The outcome of a step that ran to its end. A queue that grew would have broken the goal in
/// the end, had the step been long enough.
pub(crate) fn at_end(goal: &Goal, rate: f64, held: bool, outstanding: &[(f64, u64)]) -> Outcome {
    if breaks(growth(outstanding, GREW), rate, goal.latency.0) {
        Outcome::Hopeless
    } else if held {
        Outcome::Held
    } else {
        Outcome::Missed
    }
}

/// How long answers are awaited after a hopeless step, seconds: a service that still works on
/// what nobody waits for any more would spoil the next step.
pub(crate) fn drain(goal: &Goal) -> f64 {
    (2.0 * goal.latency.0).max(3.0)
}

/// Whether a queue that grows by so many requests/s breaks the goal within the horizon: each
/// takes the time in which one is offered.
fn breaks(growth: f64, rate: f64, latency: f64) -> bool {
    growth / rate * HORIZON > latency
}

/// How many requests more are outstanding each second, 0 where that may be chance: the mean
/// change from block to block of the window against its own scatter, by Student's t.
fn growth(outstanding: &[(f64, u64)], certainty: f64) -> f64 {
    let n = outstanding.len();
    if n < 2 * BLOCKS {
        return 0.0;
    }
    let block = |i: usize| {
        let part = &outstanding[i * n / BLOCKS..(i + 1) * n / BLOCKS];
        part.iter().map(|(_, live)| *live as f64).sum::<f64>() / part.len() as f64
    };
    let blocks: Vec<f64> = (0..BLOCKS).map(block).collect();
    let changes: Vec<f64> = blocks.windows(2).map(|w| w[1] - w[0]).collect();
    let count = changes.len() as f64;
    let mean = changes.iter().sum::<f64>() / count;
    let variance = changes.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let length = outstanding[n - 1].0 - outstanding[0].0;
    let surely = mean > certainty * (variance / count).sqrt();
    if surely && length > 0.0 { mean * BLOCKS as f64 / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Goal =
        Goal { quantile: 0.99, latency: knee_core::Seconds(0.25), errors: 0.001, rate: None };

    /// A second of 400 requests/s, `live` of them outstanding at each time.
    fn seen(live: &[(f64, u64)]) -> Seen<'_> {
        Seen { due: 400, beyond: [0; 2], failed: 0, outstanding: live }
    }

    fn over_time(live: impl Fn(f64) -> f64) -> Vec<(f64, u64)> {
        (1..=100).map(|i| f64::from(i) * 0.02).map(|t| (t, live(t) as u64)).collect()
    }

    fn decide(at: f64, seen: &Seen<'_>) -> Option<Outcome> {
        Rule::new(&GOAL, 800, 2.0).decide(at, seen)
    }

    #[test]
    fn an_easy_rate_is_held_early_but_not_too_early() {
        let still = over_time(|t| 3.0 + (t * 50.0).sin());
        assert_eq!(decide(1.0, &seen(&still)), None);
        assert_eq!(decide(1.6, &seen(&still)), Some(Outcome::Held));
        for doubt in [
            Seen { beyond: [3, 0], ..seen(&still) },
            Seen { failed: 1, ..seen(&still) },
            Seen { due: 150, ..seen(&still) },
        ] {
            assert_eq!(decide(1.6, &doubt), None, "{doubt:?}");
        }
    }

    #[test]
    fn what_can_no_longer_be_won_is_hopeless() {
        let still = over_time(|_| 3.0);
        let crowd = over_time(|_| 171.0);
        for lost in [
            Seen { beyond: [43; 2], ..seen(&still) },
            Seen { failed: 14, ..seen(&still) },
            seen(&crowd),
        ] {
            assert_eq!(decide(0.7, &lost), None, "{lost:?}");
            assert_eq!(decide(0.9, &lost), Some(Outcome::Hopeless), "{lost:?}");
        }
        assert_eq!(decide(0.9, &Seen { beyond: [42; 2], ..seen(&still) }), None);
    }

    #[test]
    fn a_queue_that_grows_is_hopeless_however_short_it_is() {
        let grows = over_time(|t| 20.0 * t + 2.0 * (t * 50.0).sin());
        assert_eq!(decide(1.6, &seen(&grows)), Some(Outcome::Hopeless));
        assert_eq!(at_end(&GOAL, 400.0, true, &grows), Outcome::Hopeless);
        let moves = over_time(|t| 10.0 + 9.0 * (t * 5.0).sin());
        assert_eq!(at_end(&GOAL, 400.0, true, &moves), Outcome::Held);
        assert_eq!(at_end(&GOAL, 400.0, false, &moves), Outcome::Missed);
        assert_eq!(growth(&[], 1.0), 0.0);
    }
}
