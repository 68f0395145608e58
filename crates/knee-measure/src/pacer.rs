//! When each request is due: pure arithmetic over a seed, without a clock.
//!
//! Arrivals are a Poisson process *conditioned on its count*: each window holds exactly the
//! number of requests that its mean rate says, at independent uniform places in expected
//! count. Two steps at one rate thus offer the same load, while neighbours still collide as
//! in production.

use crate::MeasureError;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;

/// How the rate of a step runs over time. Rates are in requests/s, lengths in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// Evenly spaced. Kinder to a server than real traffic is.
    Constant {
        /// Requests/s.
        rate: f64,
    },
    /// Independent arrivals, as from many users.
    Poisson {
        /// Mean requests/s.
        rate: f64,
    },
    /// One mean rate after the other, independent arrivals; the last one stays.
    Steps(Vec<(f64, f64)>),
    /// A mean rate that moves in a straight line and then stays, independent arrivals.
    Ramp {
        /// Requests/s at the start.
        from: f64,
        /// Requests/s at the end.
        to: f64,
        /// Length of the way.
        seconds: f64,
    },
}

impl Pace {
    /// Refuses what is no rate: negative, infinite, not a number, or nothing at all.
    pub fn check(&self) -> Result<(), MeasureError> {
        let numbers = match self {
            Pace::Constant { rate } | Pace::Poisson { rate } => vec![*rate],
            Pace::Steps(steps) => steps.iter().flat_map(|(rate, s)| [*rate, *s]).collect(),
            Pace::Ramp { from, to, seconds } => vec![*from, *to, *seconds],
        };
        if let Some(wrong) = numbers.iter().find(|n| !(n.is_finite() && **n >= 0.0)) {
            return Err(MeasureError::Pace(format!("{wrong} is no rate or length of time")));
        }
        if numbers.iter().all(|n| *n == 0.0) {
            return Err(MeasureError::Pace("a rate of 0 sends nothing".into()));
        }
        Ok(())
    }

    /// Expected number of requests until `t` seconds.
    pub fn expected(&self, t: f64) -> f64 {
        match self {
            Pace::Constant { rate } | Pace::Poisson { rate } => rate * t,
            Pace::Steps(steps) => expected_in_steps(steps, t),
            Pace::Ramp { from, to, seconds } => {
                let way = t.min(*seconds);
                let slope = if *seconds > 0.0 { (to - from) / seconds } else { 0.0 };
                from * way + slope * way * way / 2.0 + to * (t - way)
            }
        }
    }

    /// Mean rate between two times.
    pub fn mean_rate(&self, from: f64, to: f64) -> f64 {
        (self.expected(to) - self.expected(from)) / (to - from)
    }

    /// The time at which `count` requests are expected, the inverse of [`Pace::expected`].
    fn time_of(&self, count: f64) -> f64 {
        match self {
            Pace::Constant { rate } | Pace::Poisson { rate } => count / rate,
            Pace::Steps(steps) => time_in_steps(steps, count),
            Pace::Ramp { from, to, seconds } => {
                let on_the_way = (from + to) / 2.0 * seconds;
                if count >= on_the_way {
                    return seconds + beyond(count - on_the_way, *to);
                }
                let slope = (to - from) / seconds;
                let root = (from * from + 2.0 * slope * count).max(0.0).sqrt();
                beyond(2.0 * count, from + root)
            }
        }
    }

    /// Due times in seconds, in order, through consecutive windows of these lengths.
    pub fn due_times(&self, windows: &[f64], seed: u64) -> DueTimes {
        DueTimes {
            pace: self.clone(),
            windows: windows.iter().copied().collect(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            at: 0.0,
            end: 0.0,
            time: 0.0,
            left: 0,
        }
    }

    /// Exactly how many requests are due in a window.
    pub fn count(&self, from: f64, to: f64) -> u64 {
        let expected = self.expected(to) - self.expected(from);
        if expected > 0.0 { (expected.round() as u64).max(1) } else { 0 }
    }
}

/// `count / rate`, 0 where there is nothing to come.
fn beyond(count: f64, rate: f64) -> f64 {
    if count <= 0.0 || rate <= 0.0 { 0.0 } else { count / rate }
}

fn expected_in_steps(steps: &[(f64, f64)], t: f64) -> f64 {
    let (mut sum, mut left) = (0.0, t);
    for (rate, seconds) in steps {
        let part = left.min(*seconds);
        sum += rate * part;
        left -= part;
    }
    sum + steps.last().map_or(0.0, |(rate, _)| rate * left)
}

fn time_in_steps(steps: &[(f64, f64)], count: f64) -> f64 {
    let (mut time, mut left) = (0.0, count);
    for (rate, seconds) in steps {
        if left <= rate * seconds && *rate > 0.0 {
            return time + left / rate;
        }
        time += seconds;
        left -= rate * seconds;
    }
    time + beyond(left, steps.last().map_or(0.0, |(rate, _)| *rate))
}

/// The due times of a [`Pace`], in seconds from the start.
#[derive(Clone, Debug)]
pub struct DueTimes {
    pace: Pace,
    windows: VecDeque<f64>,
    random: Xoshiro256PlusPlus,
    /// Place in expected count.
    at: f64,
    /// End of this window in expected count.
    end: f64,
    /// End of this window in seconds.
    time: f64,
    /// Requests still due in this window.
    left: u64,
}

impl Iterator for DueTimes {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        while self.left == 0 {
            let from = self.time;
            self.time += self.windows.pop_front()?;
            self.at = self.pace.expected(from);
            self.end = self.pace.expected(self.time);
            self.left = self.pace.count(from, self.time);
        }
        let rest = self.end - self.at;
        let due = if matches!(self.pace, Pace::Constant { .. }) {
            // In the middle of its share, so that no two windows' requests coincide.
            let share = rest / self.left as f64;
            self.at += share;
            self.at - share / 2.0
        } else {
            // The smallest of `left` uniform places in what remains.
            self.at -= rest * (self.uniform().ln() / self.left as f64).exp_m1();
            self.at
        };
        self.left -= 1;
        Some(self.pace.time_of(due))
    }
}

impl DueTimes {
    /// Uniform in (0, 1].
    fn uniform(&mut self) -> f64 {
        ((self.random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pace() -> impl Strategy<Value = Pace> {
        let rate = 0.1f64..5000.0;
        prop_oneof![
            rate.clone().prop_map(|rate| Pace::Constant { rate }),
            rate.clone().prop_map(|rate| Pace::Poisson { rate }),
            proptest::collection::vec((0.0f64..2000.0, 0.0f64..2.0), 1..5)
                .prop_map(|steps| Pace::Steps(steps.into_iter().chain([(7.0, 1.0)]).collect())),
            (rate.clone(), rate, 0.0f64..4.0).prop_map(|(from, to, seconds)| Pace::Ramp {
                from,
                to,
                seconds
            }),
        ]
    }

    proptest! {
        #[test]
        fn due_times_are_ordered_and_counted(
            pace in pace(), warm in 0.0f64..2.0, measured in 0.1f64..3.0, seed: u64,
        ) {
            let due: Vec<f64> = pace.due_times(&[warm, measured], seed).collect();
            let end = warm + measured;
            prop_assert!(due.windows(2).all(|w| w[0] <= w[1] + 1e-9));
            prop_assert!(due.iter().all(|t| (-1e-9..=end + 1e-6).contains(t)));
            let counts = pace.count(0.0, warm) + pace.count(warm, end);
            prop_assert_eq!(due.len() as u64, counts);
            prop_assert!((pace.count(warm, end) as f64
                - pace.mean_rate(warm, end) * measured).abs() <= 1.0);
        }

        #[test]
        fn a_time_and_its_expected_count_belong_together(pace in pace(), t in 0.0f64..6.0) {
            let count = pace.expected(t);
            prop_assert!((pace.expected(pace.time_of(count)) - count).abs() < 1e-6 * (1.0 + count));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let times = |seed| Pace::Poisson { rate: 50.0 }.due_times(&[2.0], seed).collect::<Vec<_>>();
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
    }

    /// Gaps of a Poisson process vary as much as they are long; even gaps do not vary.
    #[test]
    fn poisson_gaps_are_exponential() {
        let spread = |pace: Pace| {
            let due: Vec<f64> = pace.due_times(&[200.0], 7).collect();
            let gaps: Vec<f64> = due.windows(2).map(|w| w[1] - w[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let square = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            square.sqrt() / mean
        };
        let poisson = spread(Pace::Poisson { rate: 100.0 });
        assert!((0.97..1.03).contains(&poisson), "{poisson}");
        assert!(spread(Pace::Constant { rate: 100.0 }) < 1e-6);
    }

    #[test]
    fn a_ramp_sends_more_later() {
        let pace = Pace::Ramp { from: 10.0, to: 90.0, seconds: 4.0 };
        let due: Vec<f64> = pace.due_times(&[4.0], 3).collect();
        assert_eq!(due.len(), 200);
        let early = due.iter().filter(|t| **t < 2.0).count();
        assert!((50..=70).contains(&early), "{early} of 200, 60 expected");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for pace in [
            Pace::Poisson { rate: 0.0 },
            Pace::Poisson { rate: f64::NAN },
            Pace::Constant { rate: -1.0 },
            Pace::Steps(vec![]),
            Pace::Ramp { from: 1.0, to: f64::INFINITY, seconds: 1.0 },
        ] {
            assert!(pace.check().is_err(), "{pace:?}");
        }
    }
}
