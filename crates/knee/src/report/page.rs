//! What the page of a run shows, in the words of its template.

use super::bars;
use super::changes::{self, Line, between};
use super::curves::Series;
use super::figures::{self, Figure};
use super::glossary::{self, Piece, Term};
use super::steps::Curves;
use super::story::{Attempt, Story};
use super::trials::{self, TrialRow};
use super::verdict::{self, Headline};
use super::words as say;
use askama::Template;
use knee_core::event::{Estimate, Fact, Started};
use knee_core::observe::{Limit, Validity};
use knee_core::settings::Value;

/// The page of a run.
#[derive(Template)]
#[template(path = "report.html")]
pub struct Page<'a> {
    subject: &'a str,
    told: String,
    version: Option<&'a str>,
    headline: Headline,
    validity: Validity,
    figures: Vec<Figure>,
    lead: String,
    curves: Option<Curves<'a>>,
    gave_out: Vec<GaveOut>,
    trials: Vec<TrialRow<'a>>,
    confirmation: Option<Confirmed>,
    changes: Vec<ChangeRow<'a>>,
    patches: Vec<PatchView<'a>>,
    facts: &'a [Fact],
    calibration: Vec<Figure>,
    conditions: Vec<(&'static str, String)>,
    glossary: Vec<Term>,
}

/// The resource that gave out under some settings.
pub struct GaveOut {
    /// Under which.
    pub when: &'static str,
    /// Its colour: `today` or `best`.
    pub class: &'static str,
    /// Its name.
    pub resource: String,
    /// How that is known.
    pub evidence: String,
    /// What it means and what helps.
    pub advice: Vec<Piece>,
}

impl GaveOut {
    /// A limit in words.
    pub fn of(when: &'static str, class: &'static str, limit: &Limit) -> GaveOut {
        let (resource, evidence) = (say::resource(limit.resource), say::joined(&limit.evidence));
        let advice = glossary::advice(&limit.resource.to_string());
        GaveOut { when, class, resource, evidence, advice }
    }
}

/// The pairs, drawn.
struct Confirmed {
    lead: String,
    pairs: String,
    gain: Option<String>,
}

/// A setting that changes.
struct ChangeRow<'a> {
    knob: &'a str,
    from: String,
    to: String,
    doc: &'a str,
    origin: String,
}

/// A patch, line by line.
struct PatchView<'a> {
    path: &'a str,
    lines: Vec<Line<'a>>,
}

impl<'a> Page<'a> {
    /// The page as far as the run came.
    pub fn of(story: &Story<'a>) -> Page<'a> {
        let started = story.started();
        Page {
            subject: started.map_or("a service", |s| &s.service),
            told: started.map_or("knee tune".into(), told),
            version: started.map(|s| s.knee.as_str()),
            headline: verdict::of(story),
            validity: story.validity(),
            figures: figures::key(story),
            lead: lead(story),
            curves: curves(story),
            gave_out: gave_out(story),
            trials: trials::rows(story),
            confirmation: confirmation(story),
            changes: change_rows(story),
            patches: patches(story),
            facts: started.map_or(&[], |s| &s.facts),
            calibration: figures::calibration(story),
            conditions: started.map_or(vec![], conditions),
            glossary: glossary::of(&glossary::TUNE),
        }
    }
}

/// The line above the verdict.
fn told(started: &Started) -> String {
    format!("knee tune · {} · {}", started.task.value, say::date(started.at))
}

/// Today's curve, and the winner's where there is one.
fn compared<'r, 'a>(story: &'r Story<'a>) -> Vec<(&'static str, &'static str, &'r Attempt<'a>)> {
    let today = story.baseline().map(|a| ("today", "today", a));
    let best = if story.verdict().is_some() { "best" } else { "best so far" };
    let winner = story.winner().map(|a| (best, "best", a));
    today.into_iter().chain(winner).collect()
}

fn curves<'a>(story: &Story<'a>) -> Option<Curves<'a>> {
    let series = |(name, class, attempt): (&'static str, &'static str, &Attempt<'a>)| match attempt
        .capacity()
    {
        Some(capacity) => Series::of(name, class, capacity),
        None => Series {
            name,
            class,
            steps: attempt.curve().iter().collect(),
            capacity: None,
            knee: None,
        },
    };
    let series: Vec<Series<'a>> = compared(story).into_iter().map(series).collect();
    Curves::of(&series, &story.started()?.goal.value)
}

fn lead(story: &Story<'_>) -> String {
    let Some(started) = story.started() else { return String::new() };
    let (task, goal) = (started.task.value, started.goal.value);
    say::joined(&format!(
        "Offered at rising rates under the limits of the task, {task}. The goal: {goal}."
    ))
}

fn gave_out(story: &Story<'_>) -> Vec<GaveOut> {
    let one = |(_, class, attempt): (&'static str, &'static str, &Attempt<'_>)| {
        let when =
            if class == "today" { "With today's settings" } else { "With the best settings" };
        Some(GaveOut::of(when, class, attempt.limit()?))
    };
    compared(story).into_iter().filter_map(one).collect()
}

fn confirmation(story: &Story<'_>) -> Option<Confirmed> {
    let confirmation = story.verdict().and_then(|v| v.confirmation.as_ref());
    let pairs = confirmation.map_or(&story.run.pairs, |c| &c.pairs);
    let lead = match story.verdict() {
        Some(_) => format!(
            "Today's settings and the best, one after the other in an order by chance, so that a \
             drift of the host favours neither.{}",
            confirmation.and_then(|c| c.uncorrected).map_or(String::new(), corrected)
        ),
        None => format!(
            "{} of at most {} pairs were measured.",
            story.run.pairs.len(),
            story.run.planned
        ),
    };
    Some(Confirmed { lead, pairs: bars::pairs(pairs)?, gain: confirmation.map(bars::gain) })
}

fn corrected(raw: Estimate) -> String {
    format!(
        " The dots are as measured. The gain takes the host's speed during each into account; \
         without that it is {} ({} to {}).",
        say::change(raw.gain),
        say::change(raw.interval.0),
        say::change(raw.interval.1)
    )
}

fn change_rows<'a>(story: &Story<'a>) -> Vec<ChangeRow<'a>> {
    let (Some(today), Some(best)) = (story.baseline(), story.winner()) else { return vec![] };
    let knobs = story.started().map_or(&[][..], |s| &s.knobs);
    let row = |change: changes::Change<'a>| {
        let fact = knobs.iter().find(|k| k.name == change.knob);
        let unit = fact.map_or("", |f| f.unit.as_str());
        let shown = |value: Option<&Value>| match value {
            Some(value) if unit.is_empty() || value.as_text().is_some() => value.to_string(),
            Some(value) => format!("{value}\u{a0}{unit}"),
            None => say::NONE.into(),
        };
        ChangeRow {
            knob: change.knob,
            from: shown(change.from),
            to: shown(change.to),
            doc: fact.map_or("", |f| f.doc.as_str()),
            origin: fact.map_or(say::NONE.into(), |f| f.current.origin.to_string()),
        }
    };
    between(today.settings, best.settings).into_iter().map(row).collect()
}

fn patches<'a>(story: &Story<'a>) -> Vec<PatchView<'a>> {
    let patches = story.verdict().map_or(&[][..], |v| &v.patches);
    patches.iter().map(|p| PatchView { path: &p.path, lines: changes::lines(&p.diff) }).collect()
}

fn conditions(started: &Started) -> Vec<(&'static str, String)> {
    let machine = &started.machine;
    let weights: f64 = started.requests.iter().map(|r| r.weight).sum();
    let request = |r: &knee_core::workload::Request| match started.requests.len() {
        1 => format!("{} {}", r.method, r.path),
        _ => format!("{} {} ({})", r.method, r.path, say::percent(r.weight / weights)),
    };
    let requests: Vec<String> = started.requests.iter().map(request).collect();
    let cgroup = match machine.cgroup {
        0 => "no cgroup".into(),
        version => format!("cgroup v{version}"),
    };
    let memory = knee_core::Bytes(machine.memory);
    let knob = |k: &knee_core::event::KnobFact| format!("{} {}", k.name, k.range);
    let knobs: Vec<String> = started.knobs.iter().map(knob).collect();
    vec![
        ("task", started.task.to_string()),
        ("goal", started.goal.to_string()),
        ("requests", requests.join(", ")),
        ("what may move", knobs.join(", ")),
        ("limits", started.confinement.clone()),
        (
            "machine",
            format!(
                "{}, {}, {memory}, kernel {}, {cgroup}",
                machine.cpu,
                say::count(machine.cpus as usize, "CPU"),
                machine.kernel
            ),
        ),
        ("seed of the arrivals", started.seed.to_string()),
        ("started", say::date(started.at)),
        ("version", format!("knee {}", started.knee)),
    ]
}
