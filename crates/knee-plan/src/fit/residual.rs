//! What forecasts cannot know, from how far off they were: each setting of a run is forecast from all that the
//! run measured without it.

use super::{FitError, check, profile};
use crate::statistics::mean;
use knee_core::event::Event;
use knee_core::profile::{Estimate, Residual};
use knee_core::settings::Settings;

/// Settings that the examples' grid weighs like: a run of a few settings hardly tells its own scatter.
const PRIOR: f64 = 5.0;

/// The residuals of a run, held to those of the examples' grid as far as its few settings do not tell.
pub fn residual(run: &str, events: &[Event]) -> Result<Residual, FitError> {
    let mut tried: Vec<&Settings> = vec![];
    for event in events {
        if let Event::Tried(trial) = event
            && !tried.contains(&&trial.settings)
        {
            tried.push(&trial.settings);
        }
    }
    let (mut capacity, mut latency) = (vec![], vec![]);
    for left in tried {
        let of = |event: &&Event| matches!(event, Event::Tried(t) if t.settings == *left);
        let others: Vec<Event> = events.iter().filter(|e| !of(e)).cloned().collect();
        // A log that does not keep the calibrating step is nothing without the trial of today's settings.
        let Ok(fitted) = profile(run, &others) else { continue };
        let trials = |event: &&Event| !matches!(event, Event::Tried(_)) || of(event);
        let alone: Vec<Event> = events.iter().filter(trials).cloned().collect();
        for check in check(run, &alone, &fitted)? {
            capacity.push(-libm::log1p(check.error()));
            latency.extend(check.tails.iter().map(|tail| -libm::log1p(tail.error())));
        }
    }
    let usual = Residual::default();
    let by = format!("run {run}, settings left out one by one");
    Ok(Residual {
        capacity: held(&usual.capacity, &capacity, &by),
        latency: held(&usual.latency, &latency, &by),
    })
}

/// Mean and scatter of `seen`, of which the usual ones are as good as a few more.
fn held(usual: &Estimate, seen: &[f64], by: &str) -> Estimate {
    let seen: Vec<f64> = seen.iter().copied().filter(|x| x.is_finite()).collect();
    if seen.is_empty() {
        return usual.clone();
    }
    let n = seen.len() as f64;
    let middle = (PRIOR * usual.value + n * mean(&seen)) / (PRIOR + n);
    let square = |x: f64| (x - middle) * (x - middle);
    let usually = usual.deviation * usual.deviation + square(usual.value);
    let all = PRIOR * usually + seen.iter().map(|x| square(*x)).sum::<f64>();
    Estimate::observed(middle, (all / (PRIOR + n)).sqrt(), by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_settings_move_what_is_usual_a_little_and_many_replace_it() {
        let usual = Estimate::assumed(0.0, 0.1, "test");
        assert_eq!(held(&usual, &[], "test"), usual);
        assert_eq!(held(&usual, &[f64::INFINITY], "test"), usual);
        let few = held(&usual, &[0.3], "test");
        assert!((few.value - 0.05).abs() < 1e-6 && few.deviation > 0.1, "{few:?}");
        let many: Vec<f64> =
            (0..200).map(|i| 0.3 + if i % 2 == 0 { 0.02 } else { -0.02 }).collect();
        let many = held(&usual, &many, "test");
        assert!((many.value - 0.3).abs() < 0.01 && many.deviation < 0.06, "{many:?}");
    }
}
