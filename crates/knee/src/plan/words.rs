//! An answer for a terminal: a table of task sizes, and what belongs to it in sentences.

use super::Answer;
use crate::render::table::{Column, Table};
use crate::render::text::wrap;
use crate::render::words::{rate, thousands};
use anstyle::Style;
use knee_core::Seconds;
use knee_plan::forecast::{Interval, Method};
use knee_plan::plan::{Choice, Impossible};
use std::fmt::Write;

/// A size is listed beside a cheaper one with as much CPU if it carries so much more.
const WORTH: f64 = 1.05;

/// The answer, `width` columns wide.
pub fn text(answer: &Answer, width: usize) -> String {
    let plan = &answer.plan;
    let mut text = format!("{}\n\n", headline(answer));
    let shown = listed(&plan.choices);
    if !shown.is_empty() {
        let table =
            Table { columns: columns(), rows: shown.iter().map(|c| row(answer, c)).collect() };
        let dim = Style::new().dimmed();
        let lines = table.lines(width);
        for (index, line) in lines.iter().enumerate() {
            let style = if index == 0 { dim } else { Style::new() };
            let _ = writeln!(text, "{style}{line}{style:#}");
        }
        text += "\n";
        if lines.iter().any(|line| line.ends_with('…')) {
            for choice in &shown {
                let line = format!("{}: {}", choice.task, answer.settings(&choice.settings));
                let _ = writeln!(text, "{}", wrap(&line, 2, width));
            }
            text += "\n";
        }
    }
    text += &overload(answer, width);
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

/// The cheapest of each CPU size, and those whose memory makes a task carry more than it.
fn listed(choices: &[Choice]) -> Vec<&Choice> {
    let worth = |c: &&Choice| {
        let cheaper = choices.iter().take_while(|other| other.task != c.task);
        let most = cheaper
            .filter(|other| other.task.cpu == c.task.cpu)
            .map(|other| other.carries.rate.value)
            .reduce(f64::max);
        most.is_none_or(|most| c.carries.rate.value > WORTH * most)
    };
    choices.iter().filter(worth).collect()
}

fn columns() -> Vec<Column> {
    vec![
        Column::words("task", 0),
        Column::number("one carries", 2),
        Column::number("tasks", 0),
        Column::number("p50", 8),
        Column::number("p99", 3),
        Column::number("left", 6),
        Column::number("memory", 7),
        Column::number("$/month", 0),
        Column::number("Spot", 5),
        Column::number("ARM", 5),
        Column::words("gives out", 4),
        Column::words("settings", 1),
    ]
}

/// The cells of a choice, as the terminal and the page show them.
pub fn row(answer: &Answer, choice: &Choice) -> Vec<String> {
    let load = &choice.load;
    vec![
        choice.task.to_string(),
        interval(&choice.carries.rate),
        thousands(choice.tasks.into()),
        latency(load.p50.value),
        between(&load.p99),
        format!("{:.0} %", 100.0 * choice.head_room),
        load.memory.expected.to_string(),
        dollars(choice.month.x86),
        dollars(choice.month.x86_spot),
        dollars(choice.month.arm),
        choice.carries.binding.to_string(),
        answer.settings(&choice.settings).to_string(),
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

/// A latency and its interval: `116 (104 to 131) ms`.
fn between(i: &Interval) -> String {
    let said = [i.value, i.low, i.high].map(latency);
    let [value, low, high] = said.each_ref().map(|s| s.split_once(' ').unwrap_or((s, "")));
    match (low.1 == value.1 && high.1 == value.1, low.0 == high.0) {
        (_, true) => said[0].clone(),
        (true, _) => format!("{} ({} to {}) {}", value.0, low.0, high.0, value.1),
        (false, _) => format!("{} ({} to {})", said[0], said[1], said[2]),
    }
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
    let more = plan.choices.len() - listed(&plan.choices).len();
    let more = (more > 0).then(|| {
        format!("{more} sizes with more memory carry no more; --html and --json have them all")
    });
    vec![
        ("sizes", more.into_iter().collect()),
        ("traffic", answer.traffic.iter().cloned().collect()),
        ("rate", answer.rate_from.iter().cloned().collect()),
        ("what would have to change", plan.impossible.iter().map(|i| i.change.clone()).collect()),
        ("memory", best.and_then(killed).into_iter().collect()),
        ("scaling", scaling.into_iter().collect()),
        ("EC2", instances.collect()),
        ("from", vec![from(answer)]),
        ("checked", answer.basis.accuracy().into_iter().collect()),
        ("cross-check", answer.basis.cross_check().into_iter().collect()),
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

/// The cheapest task under more and more load, where clients give up: that is where they matter.
fn overload(answer: &Answer, width: usize) -> String {
    let curve = answer.plan.curve.as_ref().filter(|_| answer.impatient);
    let Some(curve) = curve else { return String::new() };
    let columns = vec![
        Column::number("asked", 0),
        Column::number("answered in time", 0),
        Column::number("p50", 2),
        Column::number("p99", 1),
        Column::number("failed", 0),
        Column::number("attempts each", 3),
        Column::number("CPU", 4),
    ];
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let rows = curve.points.iter().map(|point| {
        vec![
            format!("{}/s", rate(point.rate)),
            format!("{}/s", rate(point.answered)),
            latency(point.p50),
            latency(point.p99),
            share(point.errors),
            format!("{:.2}", point.attempts),
            format!("{:.0} %", 100.0 * point.cpu),
        ]
    });
    let mut text = format!("One task of {} under load:\n", curve.task);
    for line in (Table { columns, rows: rows.collect() }).lines(width) {
        let _ = writeln!(text, "{line}");
    }
    text + "\n"
}

fn from(answer: &Answer) -> String {
    let method = answer.plan.choices.first().map_or(Method::Bound, |c| c.carries.method);
    let residual = &answer.basis.profile.residual;
    format!(
        "{}; by {method}, 90 % intervals carry what is uncertain in it and how far off forecasts were beyond that: capacities \
         by {:.0} %, 99th percentiles by {:.0} % (one standard deviation)",
        answer.basis.from,
        100.0 * residual.capacity.deviation,
        100.0 * residual.latency.deviation
    )
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
