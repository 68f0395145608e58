//! The settings that a search may try: every sensible combination of the knobs that move.
//!
//! What lives here: enumeration and the coordinates in which two settings are near or far.
//! What never does: measurements, or an opinion on which is best.

use knee_core::model::Concurrency;
use knee_core::runtimes::{self, Cost, Heap, Runtime, Surroundings};
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
    /// What takes memory, each the more the more: processes, slots, what a memory knob says.
    pub amounts: Vec<f64>,
    /// What its memory settings cost compared with today's.
    pub cost: Cost,
    /// What the simulator says that it carries, requests/s; None where it was not asked.
    pub forecast: Option<f64>,
}

impl Candidate {
    /// What the setting takes, to choose between equals: processes, and a little for each slot.
    pub fn takes(&self) -> f64 {
        self.concurrency.map_or(1.0, |c| {
            let slots = f64::from(c.slots.unwrap_or(c.processes));
            f64::from(c.processes).max(1.0) + 0.1 * slots
        })
    }
}

/// Which kinds of knob are searched besides those of concurrency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Searched {
    /// Knobs that trade memory for CPU, where a collector uses enough of it: its heap today.
    pub heap: Option<Heap>,
    /// Limits that need only be wide enough: worth it where nothing else explains what gave out.
    pub limits: bool,
}

/// Share of the task's memory that a limit on memory may be set to.
const MEMORY_LIMITS: [f64; 2] = [0.9, 0.45];
/// How much wider a limit is tried.
const WIDER: i64 = 16;

/// Candidates beyond this number are thinned out evenly; only wide knobs of a user's own get there.
const MOST: usize = 20_000;

/// Every candidate, today's settings first. They alone may lie outside of the ranges.
pub fn candidates(service: &Service, around: &Surroundings, searched: Searched) -> Vec<Candidate> {
    let today = settle(service, &service.current());
    let start = allowed(service, &today);
    let moving: Vec<&PlacedKnob> = moving(service, searched);
    let axes = axes(&moving, around);
    let mut all = BTreeSet::new();
    let total = axes.iter().map(Vec::len).fold(1usize, usize::saturating_mul);
    for index in (0..total).step_by(total.div_ceil(MOST).max(1)) {
        let mut rest = index;
        let mut settings = start.clone();
        for axis in &axes {
            settings.0.extend(axis[rest % axis.len()].clone());
            rest /= axis.len();
        }
        all.insert(settle(service, &settings));
    }
    all.remove(&today);
    // What a runtime made of them has to be allowed, too.
    all.retain(|settings| {
        suits(service, &today, settings) && allowed(service, settings) == *settings
    });
    let cost = |settings: &Settings| match (serving(service), searched.heap) {
        (Some((_, runtime)), Some(heap)) => (runtime.collect)(&today, settings, heap),
        _ => Cost::default(),
    };
    let all = std::iter::once(&today).chain(&all);
    distinct(
        all.map(|settings| Candidate {
            cost: cost(settings),
            ..candidate(service, around, &moving, settings.clone())
        })
        .collect(),
    )
}

/// Settings with the nearest value that its range allows for every knob that has another: knee.toml
/// may allow less than there is today.
fn allowed(service: &Service, settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    let asked = service.knobs().filter(|(_, placed)| placed.knob.effect != Effect::Follows);
    for (_, PlacedKnob { knob, .. }) in asked {
        let Some(value) = settings.0.get_mut(&*knob.name) else { continue };
        match (&knob.range, &mut *value) {
            (Range::Integers { min, max }, Value::Int(n)) => *n = (*n).clamp(*min, *max),
            (Range::Choices(choices), Value::Text(text)) => {
                let stays = choices.iter().any(|choice| choice == text);
                if let Some(first) = choices.first().filter(|_| !stays) {
                    *value = Value::from(&**first);
                }
            }
            _ => {}
        }
    }
    settings
}

/// What can be turned independently, each with its alternatives: every knob by itself, the
/// limits all together.
fn axes(moving: &[&PlacedKnob], around: &Surroundings) -> Vec<Vec<Vec<(String, Value)>>> {
    let named = |knob: &PlacedKnob, value: Value| (knob.knob.name.to_string(), value);
    let (limits, others): (Vec<&PlacedKnob>, Vec<&PlacedKnob>) =
        moving.iter().partition(|k| k.knob.effect == Effect::Limit);
    let mut axes: Vec<Vec<Vec<(String, Value)>>> = others
        .into_iter()
        .map(|knob| ladder(knob, around).into_iter().map(|v| vec![named(knob, v)]).collect())
        .collect();
    if !limits.is_empty() {
        axes.push(vec![vec![], limits.iter().map(|knob| named(knob, wide(knob))).collect()]);
    }
    axes
}

/// A limit so wide that it hardly binds.
fn wide(knob: &PlacedKnob) -> Value {
    match (&knob.knob.range, knob.current.value.as_int()) {
        (Range::Integers { min, max }, Some(today)) => {
            Value::Int(today.max(1).saturating_mul(WIDER).clamp(*min, *max))
        }
        _ => knob.current.value.clone(),
    }
}

/// The candidates that can be told apart: of those that the model and every other knob see as
/// one (more threads than there are CPUs), the first is kept: today's, else the smallest.
fn distinct(all: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(all.len());
    let mut seen = BTreeSet::new();
    for candidate in all {
        let bits: Vec<u64> = candidate.point.iter().map(|x| x.to_bits()).collect();
        if candidate.point.is_empty() || seen.insert(bits) {
            kept.push(candidate);
        }
    }
    kept
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
        point.extend(coordinates(knob, &settings, around));
    }
    let amounts = amounts(moving, &settings, concurrency, around);
    Candidate { settings, concurrency, point, amounts, cost: Cost::default(), forecast: None }
}

fn amounts(
    moving: &[&PlacedKnob],
    settings: &Settings,
    concurrency: Option<Concurrency>,
    around: &Surroundings,
) -> Vec<f64> {
    let numbers = moving
        .iter()
        .filter(|k| matches!(k.knob.range, Range::Integers { .. }))
        .filter(|k| k.knob.effect != Effect::Concurrency || concurrency.is_none())
        .filter_map(|k| number(k, settings.0.get(&*k.knob.name)?, around))
        .map(|n| n as f64);
    let c = concurrency.map(|c| [f64::from(c.processes), f64::from(c.slots.unwrap_or(0))]);
    c.into_iter().flatten().chain(numbers).collect()
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
            Effect::Memory => searched.heap.is_some(),
            Effect::Limit => searched.limits,
            Effect::Unknown => true,
            Effect::Follows | Effect::Kept => false,
        })
        .map(|(_, knob)| knob)
        .collect()
}

/// The values of a knob that are worth telling apart, today's among them where its range allows it.
fn ladder(knob: &PlacedKnob, around: &Surroundings) -> Vec<Value> {
    let (min, max) = match &knob.knob.range {
        Range::Choices(choices) => return choices.iter().map(|c| Value::from(&**c)).collect(),
        Range::Integers { min, max } => (*min, *max),
    };
    let number = number(knob, &knob.current.value, around);
    let today = number.unwrap_or(min).clamp(min, max);
    let mut values = match knob.knob.effect {
        Effect::Memory if knob.knob.unit == "MiB" => {
            let task = (around.task_memory >> 20) as f64;
            MEMORY_LIMITS.map(|share| ((share * task) as i64).clamp(min, max)).to_vec()
        }
        Effect::Memory => octaves(today, min, max),
        _ => {
            let steps = (0..60).flat_map(|k| [1i64 << k, (1i64 << k).saturating_mul(3) / 2]);
            steps.chain([min, max]).collect()
        }
    };
    // No limit stays one of them where the range goes that far.
    let word = knob.current.value.as_text();
    let word = word.filter(|_| number.is_some_and(|n| (min..=max).contains(&n)));
    if word.is_none() {
        values.push(today);
    }
    values.retain(|v| (min..=max).contains(v));
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(Value::Int).chain(word.map(Value::from)).collect()
}

/// A knob's value as a number. A word in place of one says that nothing limits memory: then the task does,
/// or a collector gets more than its range has.
fn number(knob: &PlacedKnob, value: &Value, around: &Surroundings) -> Option<i64> {
    match (value, &knob.knob.range) {
        (Value::Int(n), _) => Some(*n),
        (Value::Text(_), Range::Integers { max, .. }) if knob.knob.effect == Effect::Memory => {
            let task = (around.task_memory >> 20) as i64;
            Some(if knob.knob.unit == "MiB" { task } else { max.saturating_mul(2) })
        }
        _ => None,
    }
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
fn coordinates(knob: &PlacedKnob, settings: &Settings, around: &Surroundings) -> Vec<f64> {
    // A wider limit is one step away, as are all limits together.
    let scale = if knob.knob.effect == Effect::Limit { (WIDER as f64).ln() } else { 1.0 };
    let value = settings.0.get(&*knob.knob.name);
    match (&knob.knob.range, value) {
        (Range::Choices(choices), Some(Value::Text(text))) => {
            choices.iter().map(|c| if c == text { 0.5 } else { 0.0 }).collect()
        }
        (range, value) => match value.and_then(|value| number(knob, value, around)) {
            Some(n) => vec![(n as f64 + 1.0).max(1.0).ln() / scale],
            None => vec![0.0; if let Range::Choices(c) = range { c.len() } else { 1 }],
        },
    }
}

#[cfg(test)]
mod tests;
