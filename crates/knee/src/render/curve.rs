//! What `knee measure` found: the curve over offered rate as a table, and in sentences.

use crate::render::table::{Column, Table};
use crate::render::text::wrap;
use crate::render::words;
use anstyle::{AnsiColor, Style};
use knee_core::observe::{Capacity, Outcome, Resource, Step};
use knee_core::{Goal, Seconds};
use serde::Serialize;
use std::fmt::Write;

/// A measurement of something that runs.
#[derive(Debug)]
pub struct Measurement {
    /// Where load went.
    pub url: String,
    /// What had to be held.
    pub goal: Goal,
    /// The generator's own limit on this machine, requests/s.
    pub ceiling: f64,
    /// The curve and what follows from it.
    pub capacity: Capacity,
    /// From which rate on answers stay behind, requests/s.
    pub knee: Option<f64>,
}

impl Measurement {
    /// Every step, by offered rate.
    fn curve(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.capacity.curve.iter().collect();
        steps.sort_by(|a, b| a.offered.total_cmp(&b.offered));
        steps
    }

    /// Whether no rate missed: then what gives out is not known, and the capacity only from below.
    pub fn all_held(&self) -> bool {
        self.capacity.curve.iter().all(|step| step.outcome == Outcome::Held)
    }

    fn mark(&self, step: &Step) -> &'static str {
        let at = self.capacity.at.as_ref();
        if at == Some(step) {
            "<- capacity"
        } else if self.knee.is_some_and(|knee| step.offered > knee) {
            "past the knee"
        } else {
            ""
        }
    }

    /// The curve for a reader; `width` columns wide.
    pub fn text(&self, width: usize) -> String {
        let steps = self.curve();
        let table = Table { columns: columns(), rows: steps.iter().map(|s| self.row(s)).collect() };
        let mut text = String::new();
        for (index, line) in table.lines(width).iter().enumerate() {
            let step = index.checked_sub(1).and_then(|row| steps.get(row));
            let style = step.map_or(Style::new().dimmed(), |step| style(step));
            let _ = writeln!(text, "{style}{line}{style:#}");
        }
        text.push('\n');
        for sentence in self.sentences() {
            let _ = writeln!(text, "{}", wrap(&sentence, 0, width));
        }
        text
    }

    fn row(&self, step: &Step) -> Vec<String> {
        let latency = &step.latency;
        let mut cells = vec![words::rate(step.offered), words::rate(step.throughput)];
        let quantiles = [latency.p50, latency.p90, latency.p99, latency.p999];
        cells.extend(quantiles.map(|seconds| Seconds(seconds).to_string()));
        let usage = step.usage.as_ref();
        cells.push(usage.map_or("-".into(), |usage| format!("{:.2}", usage.cpu)));
        cells.push(words::outcome(step.outcome).into());
        cells.push(self.mark(step).into());
        cells.push(words::failures(step));
        cells
    }

    /// The verdict, a sentence a line.
    pub fn sentences(&self) -> Vec<String> {
        let (goal, capacity) = (&self.goal, &self.capacity);
        let mut lines = Vec::new();
        if let Some(reason) = capacity.validity.invalid.first() {
            lines.push(format!("inconclusive: {reason}"));
        }
        lines.push(match (goal.rate, capacity.rate) {
            (Some(rate), held) if held >= rate => format!("held: {goal}"),
            (Some(_), _) => format!("missed: {goal}"),
            (None, 0.0) => format!("no rate that was offered held {goal}"),
            (None, rate) if self.all_held() => format!(
                "capacity: at least {} requests/s within {goal}; the load generator can make {} here",
                words::rate(rate),
                words::rate(self.ceiling)
            ),
            (None, rate) => format!("capacity: {} requests/s within {goal}", words::rate(rate)),
        });
        if let Some(knee) = self.knee {
            let knee = words::rate(knee);
            lines.push(format!(
                "knee: from {knee} requests/s on, answers stay behind what is offered"
            ));
        }
        let limit = &capacity.limited_by;
        lines.push(match limit.resource {
            Resource::Unknown if self.all_held() => {
                format!("gave out: nothing; {}", limit.evidence)
            }
            resource => format!("gave out: {resource} ({})", limit.evidence),
        });
        lines.extend(words::reasons(&capacity.validity));
        lines
    }

    /// The document; its schema is `docs/schema/measure-1.json`.
    pub fn document(&self) -> impl Serialize + '_ {
        Document {
            version: 1,
            knee: env!("CARGO_PKG_VERSION"),
            url: &self.url,
            goal: &self.goal,
            generator_ceiling: self.ceiling,
            capacity: self.capacity.rate,
            knee_at: self.knee,
            limited_by: &self.capacity.limited_by,
            curve: self.curve().into_iter().map(super::json::point).collect(),
            validity: &self.capacity.validity,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    knee: &'a str,
    url: &'a str,
    goal: &'a Goal,
    generator_ceiling: f64,
    capacity: f64,
    knee_at: Option<f64>,
    limited_by: &'a knee_core::observe::Limit,
    curve: Vec<super::json::Point<'a>>,
    validity: &'a knee_core::observe::Validity,
}

fn columns() -> Vec<Column> {
    vec![
        Column::number("offered/s", 0),
        Column::number("answered/s", 0),
        Column::number("p50", 2),
        Column::number("p90", 4),
        Column::number("p99", 0),
        Column::number("p99.9", 3),
        Column::number("vCPU", 5),
        Column::words("goal", 0),
        Column::words("", 0),
        Column::words("failures", 1),
    ]
}

fn style(step: &Step) -> Style {
    match step.outcome {
        _ if !step.validity.is_valid() => Style::new().dimmed(),
        Outcome::Held => AnsiColor::Green.on_default(),
        Outcome::Missed | Outcome::Hopeless => AnsiColor::Red.on_default(),
    }
}
