//! How often the interval of a gain covers the truth, and how often a gain is found that is none,
//! counted on many simulated hosts: quiet and noisy ones, with searches that err wildly now and
//! then, a speed that wanders within seconds or minutes, and yardsticks that see it well, in
//! part, or not at all. No host's noise is told to what is tested.

use super::*;
use crate::sim::Source;
use std::sync::LazyLock;

/// A normal deviate with variance 1 (Box and Muller).
fn normal(draws: &mut Source) -> f64 {
    (2.0 * draws.exponential()).sqrt() * libm::cos(std::f64::consts::TAU * draws.uniform())
}

/// A host: how much one search errs, how much and how slowly speed wanders, whether searches
/// err wildly now and then, and what its yardstick sees of the speed and besides it.
#[derive(Clone, Copy, Debug)]
struct Host {
    search: f64,
    wander: f64,
    /// Seconds.
    memory: f64,
    wild: bool,
    sees: f64,
    besides: f64,
}

fn hosts() -> Vec<Host> {
    let mut all = vec![];
    for search in [0.015, 0.03, 0.06, 0.1] {
        for (wander, memory) in [(0.0, 10.0), (0.1, 4.0), (0.1, 30.0), (0.1, 300.0), (0.2, 30.0)] {
            for (sees, besides) in [(1.0, 0.01), (0.7, 0.03), (0.5, 0.1), (0.0, 0.05), (0.0, 0.0)] {
                let wild = all.len() % 2 == 0;
                all.push(Host { search, wander, memory, wild, sees, besides });
            }
        }
    }
    all
}

impl Host {
    /// Pairs as a run measures them, each side 18 s long, in an order by chance.
    fn pairs(&self, truth: f64, draws: &mut Source) -> Vec<Pair> {
        let keeps = libm::exp(-2.0 / self.memory);
        let mut speed = self.wander * normal(draws);
        let mut side = |gain: f64, draws: &mut Source| {
            let mut felt = 0.0;
            for _ in 0..9 {
                speed = keeps * speed + self.wander * (1.0 - keeps * keeps).sqrt() * normal(draws);
                felt += speed / 9.0;
            }
            let wild = if self.wild && draws.uniform() < 0.1 { 3.0 } else { 1.0 };
            let error = self.search * wild * normal(draws);
            let seen = self.sees * felt + self.besides * normal(draws);
            Side { rate: 100.0 * libm::exp(gain + felt + error), host: libm::exp(seen) }
        };
        let mut pair = |draws: &mut Source| {
            if draws.uniform() < 0.5 {
                let baseline = side(0.0, draws);
                Pair { baseline, best: side(truth, draws) }
            } else {
                let best = side(truth, draws);
                Pair { baseline: side(0.0, draws), best }
            }
        };
        (0..MOST).map(|_| pair(draws)).collect()
    }
}

/// Shares of runs whose interval covers the truth, and that find a gain.
#[derive(Clone, Copy, Debug)]
struct Shares {
    cover: f64,
    gain: f64,
}

/// Runs on each host.
const RUNS: u32 = 250;

/// Runs on a host until they are decided.
fn runs(host: &Host, truth: f64, seed: u64) -> Shares {
    let [mut draws] = Source::streams(seed);
    let (mut cover, mut gains) = (0, 0);
    for _ in 0..RUNS {
        let pairs = host.pairs(truth, &mut draws);
        let looks = (FEWEST..MOST).find(|n| !undecided(&pairs[..*n])).unwrap_or(MOST);
        let found = gain(&pairs[..looks]).unwrap();
        let at = libm::expm1(truth);
        cover += u32::from(found.interval.0 < at && at < found.interval.1);
        gains += u32::from(found.significant);
    }
    let share = |n: u32| f64::from(n) / f64::from(RUNS);
    Shares { cover: share(cover), gain: share(gains) }
}

/// A true gain, as a logarithm, with what runs on every host made of it.
type Everywhere = (f64, Vec<(Host, Shares)>);

/// Counted once for all tests.
static EVERYWHERE: LazyLock<[Everywhere; 3]> = LazyLock::new(|| {
    [0.0, 0.08, 0.2].map(|truth| {
        let all = hosts().into_iter().zip(1..);
        (truth, all.map(|(host, seed)| (host, runs(&host, truth, seed))).collect())
    })
});

fn mean_of(all: &[(Host, Shares)], of: fn(&Shares) -> f64) -> f64 {
    mean(&all.iter().map(|(_, shares)| of(shares)).collect::<Vec<_>>())
}

/// 250 runs on each of 100 hosts: a share of one host is known to ±0.03 (95 %).
#[test]
fn looked_at_after_every_pair_the_interval_covers_the_truth_as_often_as_it_says() {
    for (truth, all) in &*EVERYWHERE {
        let (cover, gain) = (mean_of(all, |s| s.cover), mean_of(all, |s| s.gain));
        let worst = all.iter().min_by(|a, b| a.1.cover.total_cmp(&b.1.cover)).unwrap();
        println!("truth {truth}: covered {cover:.3}, worst {worst:?}, gains {gain:.3}");
        assert!(cover >= 0.95, "{cover} at {truth}");
        assert!(worst.1.cover >= 0.90, "{worst:?}");
    }
}

#[test]
fn no_difference_is_rarely_taken_for_a_gain() {
    let (_, none) = &EVERYWHERE[0];
    let found = mean_of(none, |s| s.gain);
    let worst = none.iter().max_by(|a, b| a.1.gain.total_cmp(&b.1.gain)).unwrap();
    println!("a gain where there is none: {found:.3}, worst {worst:?}");
    assert!(found <= 0.05 && worst.1.gain <= 0.075, "{found}, {worst:?}");
}

/// Against a look at five pairs that assumes of each search an error of 4 % at the least, and
/// knows of no yardstick.
#[test]
fn a_real_gain_is_found_more_often_than_by_five_pairs_and_an_assumed_noise() {
    let (truth, ours) = &EVERYWHERE[1];
    let found = mean_of(ours, |s| s.gain);
    let all = hosts().into_iter().zip(1..);
    let assumed =
        mean(&all.map(|(host, seed)| five_pairs(&host, *truth, seed)).collect::<Vec<_>>());
    let quiet = |host: &Host| host.search <= 0.03 && host.sees == 1.0;
    let quiet = ours.iter().copied().filter(|(host, _)| quiet(host)).collect::<Vec<_>>();
    let easy = mean_of(&quiet, |s| s.gain);
    println!("a gain of 8 %: {found:.3}, by five pairs {assumed:.3}; quiet searches {easy:.3}");
    assert!(found >= 1.5 * assumed, "{found} {assumed}");
    assert!(easy >= 0.85, "{easy}");
}

/// How often five pairs find a gain at once.
fn five_pairs(host: &Host, truth: f64, seed: u64) -> f64 {
    const ASSUMED: f64 = 0.04 * std::f64::consts::SQRT_2;
    /// 97.5 % quantile of Student's t with 4 degrees of freedom.
    const STUDENT_AT_ONCE: f64 = 2.776;
    let [mut draws] = Source::streams(seed);
    let finds = |_| {
        let pairs = host.pairs(truth, &mut draws);
        let ratios: Vec<f64> = pairs[..5].iter().map(|pair| pair.logs(false).0).collect();
        let deviation = deviation(&ratios).unwrap().max(ASSUMED);
        f64::from(mean(&ratios) > STUDENT_AT_ONCE * deviation / 5f64.sqrt())
    };
    mean(&(0..RUNS).map(finds).collect::<Vec<_>>())
}
