//! A trial's figures as text, and a run's trials as a table.

use crate::render::table::{Column, Table};
use crate::render::words;
use crate::run::Run;
use knee_core::event::Trial;
use knee_core::{Goal, Seconds};

/// Stands where there is no figure.
pub const NONE: &str = "–";

/// The figures at the capacity of one trial.
pub struct Figures {
    /// `62.1/s`, or `< 80.0/s` where the trial was abandoned there.
    pub capacity: String,
    /// Median latency.
    pub p50: String,
    /// 99th percentile.
    pub p99: String,
    /// Latency at the goal's quantile.
    pub goal: String,
    /// vCPU used.
    pub cpu: String,
    /// Memory that the task's limit counts.
    pub memory: String,
    /// What gave out just above the capacity, or why the trial was rejected.
    pub gave_out: String,
    /// How that is known.
    pub evidence: String,
}

impl Figures {
    /// What a trial showed.
    pub fn of(trial: &Trial) -> Figures {
        let capacity = trial.capacity.as_ref();
        let at = capacity.and_then(|capacity| capacity.at.as_ref());
        let latency = |pick: fn(&knee_core::observe::Latency) -> f64| {
            at.map_or(NONE.into(), |step| Seconds(pick(&step.latency)).to_string())
        };
        let usage = at.and_then(|step| step.usage.as_ref());
        let abandoned = trial.abandoned.as_ref();
        let limits = abandoned.map(|a| &a.limited_by).or(capacity.map(|c| &c.limited_by));
        let rejected = trial.rejected.as_deref().map(|why| format!("rejected: {}", cause(why)));
        Figures {
            capacity: match (capacity, abandoned) {
                (Some(capacity), _) => format!("{}/s", words::rate(capacity.rate)),
                (None, Some(abandoned)) => format!("< {}/s", words::rate(abandoned.below)),
                (None, None) => NONE.into(),
            },
            p50: latency(|l| l.p50),
            p99: latency(|l| l.p99),
            goal: latency(|l| l.goal),
            cpu: usage.map_or(NONE.into(), |usage| format!("{:.2}", usage.cpu)),
            memory: usage.map_or(NONE.into(), |usage| usage.memory.to_string()),
            gave_out: rejected
                .or(limits.map(|limit| limit.resource.to_string()))
                .unwrap_or_default(),
            evidence: limits.map(|limit| limit.evidence.clone()).unwrap_or_default(),
        }
    }
}

/// The cause in an error, without the service's own output that follows it on lines of its own.
pub fn cause(text: &str) -> &str {
    let Some((first, _)) = text.split_once('\n') else { return text };
    first.rsplit_once("; ").map_or(first, |(cause, _)| cause)
}

/// The trials so far: a column per knob that was turned, or none where `knobs` says so.
pub fn trials(run: &Run, knobs: bool) -> Table {
    let goal = run.started.as_ref().map_or_else(Goal::default, |started| started.goal.value);
    let knobs = if knobs { run.turned() } else { vec![] };
    let extra = (goal.quantile != 0.99).then(|| goal.quantile_name());
    let mut columns = vec![Column::number("trial", 0)];
    columns.extend(knobs.iter().map(|knob| Column::number(*knob, 0)));
    columns.extend([
        Column::number("capacity", 0),
        Column::number("p50", 3),
        Column::number("p99", 2),
    ]);
    columns.extend(extra.iter().map(|name| Column::number(name, 1)));
    columns.extend([
        Column::number("vCPU", 5),
        Column::number("memory", 4),
        Column::words("gave out", 0),
    ]);
    let row = |trial: &Trial| {
        let figures = Figures::of(trial);
        let mut cells = vec![trial.number.to_string()];
        let value =
            |knob: &&str| trial.settings.0.get(*knob).map_or(NONE.into(), |v| v.to_string());
        cells.extend(knobs.iter().map(value));
        cells.extend([figures.capacity, figures.p50, figures.p99]);
        cells.extend(extra.iter().map(|_| figures.goal.clone()));
        cells.extend([figures.cpu, figures.memory, figures.gave_out]);
        cells
    };
    Table { columns, rows: run.trials.iter().map(row).collect() }
}
