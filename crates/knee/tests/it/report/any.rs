//! Whatever the log of a run says, its report is a page: any part of it may be missing, out of
//! order or repeated, any number beyond reason, any text hostile.

use super::{parsed, text};
use crate::samples::{self, Sample};
use knee_core::event::Event;
use proptest::prelude::*;
use serde_json::{Number, Value};
use std::sync::LazyLock;

/// Texts that would break out of where they are put.
const HOSTILE: [&str; 6] = [
    "</title></style></script><script>alert(1)</script>",
    "\"' onload='alert(1)' x=\"",
    "]]> --> <!-- <![CDATA[ &amp; &nosuch; {{ }}",
    "a\u{0}b\u{1b}[31m\u{fffe}\u{ffff}\r\n\t\u{85}c",
    "שלום עולם 日本語 e\u{301} 🦵",
    "",
];

/// Numbers at the ends of what JSON can say.
const EXTREME: [f64; 8] = [0.0, -0.0, -1.0, 1e308, -1e308, 5e-324, 1e-12, 123_456_789.123];

/// One change of a log: which leaf of which event, and to what.
#[derive(Clone, Debug)]
struct Change {
    event: prop::sample::Index,
    leaf: prop::sample::Index,
    to: usize,
}

fn change() -> impl Strategy<Value = Change> {
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..HOSTILE.len() * EXTREME.len())
        .prop_map(|(event, leaf, to)| Change { event, leaf, to })
}

/// The places of a value's numbers and texts.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| leaves(v, &format!("{at}/{i}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(k, v)| leaves(v, &format!("{at}/{k}"), found));
        }
        Value::Number(_) | Value::String(_) => found.push(at.into()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The event with one leaf changed; as it was where that would be no event.
fn changed(event: &Event, change: &Change) -> Event {
    let mut json = serde_json::to_value(event).unwrap();
    let mut places = vec![];
    leaves(&json, "", &mut places);
    // A goal was checked when it was read, and its words are its own.
    places.retain(|place| !place.starts_with("/goal/"));
    let leaf = json.pointer_mut(&places[change.leaf.index(places.len())]).unwrap();
    *leaf = match leaf {
        Value::String(_) => HOSTILE[change.to % HOSTILE.len()].into(),
        Value::Number(n) if n.is_f64() => {
            Value::Number(Number::from_f64(EXTREME[change.to % EXTREME.len()]).unwrap())
        }
        _ => [0u64, 1, u64::from(u32::MAX), u64::MAX][change.to % 4].into(),
    };
    serde_json::from_value(json).unwrap_or_else(|_| event.clone())
}

/// What no reader should meet, a figure that is none, with the words around it.
fn no_figure(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let none = |w: &&str| ["NaN", "nan", "inf", "infinity"].contains(w);
    let at = words.iter().position(none)?;
    Some(words[at.saturating_sub(8)..words.len().min(at + 8)].join(" "))
}

/// Well-formed, free of figures that are none, and of script that is not its own.
fn check(events: &[Event]) {
    let page = knee::report::html(events);
    let document = parsed(&page);
    assert_eq!(no_figure(&text(&document)), None);
    let scripts = document.descendants().filter(|n| n.has_tag_name("script")).count();
    assert_eq!(scripts, 1);
    for attribute in document.descendants().flat_map(|n| n.attributes()) {
        let (name, value) = (attribute.name(), attribute.value());
        assert!(!name.starts_with("on"), "{name}={value}");
        if ["x", "y", "x1", "x2", "y1", "y2", "width", "height"].contains(&name) {
            let number: f64 = value.trim_end_matches('%').parse().unwrap();
            assert!(number.is_finite(), "{name}={value}");
        }
        if name == "points" {
            let numbers = value.split([' ', ',']).map(|n| n.parse::<f64>().unwrap());
            assert!(numbers.into_iter().all(f64::is_finite), "{value}");
        }
    }
}

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(samples::all);

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_log_is_a_page(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 0..12),
        keep in prop::collection::vec(prop::bool::weighted(0.9), 60),
        swap in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut events = sample.get(&SAMPLES[..]).events.clone();
        for change in &changes {
            let event = change.event.index(events.len());
            events[event] = changed(&events[event], change);
        }
        let (a, b) = (swap.0.index(events.len()), swap.1.index(events.len()));
        events.swap(a, b);
        let mut keep = keep.into_iter().cycle();
        events.retain(|_| keep.next().unwrap());
        check(&events);
    }
}

/// JSON cannot carry these, memory can.
#[test]
fn numbers_that_are_none_are_dashes() {
    for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for sample in samples::all() {
            let mut events = sample.events;
            for event in &mut events {
                spoil(event, none);
            }
            check(&events);
        }
    }
}

fn spoil(event: &mut Event, none: f64) {
    match event {
        Event::Started(started) => started.requests[0].weight = none,
        Event::Calibrated { calibration, bound } => {
            calibration.cpu.0 = none;
            calibration.rate = none;
            bound.rate = none;
        }
        Event::Trying { forecast, .. } => *forecast = Some(none),
        Event::Stepped { step, .. } => step.latency.goal = none,
        Event::Tried(trial) => {
            trial.bound = Some(none);
            trial.seconds = none;
            if let Some(capacity) = &mut trial.capacity {
                capacity.rate = none;
                for step in &mut capacity.curve {
                    (step.offered, step.throughput, step.latency.p50) = (none, none, none);
                    step.usage.iter_mut().for_each(|u| (u.cpu, u.throttled) = (none, none));
                }
            }
        }
        Event::Paired { baseline, best, .. } => (*baseline, *best) = (none, none),
        Event::Ended(verdict) => {
            if let Some(confirmation) = &mut verdict.confirmation {
                (confirmation.gain, confirmation.interval) = (none, (none, none));
                confirmation.pairs[0] = (none, none);
            }
        }
    }
}
