//! The curves with the table of every step behind them.

use super::curves::{Series, charts, symbol, too_much};
use super::words as say;
use crate::render::words::{self, failures};
use knee_core::Goal;
use knee_core::observe::{Step, Usage};

/// The charts and their tables.
pub struct Curves<'a> {
    /// Name of the quantile that is drawn.
    pub quantile: String,
    /// Chart of the latency.
    pub latency: String,
    /// Chart of the throughput.
    pub throughput: String,
    /// The symbols that occur, with what they mean.
    pub symbols: Vec<(&'static str, &'static str)>,
    /// The shades that occur, with what they mean.
    pub shades: Vec<(&'static str, &'static str)>,
    /// Steps that did not fit the charts, in words.
    pub beyond: Option<String>,
    /// Every step.
    pub tables: Vec<Table<'a>>,
}

/// The steps of one curve.
pub struct Table<'a> {
    /// Whose they are.
    pub name: &'a str,
    /// A row each, in the order measured.
    pub steps: Vec<Row>,
}

/// One step.
pub struct Row {
    /// Offered, answered and the latency quantiles.
    pub figures: [String; 6],
    /// Failures by name.
    pub failed: String,
    /// CPU, throttled share, memory and accept queue.
    pub usage: [String; 4],
    /// Whether it held the goal.
    pub outcome: &'static str,
}

impl<'a> Curves<'a> {
    /// Draws one or two curves; None where no step was measured.
    pub fn of(series: &[Series<'a>], goal: &Goal) -> Option<Curves<'a>> {
        let charts = charts(series, goal)?;
        let table = |s: &Series<'a>| Table {
            name: s.name,
            steps: s.steps.iter().map(|step| Row::of(step)).collect(),
        };
        Some(Curves {
            quantile: goal.quantile_name(),
            latency: charts.latency,
            throughput: charts.throughput,
            symbols: symbols(series),
            shades: shades(series),
            beyond: (charts.beyond > 0).then(|| {
                format!("{} at higher rates: see the tables.", say::count(charts.beyond, "step"))
            }),
            tables: series.iter().map(table).collect(),
        })
    }
}

/// How steps can end, by their symbols.
const SYMBOLS: [(&str, &str); 4] = [
    ("held", "held the goal"),
    ("missed", "missed it"),
    ("hopeless", "hopeless: the queue grew without end"),
    ("invalid", "says nothing, see the reasons for doubt"),
];

fn symbols(series: &[Series<'_>]) -> Vec<(&'static str, &'static str)> {
    let steps = || series.iter().flat_map(|s| &s.steps);
    let occurs = |(name, _): &(&str, &str)| steps().any(|step| symbol(step) == *name);
    let knee = series.iter().any(|s| s.knee.is_some());
    let knee = knee.then_some(("knee", "knee: answers fall behind what is offered"));
    SYMBOLS.into_iter().filter(occurs).chain(knee).collect()
}

fn shades(series: &[Series<'_>]) -> Vec<(&'static str, &'static str)> {
    let gained = match series {
        [today, best] => best.capacity > today.capacity && today.capacity > Some(0.0),
        _ => false,
    };
    let more = if series.len() > 1 { "more than either carries" } else { "more than it carries" };
    [
        Some(("ideal", "if all that is offered were answered")),
        gained.then_some(("gained", "load that was gained")),
        too_much(series).then_some(("overload", more)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Row {
    fn of(step: &Step) -> Row {
        let latency = &step.latency;
        let quantiles = [latency.p50, latency.p90, latency.p99, latency.p999].map(say::time);
        let [p50, p90, p99, p999] = quantiles;
        Row {
            figures: [say::rate(step.offered), say::rate(step.throughput), p50, p90, p99, p999],
            failed: failed(step),
            usage: step.usage.as_ref().map_or_else(|| [(); 4].map(|()| say::NONE.into()), used),
            outcome: match step.outcome {
                _ if !step.validity.is_valid() => "invalid",
                outcome => words::outcome(outcome),
            },
        }
    }
}

fn used(usage: &Usage) -> [String; 4] {
    [
        say::cores(usage.cpu),
        say::percent(usage.throttled),
        usage.memory.to_string(),
        usage.accept_queue.to_string(),
    ]
}

/// Failures with their share: `0.4 %: 12 timed out, 3 reset`.
fn failed(step: &Step) -> String {
    match failures(step) {
        none if none.is_empty() => say::NONE.into(),
        named => format!("{}: {named}", say::percent(step.counts.failed_share())),
    }
}
