//! The tuned setting against the best of an exhaustive grid and against what articles advise.
//!
//! `cargo bench -p knee-tune --bench grid -- [EXAMPLE ...] [--task 0.5|1] [--mix MIX] [--again] [--steady N]`; without
//! arguments everything, which takes hours. Needs what `scripts/setup` brings, the privileges of
//! the laboratory, and an otherwise idle machine. A cell is an example, a task and a mix:
//!
//! 1. every point of the grid is measured once, in shuffled order;
//! 2. `knee tune` searches from today's settings, with its confirmation;
//! 3. today's, the tuned one, the advice and the grid's best three are measured in turn, three
//!    times each; medians are compared, so that a lucky point of the grid is not taken for best.
//!
//! What was measured is kept below `target/tmp/grid/`, a folder for each cell: the points in
//! `grid.jsonl`, knee's run in its journal. The benchmark of the forecasts compares with it. With
//! `--again` kept points stand as they are, so that a change of the search is judged against the
//! same grid in minutes, and a grid that was interrupted goes on.
//!
//! `--steady N` measures N settings of a kept grid in long steps at 30, 50 and 80 % of what they carry,
//! into `steady.jsonl`: what the forecasts of latencies are compared with.

#[path = "../../../../examples/backend/process.rs"]
mod backend;
mod cell;
mod kept;
mod steady;
mod table;

use cell::Cell;
use knee_plan::statistics::median;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use table::Table;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too: hours are not meant there.
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let chosen = match cell::chosen(std::env::args().skip(1)) {
        Ok(chosen) => chosen,
        Err(wrong) => {
            eprintln!("grid: {wrong}");
            return ExitCode::from(2);
        }
    };
    if let Some(count) = chosen.steady {
        for cell in &chosen.cells {
            if let Err(error) = steady::measure(cell, count) {
                println!("{cell}: not measured: {error}");
            }
        }
        return ExitCode::SUCCESS;
    }
    let mut rows = vec![];
    println!("{}", Row::HEADER);
    for cell in &chosen.cells {
        match row(cell, chosen.again) {
            Ok(row) => {
                println!("{row}");
                rows.push(row);
            }
            Err(error) => println!("| {cell} | not measured: {error} |"),
        }
    }
    summary(&rows);
    ExitCode::SUCCESS
}

/// What one cell came to. Rates in requests/s.
struct Row {
    cell: String,
    points: usize,
    best: f64,
    tuned: f64,
    today: f64,
    advice: Option<f64>,
    trials: usize,
    seconds: f64,
    settings: String,
}

impl Row {
    const HEADER: &str = "| cell | grid points | tuned / grid's best | tuned / today | tuned / advice | trials | seconds | tuned settings |\n|---|---|---|---|---|---|---|---|";

    fn share(&self) -> f64 {
        self.tuned / self.best.max(1e-9)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ratio = |of: f64| format!("{:.2}", self.tuned / of.max(1e-9));
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".into());
        write!(
            f,
            "| {} | {} | {:.3} | {} | {} | {} | {:.0} | {} |",
            self.cell,
            self.points,
            self.share(),
            ratio(self.today),
            or_none(self.advice.map(ratio)),
            self.trials,
            self.seconds,
            self.settings
        )
    }
}

fn row(cell: &Cell, again: bool) -> Result<Row, Box<dyn std::error::Error>> {
    let stop = AtomicBool::new(false);
    let backend = backend::Backend::start()?;
    let request = cell.request()?;
    let table = Table::measure(&request, cell, again, &stop)?;
    let tuned = cell::tuned(&request, cell, &stop)?;
    let advice = cell.advice(&request);
    let finalists = table.finalists(&tuned.settings, advice.as_ref(), &request);
    let expected = |settings: &_| match *settings == tuned.settings {
        true => tuned.rate,
        false => table.rate(settings),
    };
    let medians = table::in_turn(&request, &finalists, &expected, &stop)?;
    drop(backend);
    let of = |settings| medians.iter().find(|(s, _)| s == settings).map_or(0.0, |(_, rate)| *rate);
    let best = medians.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let today = request.service.current();
    Ok(Row {
        cell: cell.to_string(),
        points: table.points.len(),
        best,
        tuned: of(&tuned.settings),
        today: of(&knee_tune::space::settle(&request.service, &today)),
        advice: advice.as_ref().map(of),
        trials: tuned.trials,
        seconds: tuned.seconds,
        settings: table.shown(&tuned.settings),
    })
}

fn summary(rows: &[Row]) {
    let shares: Vec<f64> = rows.iter().map(Row::share).collect();
    let Some(middle) = median(&shares) else { return };
    let worst = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let longest = rows.iter().map(|r| r.seconds).fold(0.0, f64::max);
    let trials = rows.iter().map(|r| r.trials).max().unwrap_or(0);
    println!();
    println!("{} cells; tuned / grid's best: median {middle:.3}, worst {worst:.3}", rows.len());
    println!("trials: at most {trials}; time of a run: at most {longest:.0} s");
}
