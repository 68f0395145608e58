//! The few figures that are read first.

use super::story::{Attempt, Story};
use super::words as say;
use knee_core::observe::{Latency, Usage};

/// A figure with its name and unit.
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The figure, of the best settings.
    pub value: String,
    /// Its unit, and what it is out of.
    pub unit: String,
    /// The same of today's settings, where they are others.
    pub today: Option<String>,
    /// Whether it is a word and no number.
    pub word: bool,
}

impl Figure {
    /// A number without a comparison.
    pub fn plain(name: &str, value: String, unit: &str) -> Figure {
        Figure { name: name.into(), value, unit: unit.into(), today: None, word: false }
    }
}

/// Key figures of the best settings beside today's; none before anything was measured.
pub fn key(story: &Story<'_>) -> Vec<Figure> {
    let Some(best) = story.best().filter(|best| best.capacity().is_some()) else { return vec![] };
    let today = story.winner().and(story.baseline());
    let compared = |name: &str, unit: String, figure: &dyn Fn(&Attempt<'_>) -> Option<String>| {
        let say = |attempt| figure(attempt).unwrap_or(say::NONE.into());
        Figure { name: name.into(), value: say(best), unit, today: today.map(say), word: false }
    };
    let task = story.started().map(|s| s.task.value);
    let quantile = story.started().map_or("p99".into(), |s| s.goal.value.quantile_name());
    let latency = |of: fn(&Latency) -> f64| {
        move |a: &Attempt<'_>| a.at().map(|step| say::time(of(&step.latency)))
    };
    let used = |of: fn(&Usage) -> String| {
        move |a: &Attempt<'_>| a.at().and_then(|step| step.usage.as_ref()).map(of)
    };
    vec![
        match story.in_pairs() {
            Some((today, best)) => Figure {
                today: Some(say::rate(today)),
                ..Figure::plain("Capacity in the pairs", say::rate(best), "requests/s")
            },
            None => compared("Capacity", "requests/s".into(), &|a| a.rate().map(say::rate)),
        },
        compared("p50 at capacity", String::new(), &latency(|l| l.p50)),
        compared(&format!("{quantile} at capacity"), String::new(), &latency(|l| l.goal)),
        compared(
            "CPU used at capacity",
            task.map_or("cores".into(), |t| format!("of {} vCPU", t.cpu)),
            &used(|u| say::cores(u.cpu)),
        ),
        compared(
            "Memory at capacity",
            task.map_or(String::new(), |t| format!("of {}", t.memory)),
            &used(|u| u.memory.to_string()),
        ),
        Figure {
            word: true,
            ..compared("Gives out first", String::new(), &|a| {
                a.limit().map(|l| say::resource(l.resource))
            })
        },
    ]
}

/// What the calibration told.
pub fn calibration(story: &Story<'_>) -> Vec<Figure> {
    let Some((calibration, at_first)) = &story.run.calibrated else { return vec![] };
    let bound = story.run.bound().unwrap_or(at_first);
    let seen = story.verdict().and_then(|v| v.bound.as_ref()).map_or("that", |_| "the least");
    let rate = format!("at {}", say::per_second(calibration.rate));
    vec![
        Figure::plain("CPU per request", say::time(calibration.cpu.0), &rate),
        Figure::plain("Waiting per request", say::time(calibration.wait.0), &rate),
        Figure::plain("Memory per worker", calibration.per_worker.to_string(), ""),
        Figure::plain("Memory shared by all", calibration.shared.to_string(), ""),
        Figure::plain(
            &format!("Bound of any settings at {seen} CPU per request"),
            say::rate(bound.rate),
            &format!("requests/s, by its {}", bound.resource),
        ),
    ]
}
