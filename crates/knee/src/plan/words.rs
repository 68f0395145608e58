//! An answer for a terminal: a table of task sizes, and what belongs to it in sentences.

use super::Answer;
use crate::render::table::{Column, Table};
use crate::render::text::wrap;
use crate::render::words::{rate, thousands};
use anstyle::Style;
use knee_core::Seconds;
use knee_core::observe::Resource;
use knee_plan::forecast::{Interval, Method};
use knee_plan::plan::{Choice, Impossible};
use std::fmt::Write;

/// Task sizes that are listed; the others are in the page and in the JSON document.
const LISTED: usize = 12;

/// The answer, `width` columns wide.
pub fn text(answer: &Answer, width: usize) -> String {
    let plan = &answer.plan;
    let mut text = format!("{}\n\n", headline(answer));
    let shown = listed(&plan.choices);
    if !shown.is_empty() {
        let table =
            Table { columns: columns(), rows: shown.iter().map(|c| row(answer, c)).collect() };
        let dim = Style::new().dimmed();
        for (index, line) in table.lines(width).iter().enumerate() {
            let style = if index == 0 { dim } else { Style::new() };
            let _ = writeln!(text, "{style}{line}{style:#}");
        }
        text += "\n";
    }
    for (name, sentences) in notes(answer) {
        for sentence in sentences {
            let _ = writeln!(text, "{}", wrap(&format!("{name}: {sentence}"), 2, width));
        }
    }
    text
}

/// What was asked, and the short answer.
pub fn headline(answer: &Answer) -> String {
    let plan = &answer.plan;
    let service = &answer.basis.profile.service;
    let asked = format!("{service}: {} requests/s within {}", rate(plan.rate), plan.goal);
    match (&plan.impossible, plan.choices.first()) {
        (Some(Impossible { resource, because, .. }), _) => {
            format!("{asked}: no setting can, by its {resource}: {because}")
        }
        (None, Some(best)) => format!(
            "{asked}: {} with {} for ${} a month",
            tasks(best),
            answer.settings(&best.settings),
            dollars(best.month.x86)
        ),
        (None, None) => format!("{asked}: no task size can"),
    }
}

fn tasks(choice: &Choice) -> String {
    format!("{} tasks of {}", thousands(choice.tasks.into()), choice.task)
}

/// The cheapest of each CPU size first, then what is left, up to a screen.
fn listed(choices: &[Choice]) -> Vec<&Choice> {
    let first = |c: &&Choice| {
        let same = choices.iter().find(|other| other.task.cpu == c.task.cpu);
        same.is_some_and(|other| other.task == c.task)
    };
    let mut kept: Vec<&Choice> = choices.iter().filter(first).collect();
    let rest: Vec<&Choice> = choices.iter().filter(|c| !first(c)).collect();
    kept.extend(rest.into_iter().take(LISTED.saturating_sub(kept.len())));
    kept.sort_by(|a, b| a.month.x86.total_cmp(&b.month.x86));
    kept
}

fn columns() -> Vec<Column> {
    vec![
        Column::words("task", 0),
        Column::words("settings", 1),
        Column::number("one carries", 2),
        Column::number("tasks", 0),
        Column::number("p50", 6),
        Column::number("p99", 3),
        Column::number("left", 7),
        Column::number("memory", 8),
        Column::number("$/month", 0),
        Column::number("Spot", 5),
        Column::number("ARM", 4),
        Column::words("gives out", 2),
    ]
}

/// The cells of a choice, as the terminal and the page show them.
pub fn row(answer: &Answer, choice: &Choice) -> Vec<String> {
    let load = &choice.load;
    vec![
        choice.task.to_string(),
        answer.settings(&choice.settings).to_string(),
        interval(&choice.carries.rate),
        thousands(choice.tasks.into()),
        latency(load.p50.value),
        latency(load.p99.value),
        format!("{:.0} %", 100.0 * choice.head_room),
        load.memory.expected.to_string(),
        dollars(choice.month.x86),
        dollars(choice.month.x86_spot),
        dollars(choice.month.arm),
        resource(choice.carries.binding).into(),
    ]
}

/// A rate and its interval: `104 (96 to 112)/s`.
pub fn interval(i: &Interval) -> String {
    let Interval { value, low, high } = *i;
    if low == high {
        format!("{}/s", rate(value))
    } else {
        format!("{} ({} to {})/s", rate(value), rate(low), rate(high))
    }
}

fn latency(seconds: f64) -> String {
    if seconds.is_finite() { Seconds(seconds).to_string() } else { "-".into() }
}

fn resource(resource: Resource) -> String {
    resource.to_string()
}

/// Dollars, whole ones where they are many.
pub fn dollars(amount: f64) -> String {
    if amount >= 100.0 { thousands(amount) } else { format!("{amount:.2}") }
}

/// What belongs to the table, by name.
pub fn notes(answer: &Answer) -> Vec<(&'static str, Vec<String>)> {
    let plan = &answer.plan;
    let best = plan.choices.first();
    let scaling = best.map(|best| {
        let tracking = &best.tracking;
        let cpu = tracking.cpu_percent.map_or(String::new(), |p| format!(" or CPU {p:.0} %"));
        format!(
            "target tracking at {} requests per target and minute{cpu}, because {}",
            thousands(tracking.requests_per_minute),
            tracking.because
        )
    });
    let instances = plan.instances.iter().map(|on| {
        format!(
            "{} {} carry {} tasks of {} for ${} a month",
            on.count,
            on.instance,
            on.tasks,
            on.task,
            dollars(on.month)
        )
    });
    let prices = &answer.prices;
    vec![
        ("rate", answer.rate_from.iter().cloned().collect()),
        ("what would have to change", plan.impossible.iter().map(|i| i.change.clone()).collect()),
        ("memory", best.and_then(killed).into_iter().collect()),
        ("scaling", scaling.into_iter().collect()),
        ("EC2", instances.collect()),
        ("from", vec![from(answer)]),
        ("checked", answer.basis.accuracy().into_iter().collect()),
        ("assumed", answer.basis.assumptions()),
        ("with care", answer.caveats.clone()),
        (
            "prices",
            vec![format!(
                "{}, {}, {}; ARM as if its vCPU were as fast, Spot at {:.0} % of On-Demand",
                prices.region,
                prices.date,
                prices.source,
                100.0 * prices.spot.share
            )],
        ),
    ]
}

fn from(answer: &Answer) -> String {
    let method = answer.plan.choices.first().map_or(Method::Bound, |c| c.carries.method);
    format!("{}; by {method}, {} % intervals carry what is uncertain in it", answer.basis.from, 90)
}

/// The probability of a kill for memory, where it is one to speak of.
fn killed(choice: &Choice) -> Option<String> {
    let need = &choice.load.memory;
    (need.kill >= 0.001).then(|| {
        format!(
            "{} of {} are expected; the kernel kills with a probability of {:.1} %",
            need.expected,
            choice.task.memory,
            100.0 * need.kill
        )
    })
}
