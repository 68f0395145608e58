//! How requests come, and what their clients do when they wait for long.

use crate::sim::{Arrivals, Clients, Source};
use std::sync::Arc;

/// How requests come, and what their clients do when they wait for long.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// When they come.
    pub arrivals: Pattern,
    /// What clients do when they wait for long.
    pub clients: Clients,
}

/// When requests come, whatever their rate.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Independent of each other.
    Poisson,
    /// Evenly spaced.
    Constant,
    /// As they came once, seconds in ascending order; see [`recorded`].
    Recorded(Arc<[f64]>),
}

impl Default for Traffic {
    /// Independent arrivals of clients that wait for as long as it takes.
    fn default() -> Self {
        Traffic { arrivals: Pattern::Poisson, clients: Clients::PATIENT }
    }
}

impl Traffic {
    /// Arrivals at so many requests/s.
    pub(super) fn at(&self, rate: f64) -> Arrivals {
        match &self.arrivals {
            Pattern::Poisson => Arrivals::Poisson(rate),
            Pattern::Constant => Arrivals::Constant(rate),
            Pattern::Recorded(times) => Arrivals::Recorded(recorded(times, rate)),
        }
    }
}

/// Keeps what is drawn here apart from all other draws.
const THINNING: u64 = 0x7468_696e;

/// Arrivals below which a pattern says nothing: then the record is gone through several times.
const ENOUGH: usize = 1_000;
/// Most arrivals that are made of a record: more than a simulation takes.
const MOST: f64 = 100_000.0;
/// The least share of a record's arrivals that one of many tasks gets; less is as good as none.
const LEAST: f64 = 1e-4;

/// Recorded arrivals at another rate. A load balancer sends each to one of several tasks, so that
/// a task gets some of them at random; a higher rate fills them up with others, which come as
/// densely as the recorded ones around them. Both keep rush and lull where and as long as they were.
fn recorded(times: &[f64], rate: f64) -> Vec<f64> {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return vec![] };
    let gap = ((last - first) / (times.len().max(2) - 1) as f64).max(1e-9);
    let seconds = gap * times.len() as f64;
    let [mut source] = Source::streams(THINNING);
    let share = (rate * gap).max(LEAST);
    if share <= 1.0 {
        let passes = (ENOUGH as f64 / (share * times.len() as f64)).ceil().clamp(1.0, 1e6);
        let pass = |pass: u64| times.iter().map(move |t| t - first + pass as f64 * seconds);
        return (0..passes as u64)
            .flat_map(pass)
            .filter(|_| source.uniform() < share)
            .take(MOST as usize)
            .collect();
    }
    let between = |at: f64| {
        let place = at * times.len() as f64;
        let below = (place as usize).min(times.len() - 1);
        let next = times.get(below + 1).copied().unwrap_or(last + gap);
        times[below] + (next - times[below]) * (place - below as f64) - first
    };
    let whole = rate * seconds;
    let part = (MOST / whole).min(1.0);
    let mut all: Vec<f64> =
        (0..(part * whole).round() as usize).map(|_| between(part * source.uniform())).collect();
    all.sort_by(f64::total_cmp);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rush of ten seconds at 100 requests/s, then ten at 10.
    fn rush() -> Vec<f64> {
        let calm = (0..100).map(|i| 10.0 + f64::from(i) / 10.0);
        (0..1000).map(|i| f64::from(i) / 100.0).chain(calm).collect()
    }

    #[test]
    fn another_rate_keeps_rush_and_lull() {
        for rate in [0.055, 5.5, 55.0, 220.0] {
            let times = recorded(&rush(), rate);
            let n = times.len() as f64;
            // A pass of the record takes its length and one gap.
            let pass = 19.9 / 1099.0 * 1100.0;
            let seconds = pass * (times[times.len() - 1] / pass).ceil();
            assert!(n >= 900.0 && (n / seconds / rate - 1.0).abs() < 0.1, "{rate}: {n}");
            let early = times.iter().filter(|t| **t % pass < 10.0).count() as f64 / n;
            assert!((early - 0.909).abs() < 0.04, "{rate}: {early}");
            assert!(times.windows(2).all(|w| w[0] <= w[1]));
        }
        assert!(recorded(&[], 5.0).is_empty());
    }

    #[test]
    fn of_a_long_record_no_more_is_made_than_is_simulated() {
        // A day of one request a second: at the busiest rate it would be 86 million.
        let day: Vec<f64> = (0..86_400).map(f64::from).collect();
        let times = recorded(&day, 1_000.0);
        assert_eq!(times.len(), MOST as usize);
        let seconds = times[times.len() - 1];
        assert!((times.len() as f64 / seconds / 1_000.0 - 1.0).abs() < 0.05, "{seconds}");
        assert!(recorded(&day, 1e-9).len() <= 2 * ENOUGH, "and it ends");
    }
}
