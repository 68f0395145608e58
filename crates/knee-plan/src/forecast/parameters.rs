//! A profile with one value for each of its estimates: the best ones, or drawn at random as far
//! as they are uncertain.

use crate::bounds::Demand;
use crate::sim::{Class, Source};
use knee_core::profile::{Demand as Measured, Estimate, Profile};

/// A profile with one value for each estimate. Times in seconds, memory in bytes.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub classes: Vec<Class>,
    pub background: f64,
    pub contention: f64,
    pub crowding: f64,
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

    /// One draw: each estimate for itself.
    pub fn drawn(profile: &Profile, source: &mut Source) -> Parameters {
        Parameters::pick(profile, |estimate| draw(estimate, source))
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
            crowding: value(&profile.crowding),
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

/// A value as uncertain as the estimate: log-normal where it is positive, so that it stays so.
fn draw(estimate: &Estimate, source: &mut Source) -> f64 {
    let Estimate { value, deviation, .. } = *estimate;
    let z = source.normal();
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
            let draws: Vec<f64> = (0..40_000).map(|_| draw(&estimate, &mut source)).collect();
            let n = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / n;
            let spread = (draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
            assert!((mean - value).abs() < 5.0 * deviation / n.sqrt(), "{mean}");
            assert!((spread / deviation - 1.0).abs() < 0.05, "{spread} {deviation}");
        }
    }
}
