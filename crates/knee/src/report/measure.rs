//! What `knee measure` found, as a page: one curve, and what follows from it.

use super::curves::Series;
use super::figures::Figure;
use super::glossary::{self, Term};
use super::page::GaveOut;
use super::steps::Curves;
use super::verdict::Headline;
use super::words as say;
use crate::render::curve::Measurement;
use crate::render::words::reasons;
use askama::Template;
use knee_core::observe::{Latency, Usage, Validity};

/// The page of a measurement.
#[derive(Template)]
#[template(path = "measure.html")]
pub struct MeasurePage<'a> {
    subject: &'a str,
    told: String,
    version: Option<&'static str>,
    headline: Headline,
    validity: &'a Validity,
    figures: Vec<Figure>,
    curves: Option<Curves<'a>>,
    gave_out: Vec<GaveOut>,
    conditions: Vec<(&'static str, String)>,
    glossary: Vec<Term>,
}

impl<'a> MeasurePage<'a> {
    /// The page of a measurement made `at` seconds after 1970-01-01 UTC.
    pub fn of(measurement: &'a Measurement, at: u64) -> MeasurePage<'a> {
        let capacity = &measurement.capacity;
        let series = Series::of("capacity", "best", capacity);
        let limit = &capacity.limited_by;
        MeasurePage {
            subject: &measurement.url,
            told: format!("knee measure · {}", say::date(at)),
            version: Some(env!("CARGO_PKG_VERSION")),
            headline: headline(measurement),
            validity: &capacity.validity,
            figures: figures(measurement),
            curves: Curves::of(&[series], &measurement.goal),
            gave_out: vec![GaveOut::of("Just above the capacity", "best", limit)],
            conditions: vec![
                ("what was asked for", measurement.url.clone()),
                ("goal", measurement.goal.to_string()),
                ("the load generator can make", say::per_second(measurement.ceiling)),
                ("measured", say::date(at)),
                ("version", format!("knee {}", env!("CARGO_PKG_VERSION"))),
            ],
            glossary: glossary::of(&glossary::MEASURE),
        }
    }
}

/// The sentences of the terminal, the first of them as the verdict.
fn headline(measurement: &Measurement) -> Headline {
    let capacity = &measurement.capacity;
    let held = measurement.goal.rate.map_or(capacity.rate > 0.0, |rate| capacity.rate >= rate);
    let (badge, class) = match (measurement.goal.rate, held) {
        _ if !capacity.validity.is_valid() => ("Inconclusive", "doubtful"),
        (None, true) if measurement.all_held() => ("Every rate held", "good"),
        (None, true) => ("Capacity found", "good"),
        (Some(_), true) => ("Goal held", "good"),
        (_, false) => ("Goal missed", "bad"),
    };
    // The reasons for doubt have a place of their own on the page.
    let doubts = reasons(&capacity.validity);
    let mut sentences = measurement.sentences().into_iter().filter(|s| !doubts.contains(s));
    let claim = sentences.next().unwrap_or_default();
    let details = sentences.map(|s| say::joined(&format!("{}.", say::capital(&s)))).collect();
    Headline { badge, class, claim: say::joined(&say::capital(&claim)), interval: None, details }
}

fn figures(measurement: &Measurement) -> Vec<Figure> {
    let capacity = &measurement.capacity;
    let at = capacity.at.as_ref();
    let latency = |name: &str, of: fn(&Latency) -> f64| {
        let value = at.map_or(say::NONE.into(), |step| say::time(of(&step.latency)));
        Figure::plain(&format!("{name} at capacity"), value, "")
    };
    let usage = at.and_then(|step| step.usage.as_ref());
    let used = |name: &str, unit: &str, of: fn(&Usage) -> String| {
        usage.map(|usage| Figure::plain(name, of(usage), unit))
    };
    let knee = measurement.knee.map_or(say::NONE.into(), say::rate);
    let mut figures = vec![
        Figure::plain("Capacity", say::rate(capacity.rate), "requests/s"),
        latency("p50", |l| l.p50),
        latency(&measurement.goal.quantile_name(), |l| l.goal),
        Figure::plain("Knee", knee, "requests/s"),
    ];
    figures.extend(used("CPU used at capacity", "cores", |u| say::cores(u.cpu)));
    figures.extend(used("Memory at capacity", "", |u| u.memory.to_string()));
    figures
}
