//! Searches over a landscape: its truth is seen through the noise of a measurement.

use crate::chance::Chance;
use crate::landscapes::{Landscape, NOISE};
use knee_tune::strategy::{self, Found, Next, Tested};

/// Standard deviation of what a short step tells, on a logarithmic scale.
const SHORT: f64 = 0.07;
/// What a trial takes, seconds: searched to the end, abandoned, and the service's start.
const FULL: f64 = 22.0;
const ABANDONED: f64 = 5.0;
const START: f64 = 2.0;

/// One run of a search on a landscape.
pub struct Run {
    pub tested: Vec<Tested>,
    pub seconds: f64,
    pub why: String,
}

/// A trial of these settings, and what it takes, seconds.
pub fn measure(
    land: &Landscape,
    index: usize,
    beat: Option<f64>,
    chance: &mut Chance,
) -> (Tested, f64) {
    let settings = land.problem.candidates[index].settings.clone();
    let memory = Some(land.memory[index]);
    let Some(truth) = land.truth[index] else {
        return (Tested { settings, found: Found::Unfit, memory, spread: None }, START + ABANDONED);
    };
    let mut misses = |rate: f64| rate > truth * (SHORT * chance.normal()).exp();
    // Two short steps have to agree.
    if let Some(beat) = beat.filter(|beat| misses(*beat) && misses(*beat)) {
        return (
            Tested { settings, found: Found::Below(beat), memory, spread: None },
            START + ABANDONED,
        );
    }
    let carries = Found::Carries(truth * (NOISE * chance.normal()).exp());
    (Tested { settings, found: carries, memory, spread: None }, START + FULL)
}

/// The search of `knee tune`.
pub fn knee(land: &Landscape, chance: &mut Chance) -> Run {
    let (first, seconds) = measure(land, 0, None, chance);
    let mut run = Run { tested: vec![first], seconds, why: String::new() };
    loop {
        match strategy::next(&land.problem, &run.tested) {
            Next::Try { settings, beat, .. } => {
                let (tested, seconds) = measure(land, land.index(&settings), beat, chance);
                run.tested.push(tested);
                run.seconds += seconds;
            }
            Next::Stop(why) => {
                run.why = why;
                return run;
            }
        }
    }
}

/// What the choice after `n` trials carries, as a share of the grid's best.
pub fn reached(land: &Landscape, tested: &[Tested], n: usize) -> f64 {
    let tested = &tested[..n.min(tested.len())];
    let best = strategy::best(&land.problem, tested);
    land.truth[land.index(&tested[best].settings)].unwrap_or(0.0) / land.best()
}
