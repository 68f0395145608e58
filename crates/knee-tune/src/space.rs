//! The settings that a search may try: every sensible combination of the knobs that move.
//!
//! What lives here: enumeration and the coordinates in which two settings are near or far.
//! What never does: measurements, or an opinion on which is best.

use knee_core::model::Concurrency;
use knee_core::runtimes::{self, Runtime, Surroundings};
use knee_core::service::{PlacedKnob, Service};
use knee_core::settings::{Effect, Range, Settings, Value};
use std::collections::BTreeSet;

/// One setting that may be tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Every knob's value.
    pub settings: Settings,
    /// What it can do at once, where a runtime's model says so.
    pub concurrency: Option<Concurrency>,
    /// Coordinates: near points behave alike. One unit is about a factor of e.
    pub point: Vec<f64>,
}

/// Which kinds of knob are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searched {
    /// Knobs that trade memory for CPU: only worth it where a collector uses CPU.
    pub memory: bool,
}

/// Candidates beyond this number are thinned out evenly; only wide knobs of a user's own get there.
const MOST: usize = 20_000;

/// Every candidate, today's settings first.
pub fn candidates(service: &Service, around: &Surroundings, searched: Searched) -> Vec<Candidate> {
    let today = settle(service, &service.current());
    let moving: Vec<&PlacedKnob> = moving(service, searched);
    let mut all = BTreeSet::new();
    let total = moving.iter().map(|k| ladder(k).len()).fold(1usize, usize::saturating_mul);
    for index in (0..total).step_by(total.div_ceil(MOST).max(1)) {
        let mut rest = index;
        let mut settings = today.clone();
        for knob in &moving {
            let values = ladder(knob);
            settings = settings.with(knob.knob.name.clone(), values[rest % values.len()].clone());
            rest /= values.len();
        }
        all.insert(settle(service, &settings));
    }
    all.remove(&today);
    all.retain(|settings| suits(service, &today, settings));
    std::iter::once(today)
        .chain(all)
        .map(|settings| candidate(service, around, &moving, settings))
        .collect()
}

/// The same service's settings as a candidate.
fn candidate(
    service: &Service,
    around: &Surroundings,
    moving: &[&PlacedKnob],
    settings: Settings,
) -> Candidate {
    let concurrency = concurrency(service, around, &settings);
    let mut point = concurrency.map_or(vec![], |c| {
        let slots = c.slots.unwrap_or(c.processes);
        vec![f64::from(slots).ln(), f64::from(c.processes).ln(), c.cores.max(0.1).ln()]
    });
    for knob in moving.iter().filter(|k| !modelled(k, concurrency.is_some())) {
        point.extend(coordinates(knob, &settings));
    }
    Candidate { settings, concurrency, point }
}

/// Whether the model's own coordinates already say all about a knob.
fn modelled(knob: &PlacedKnob, model: bool) -> bool {
    model
        && knob.knob.effect == Effect::Concurrency
        && matches!(knob.knob.range, Range::Integers { .. })
}

/// What the settings can do at once: the model of the program that serves. A front server
/// counts only where nothing that knee knows stands behind it.
pub fn concurrency(
    service: &Service,
    around: &Surroundings,
    settings: &Settings,
) -> Option<Concurrency> {
    Some((serving(service)?.1.model)(settings, around)?.concurrency())
}

/// The part that serves the requests, with its runtime.
pub fn serving(service: &Service) -> Option<(&'static str, &'static Runtime)> {
    let known = || service.parts().filter_map(|p| runtimes::by_id(p.runtime));
    let runtime = known().find(|r| !r.front).or_else(|| known().next())?;
    Some((runtime.id, runtime))
}

/// Settings made consistent by every runtime of the service.
pub fn settle(service: &Service, settings: &Settings) -> Settings {
    service
        .parts()
        .filter_map(|p| runtimes::by_id(p.runtime))
        .fold(settings.clone(), |settled, runtime| (runtime.settle)(&settled))
}

/// Whether every runtime can run the service under these settings.
fn suits(service: &Service, today: &Settings, settings: &Settings) -> bool {
    let mut runtimes = service.parts().filter_map(|p| runtimes::by_id(p.runtime));
    runtimes.all(|runtime| (runtime.suits)(today, settings))
}

/// The knobs that the search moves.
pub fn moving(service: &Service, searched: Searched) -> Vec<&PlacedKnob> {
    let server = serving(service).map(|(id, _)| id);
    service
        .knobs()
        .filter(|(part, knob)| match knob.knob.effect {
            Effect::Concurrency => server.is_none_or(|id| id == part.runtime),
            Effect::Memory => searched.memory,
            Effect::Unknown => true,
            Effect::Follows | Effect::Limit => false,
        })
        .map(|(_, knob)| knob)
        .collect()
}

/// The values of a knob that are worth telling apart, today's among them.
fn ladder(knob: &PlacedKnob) -> Vec<Value> {
    let (min, max) = match &knob.knob.range {
        Range::Choices(choices) => return choices.iter().map(|c| Value::from(&**c)).collect(),
        Range::Integers { min, max } => (*min, *max),
    };
    let today = knob.current.value.as_int().unwrap_or(min);
    let mut values = match knob.knob.effect {
        Effect::Memory => octaves(today, min, max),
        _ => (0..60)
            .flat_map(|k| [1i64 << k, (1i64 << k).saturating_mul(3) / 2])
            .filter(|v| (min..=max).contains(v))
            .collect(),
    };
    values.extend([min, max, today].into_iter().filter(|v| (min..=max).contains(v)));
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(Value::Int).collect()
}

/// Today's value, doubled and halved within the range.
fn octaves(today: i64, min: i64, max: i64) -> Vec<i64> {
    let doubled =
        std::iter::successors(Some(today.max(1)), |v| v.checked_mul(2).filter(|v| *v <= max));
    let halved =
        std::iter::successors(Some(today.max(1)), |v| Some(v / 2).filter(|v| *v >= min.max(1)));
    doubled.chain(halved).filter(|v| (min..=max).contains(v)).collect()
}

/// Coordinates of one knob: the logarithm of a number, a corner per choice.
fn coordinates(knob: &PlacedKnob, settings: &Settings) -> Vec<f64> {
    match (&knob.knob.range, settings.0.get(&*knob.knob.name)) {
        (Range::Choices(choices), Some(Value::Text(text))) => {
            choices.iter().map(|c| if c == text { 0.5 } else { 0.0 }).collect()
        }
        (_, Some(Value::Int(n))) => vec![(*n as f64 + 1.0).max(1.0).ln()],
        (range, _) => vec![0.0; if let Range::Choices(c) = range { c.len() } else { 1 }],
    }
}
