//! The search of `knee tune` against random choice and Optuna's TPE with as many trials.
//!
//! `cargo bench -p knee-tune --bench regret`: over every grid that was measured (`tests/search/measured/`) each of
//! the three chooses its trials many times: knee among the settings of the grid that it would offer,
//! the others among all. A trial shows the grid's measurement with the noise that one search has; regret
//! is what the choice carries less than the grid's best, as a share of it. All begin with today's
//! settings, as their users would. One measured table with fresh noise says more than three single
//! runs on a machine: there, what is better is mostly luck.
//!
//! `cargo bench -p knee-tune --bench regret -- --keep FOLDER` prints a cell that the grid's benchmark left in
//! `target/tmp/grid/` in the form of those files.

#[path = "../../tests/search/chance.rs"]
#[expect(dead_code, reason = "what the test alone draws")]
mod chance;
mod keep;
#[path = "../../tests/search/landscapes.rs"]
#[expect(dead_code, reason = "drawn landscapes are the test's")]
mod landscapes;
#[path = "../../tests/search/measured.rs"]
mod measured;
mod peers;
#[path = "../../tests/search/replay.rs"]
mod replay;

use chance::Chance;
use knee_plan::statistics::mean;
use measured::Measured;
use std::path::Path;
use std::process::ExitCode;

/// How often each searches each grid.
const SEEDS: u64 = 200;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(),
        ["--keep", folder] => match keep::cell(Path::new(folder)) {
            Ok(cell) => println!("{cell}"),
            Err(error) => {
                eprintln!("regret: {folder}: {error}");
                return ExitCode::from(3);
            }
        },
        _ => {
            eprintln!("regret: it takes nothing, or --keep and the folder of a cell");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn compare() {
    println!("| grid | settings | trials, mean | regret: knee | random choice | TPE |");
    println!("|---|---|---|---|---|---|");
    let mut rows: Vec<[Option<f64>; 3]> = vec![];
    for Measured { mut land, table, today } in measured::all() {
        land.forecast();
        let best = table.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let chosen = |seed| {
            let run = replay::knee(&land, &mut Chance::new(seed));
            let made = run.tested.len();
            (made, 1.0 - replay::reached(&land, &run.tested, made) * land.best() / best)
        };
        let (trials, regrets): (Vec<usize>, Vec<f64>) = (1..=SEEDS).map(chosen).unzip();
        let table = peers::Table { points: &table, best, today: &today };
        let row = [Some(mean(&regrets)), Some(table.random(&trials)), table.tpe(&trials)];
        let made: Vec<f64> = trials.iter().map(|n| *n as f64).collect();
        println!(
            "| {} | {} of {} | {:.1} | {} |",
            land.name,
            land.truth.len(),
            table.points.len(),
            mean(&made),
            row.map(percent).join(" | ")
        );
        rows.push(row);
    }
    let all = |i: usize| rows.iter().map(|row| row[i]).collect::<Option<Vec<f64>>>();
    let means = [0, 1, 2].map(|i| all(i).map(|regrets| mean(&regrets)));
    println!("| all | | | {} |", means.map(percent).join(" | "));
    if let [Some(knee), Some(random), tpe] = means {
        let peer = tpe.map_or(random, |tpe| tpe.min(random));
        println!("\nknee's regret over that of the better peer: {:.2}", knee / peer);
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("no Optuna".into(), |share| format!("{:.1} %", 100.0 * share))
}
