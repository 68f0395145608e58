//! What the entrypoint's choices are worth: each example in a task of 0.5 vCPU, bare, by the rule of 2n + 1,
//! started by `knee run` without and with a `knee.lock`, and with what `knee tune` found.
//!
//! `cargo bench -p knee --bench throughput -- [EXAMPLE ...] [--rounds 3] [--tune]`; all of them without a
//! name. Needs what `scripts/setup` brings, the privileges of the laboratory, and an otherwise idle machine.
//! The first time, and with `--tune`, an example is tuned, which is kept below `target/tmp/throughput/` and makes the
//! lock. Then the sides are measured in turn: the capacity under the example's goal, and the 99th percentile at 0.7 of
//! the first one that the bare runtime had.

#[path = "../../../../examples/backend/process.rs"]
mod backend;
mod lab;
mod sides;
mod tuned;

use knee_plan::statistics::median;
use lab::{Place, Seen};
use sides::Side;
use std::process::ExitCode;
use tuned::Tuned;

type Failure = Box<dyn std::error::Error>;

const EXAMPLES: [&str; 4] = ["gunicorn", "node", "go", "php-fpm"];
const ROUNDS: usize = 3;
/// Share of the bare runtime's capacity at which the latencies are compared.
const LOAD: f64 = 0.7;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benchmarks too: load is not meant there.
    if !words.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    match benchmark(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Chosen {
    examples: Vec<&'static str>,
    rounds: usize,
    again: bool,
}

impl Chosen {
    fn of(words: &[String]) -> Result<Chosen, Failure> {
        let mut chosen = Chosen { examples: vec![], rounds: ROUNDS, again: false };
        let mut words = words.iter().filter(|word| *word != "--bench");
        while let Some(word) = words.next() {
            match (word.as_str(), EXAMPLES.iter().find(|example| *example == word)) {
                ("--rounds", _) => {
                    chosen.rounds = words.next().ok_or("--rounds takes a number")?.parse()?;
                }
                ("--tune", _) => chosen.again = true,
                (_, Some(example)) => chosen.examples.push(*example),
                (name, None) => {
                    let all = EXAMPLES.join(", ");
                    return Err(format!("no example `{name}`; there are {all}").into());
                }
            }
        }
        if chosen.examples.is_empty() {
            chosen.examples = EXAMPLES.to_vec();
        }
        Ok(chosen)
    }
}

fn benchmark(words: &[String]) -> Result<(), Failure> {
    let Chosen { examples, rounds, again } = Chosen::of(words)?;
    let _backend = backend::Backend::start()?;
    println!(
        "| example | side | capacity, requests/s | over bare | p99 at {LOAD} of bare's | settings |"
    );
    println!("|---|---|---|---|---|---|");
    for example in examples {
        compare(example, rounds, again)?;
    }
    Ok(())
}

fn compare(example: &str, rounds: usize, again: bool) -> Result<(), Failure> {
    let tuned = Tuned::of(example, again)?;
    let place = Place::new(example, &tuned)?;
    let sides = Side::all(example);
    let mut seen: Vec<Vec<Seen>> = sides.iter().map(|_| vec![]).collect();
    for round in 0..rounds {
        // In turn, and in turns from both ends, so that a slow minute of the machine hits every side.
        let order: Vec<usize> = match round % 2 {
            0 => (0..sides.len()).collect(),
            _ => (0..sides.len()).rev().collect(),
        };
        for index in order {
            let first = |side: usize| seen[side].first().map(|seen| seen.rate);
            let (rate, known) = (first(0).map(|rate| rate * LOAD), first(index));
            let one = place.measure(&sides[index], round as u64, known, rate)?;
            eprintln!("  {example}, {}: {:.1} requests/s", sides[index], one.rate);
            seen[index].push(one);
        }
    }
    let rate = |side: &[Seen]| spread(side.iter().map(|seen| seen.rate).collect());
    let (bare, ..) = rate(&seen[0]);
    for (side, seen) in sides.iter().zip(&seen) {
        let (middle, least, most) = rate(seen);
        let (p99, fast, slow) = spread(seen.iter().filter_map(|seen| seen.p99).collect());
        println!(
            "| {example} | {side} | {middle:.0} ({least:.0} to {most:.0}) | {:.2} | {:.0} ms ({:.0} to {:.0}) | {} |",
            middle / bare,
            p99 * 1e3,
            fast * 1e3,
            slow * 1e3,
            seen[0].settings
        );
    }
    Ok(())
}

/// Median, least and most.
fn spread(values: Vec<f64>) -> (f64, f64, f64) {
    let ends = (f64::INFINITY, 0.0f64);
    let (least, most) = values.iter().fold(ends, |(a, b), v| (a.min(*v), b.max(*v)));
    (median(&values).unwrap_or(0.0), least, most)
}
