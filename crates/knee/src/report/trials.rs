//! The trials as rows of a table and of a picture.

use super::bars;
use super::changes::between;
use super::story::{Attempt, Story};
use super::svg::Scale;
use super::words as say;
use crate::render::figures::{Figures, NONE, cause};
use knee_core::settings::Value;

/// One trial.
pub struct TrialRow<'a> {
    /// Its number.
    pub number: u32,
    /// What it was in the run: `today`, `best`, `rejected`, `abandoned` or `unfinished`.
    pub role: Option<&'static str>,
    /// The settings that differ between the trials.
    pub varied: String,
    /// Its bar as SVG.
    pub bar: String,
    /// All its settings.
    pub settings: Vec<Setting<'a>>,
    /// Capacity, expected, bound, p50, p99, CPU and memory.
    pub cells: [String; 7],
    /// The resource that gave out.
    pub gave_out: String,
    /// How long it took.
    pub took: String,
    /// Why it was tried, why it cannot be taken, and how the resource is known.
    pub notes: String,
    /// What the service itself said when it failed; empty otherwise.
    pub output: &'a str,
}

/// A knob as it was set.
pub struct Setting<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a Value,
    /// Whether today's is another.
    pub changed: bool,
}

/// A row per trial.
pub fn rows<'a>(story: &Story<'a>) -> Vec<TrialRow<'a>> {
    let x = bars::scale(story);
    let turned = story.run.turned();
    story.attempts.iter().map(|attempt| row(story, attempt, &turned, &x)).collect()
}

fn row<'a>(story: &Story<'a>, attempt: &Attempt<'a>, turned: &[&str], x: &Scale) -> TrialRow<'a> {
    let role = role(story, attempt);
    TrialRow {
        number: attempt.number,
        role,
        varied: short(attempt, turned),
        bar: bars::bar(attempt, role.unwrap_or("other"), x),
        settings: settings(story, attempt),
        cells: cells(attempt),
        gave_out: attempt.limit().map_or(NONE.into(), |l| say::resource(l.resource)),
        took: attempt.trial.map_or(NONE.into(), |t| say::duration(t.seconds)),
        notes: notes(attempt),
        output: attempt
            .rejected()
            .and_then(|why| why.split_once('\n'))
            .map_or("", |(_, said)| said),
    }
}

/// The settings that differ between the trials; all of them where there is only one trial.
fn short(attempt: &Attempt<'_>, turned: &[&str]) -> String {
    let all = attempt.settings.0.iter();
    let shown = all.filter(|(knob, _)| turned.is_empty() || turned.contains(&knob.as_str()));
    shown.map(|(knob, value)| format!("{knob}={value}")).collect::<Vec<_>>().join(" ")
}

fn role(story: &Story<'_>, attempt: &Attempt<'_>) -> Option<&'static str> {
    let is = |other: Option<&Attempt<'_>>| other.is_some_and(|o| o.number == attempt.number);
    if attempt.rejected().is_some() {
        Some("rejected")
    } else if is(story.baseline()) {
        Some("today")
    } else if is(story.winner()) {
        Some("best")
    } else if attempt.trial.is_none() {
        Some("unfinished")
    } else {
        attempt.abandoned().map(|_| "abandoned")
    }
}

fn settings<'a>(story: &Story<'a>, attempt: &Attempt<'a>) -> Vec<Setting<'a>> {
    let today = story.baseline().map_or(attempt.settings, |today| today.settings);
    let changed = between(today, attempt.settings);
    let setting = |(name, value): (&'a String, &'a Value)| Setting {
        name,
        value,
        changed: changed.iter().any(|c| c.knob == name),
    };
    attempt.settings.0.iter().map(setting).collect()
}

fn cells(attempt: &Attempt<'_>) -> [String; 7] {
    let figures = attempt.trial.map(Figures::of);
    let shown = |figure: fn(&Figures) -> &String| figures.as_ref().map(figure).cloned();
    let expected = attempt.forecast().map(say::rate);
    let bound = attempt.trial.and_then(|t| t.bound).map(say::rate);
    [
        shown(|f| &f.capacity),
        expected,
        bound,
        shown(|f| &f.p50),
        shown(|f| &f.p99),
        shown(|f| &f.cpu),
        shown(|f| &f.memory),
    ]
    .map(|cell| cell.unwrap_or(NONE.into()))
}

fn notes(attempt: &Attempt<'_>) -> String {
    let because = attempt.expectation.map(|e| format!("Tried: {}.", e.because));
    let rejected = attempt.rejected().map(|why| format!("Rejected: {}.", cause(why)));
    let known = attempt.limit().filter(|l| !l.evidence.is_empty());
    let evidence =
        known.map(|l| format!("Gave out: {}, {}.", say::resource(l.resource), l.evidence));
    let doubts = attempt.capacity().into_iter().flat_map(|c| &c.validity.invalid);
    let doubts = doubts.map(|reason| format!("Not to be believed: {reason}."));
    let all = [because, evidence, rejected].into_iter().flatten().chain(doubts);
    say::joined(&all.collect::<Vec<_>>().join(" "))
}
