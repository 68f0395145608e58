//! A profile with one value for each of its estimates: the best ones, or drawn at random as far
//! as they are uncertain.
//!
//! A few draws have to show what is uncertain: they are stratified, one from each of as many equally
//! likely parts of every estimate (McKay, Beckman and Conover, "A comparison of three methods for
//! selecting values of input variables", Technometrics 21(2), 1979).

use crate::bounds::Demand;
use crate::gaussian::exceeds;
use crate::sim::{Class, Source};
use knee_core::profile::{Demand as Measured, Estimate, Profile};

/// A profile with one value for each estimate. Times in seconds, memory in bytes.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub classes: Vec<Class>,
    pub background: f64,
    pub contention: f64,
    pub crowding: f64,
    pub wake: f64,
    pub start: f64,
    pub heap: Option<Heap>,
}

/// What a collector has to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heap {
    /// Its share of the program's CPU under the measured settings.
    pub collector: f64,
    pub live: f64,
    pub per_request: f64,
}

impl Parameters {
    /// The best guess of everything.
    pub fn best(profile: &Profile) -> Parameters {
        Parameters::pick(profile, |estimate| estimate.value)
    }

    /// So many draws, each estimate for itself.
    pub fn drawn(profile: &Profile, count: u32, source: &mut Source) -> Vec<Parameters> {
        // A column for each estimate, in the order in which they are asked for.
        let mut columns: Vec<Vec<f64>> = vec![];
        let draw = |row: usize| {
            let mut column = 0;
            Parameters::pick(profile, |estimate| {
                if column == columns.len() {
                    columns.push(strata(count as usize, source));
                }
                column += 1;
                at(estimate, columns[column - 1][row])
            })
        };
        (0..count as usize).map(draw).collect()
    }

    fn pick(profile: &Profile, mut value: impl FnMut(&Estimate) -> f64) -> Parameters {
        let heap = profile.heap.as_ref().map(|heap| Heap {
            collector: value(&heap.collector).clamp(0.0, 1.0),
            live: value(&heap.live),
            per_request: value(&heap.per_request),
        });
        let allocates = heap.map_or(0.0, |heap| heap.per_request);
        let mut time = |demand: &Measured| (value(&demand.mean).max(0.0), demand.shape.clone());
        let classes = profile.classes.iter().map(|class| Class {
            weight: class.weight,
            cpu: time(&class.cpu),
            wait: time(&class.wait),
            blocking: time(&class.blocking),
            offloaded: time(&class.offloaded),
            calls: class.calls,
            allocates,
        });
        let classes = classes.collect();
        Parameters {
            classes,
            background: value(&profile.background).max(0.0),
            // Requests cannot become cheaper than half by load.
            contention: value(&profile.contention).max(-0.5),
            // Nor by company: caches that are filled once per process only cost.
            crowding: value(&profile.crowding).max(0.0),
            wake: value(&profile.wake).max(0.0),
            start: value(&profile.start).max(0.0),
            heap,
        }
    }

    /// Means over the classes by weight. Blocking counts as waiting, helpers as computing.
    pub fn demand(&self) -> Demand {
        Demand::mean(self.classes.iter().map(|class| {
            let (cpu, wait) = (class.cpu.0 + class.offloaded.0, class.wait.0 + class.blocking.0);
            (class.weight, Demand { cpu, wait })
        }))
    }
}

/// Normal deviates with mean 0 and variance 1, one from each of `n` equally likely parts, in random
/// order.
fn strata(n: usize, source: &mut Source) -> Vec<f64> {
    let mut all: Vec<f64> =
        (0..n).map(|i| normal((i as f64 + source.uniform()) / n as f64)).collect();
    for i in (1..n).rev() {
        all.swap(i, source.below(i + 1));
    }
    all
}

/// The normal deviate that a share `p` does not exceed, within 1e-6 or so, and never beyond 8.
fn normal(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if exceeds(middle) > 1.0 - p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The value of an estimate, `z` standard deviations up: log-normal where it is positive, so that
/// it stays so.
fn at(estimate: &Estimate, z: f64) -> f64 {
    let Estimate { value, deviation, .. } = *estimate;
    if deviation <= 0.0 {
        value
    } else if value > 0.0 {
        let spread = libm::sqrt(libm::log1p((deviation / value) * (deviation / value)));
        value * libm::exp(spread * z - spread * spread / 2.0)
    } else {
        value + deviation * z
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_as_uncertain_as_the_estimate() {
        let [mut source] = Source::streams(1);
        for (value, deviation) in [(10.0, 1.0), (10.0, 4.0), (0.0, 0.2), (-0.1, 0.05)] {
            let estimate = Estimate::assumed(value, deviation, "test");
            let strata = strata(4_000, &mut source);
            let draws: Vec<f64> = strata.into_iter().map(|z| at(&estimate, z)).collect();
            let n = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / n;
            let spread = (draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
            assert!((mean - value).abs() < 5.0 * deviation / n.sqrt(), "{mean}");
            assert!((spread / deviation - 1.0).abs() < 0.05, "{spread} {deviation}");
        }
    }

    #[test]
    fn a_few_draws_show_both_ends() {
        for seed in 1..50 {
            let [mut source] = Source::streams(seed);
            let mut few = strata(12, &mut source);
            few.sort_by(f64::total_cmp);
            assert!(few[0] < -1.38 && few[11] > 1.38, "{few:?}");
            assert!((few[5] + few[6]).abs() < 0.5, "{few:?}");
            assert!(few.iter().sum::<f64>().abs() < 2.0, "{few:?}");
        }
    }
}
