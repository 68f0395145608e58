//! How close the search gets to the best of an exhaustive grid, and how soon, on landscapes as
//! real services show them. Deterministic; `cargo test -p knee-tune --test search -- --nocapture`
//! prints the figures.

mod chance;
mod landscapes;
mod measured;
mod replay;

use chance::Chance;
use knee_plan::statistics::median;
use knee_tune::strategy::Found;
use landscapes::Landscape;
use replay::{Run, knee, measure, reached};

const SEEDS: u64 = 3;
/// Today and `n - 1` other settings, each measured to the end; the highest is taken.
fn random(land: &Landscape, n: usize, chance: &mut Chance) -> f64 {
    let others = land.problem.candidates.len() - 1;
    let mut picks = vec![0];
    while picks.len() < n.min(others + 1) {
        let pick = 1 + chance.below(others);
        if !picks.contains(&pick) {
            picks.push(pick);
        }
    }
    let measured = |i: &usize| match measure(land, *i, None, chance).0.found {
        Found::Carries(rate) => (rate, land.truth[*i].unwrap_or(0.0)),
        _ => (0.0, 0.0),
    };
    let best = picks.iter().map(measured).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    best.1 / land.best()
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_search_comes_close_to_the_grid_within_eight_trials() {
    let mut rows = vec![];
    for seed in 1..=SEEDS {
        for (i, land) in landscapes::all(seed).into_iter().enumerate() {
            let mut chance = Chance::new(seed * 7919 + i as u64);
            let run = knee(&land, &mut chance);
            let by_trials: Vec<f64> = (1..=8).map(|n| reached(&land, &run.tested, n)).collect();
            let random =
                |n: usize, chance: &mut Chance| mean((0..10).map(|_| random(&land, n, chance)));
            let by_chance: Vec<f64> = (1..=8).map(|n| random(n, &mut chance)).collect();
            rows.push((land, run, by_trials, by_chance));
        }
    }
    println!("{} landscapes; regret by trials (mean):  knee | random", rows.len());
    for n in 0..8 {
        let knee = 1.0 - mean(rows.iter().map(|r| r.2[n]));
        let random = 1.0 - mean(rows.iter().map(|r| r.3[n]));
        println!("  {}: {:.3} | {:.3}", n + 1, knee, random);
    }
    let reached: Vec<f64> = rows.iter().map(|r| r.2[7]).collect();
    let equal = mean(rows.iter().map(|r| 1.0 - r.3[r.1.tested.len() - 1]));
    let regret = 1.0 - mean(reached.iter().copied());
    let trials = mean(rows.iter().map(|r| r.1.tested.len() as f64));
    let seconds: Vec<f64> = rows.iter().map(|r| r.1.seconds).collect();
    let worst = reached.iter().copied().fold(1.0, f64::min);
    println!(
        "reached: median {:.3}, worst {worst:.3}; regret {regret:.3} against {equal:.3} of random choice with as many trials; {trials:.1} trials, {:.0} s in the mean, {:.0} s at most",
        median(&reached).unwrap(),
        mean(seconds.iter().copied()),
        seconds.iter().copied().fold(0.0, f64::max)
    );
    rows.sort_by(|a, b| a.2[7].total_cmp(&b.2[7]));
    for (land, run, by_trials, _) in rows.iter().take(3) {
        println!("\n{:.3} {}: {}", by_trials[7], land.name, run.why);
        let grid = (0..land.truth.len())
            .max_by(|a, b| land.truth[*a].unwrap_or(0.0).total_cmp(&land.truth[*b].unwrap_or(0.0)))
            .unwrap();
        println!("   grid: {} carries {:.0}", land.problem.candidates[grid].settings, land.best());
        for t in &run.tested {
            let truth = land.truth[land.index(&t.settings)].unwrap_or(0.0);
            println!("   {} {:?} truth {truth:.0}", t.settings, t.found);
        }
    }
    assert!(median(&reached).unwrap() >= 0.97);
    // What is left is luck: of settings that differ by less than the noise, the one whose only
    // measurement was high. Fifteen seeds instead of three reach 0.90 as well, and more trials do
    // not change it.
    assert!(worst >= 0.90, "{worst}");
    assert!(regret <= equal / 2.0);
}

/// Trials until the choice carries 0.97 of the grid's best; None where it never does.
fn close_after(land: &Landscape, run: &Run) -> Option<usize> {
    (1..=run.tested.len()).find(|n| reached(land, &run.tested, *n) >= 0.97)
}

/// Regret after each trial, trials made, trials until close and the share that never gets close.
fn summary(name: &str, lands: &[Landscape], seeds: u64) -> (f64, f64) {
    let (mut trials, mut close, mut regrets) = (vec![], vec![], vec![]);
    for (i, land) in lands.iter().enumerate() {
        for seed in 1..=seeds {
            let run = knee(land, &mut Chance::new(seed * 104_729 + i as u64));
            trials.push(run.tested.len() as f64);
            close.push(close_after(land, &run));
            let after = |n: usize| 1.0 - reached(land, &run.tested, n);
            regrets.push((1..=8).map(after).collect::<Vec<f64>>());
        }
    }
    let by_trials: Vec<String> =
        (0..8).map(|n| format!("{:.3}", mean(regrets.iter().map(|r| r[n])))).collect();
    let within = |n: usize| {
        close.iter().filter(|c| c.is_some_and(|c| c <= n)).count() as f64 / close.len() as f64
    };
    println!(
        "{name}: {:.1} trials; 0.97 of the best within 3, 5, 8 trials: {:.0}, {:.0}, {:.0} %; regret {}",
        mean(trials.iter().copied()),
        100.0 * within(3),
        100.0 * within(5),
        100.0 * within(8),
        by_trials.join(" ")
    );
    (within(5), mean(regrets.iter().map(|r| r[7])))
}

/// With the simulator's forecasts, or with the closed form's.
fn told(forecast: bool, mut lands: Vec<Landscape>) -> Vec<Landscape> {
    lands.iter_mut().filter(|_| forecast).for_each(Landscape::forecast);
    lands
}

#[test]
fn over_what_was_measured_five_trials_come_close_with_the_simulator_as_prior() {
    let (mut within, mut regrets) = (vec![], vec![]);
    for measured::Measured { land, .. } in measured::all() {
        let name = land.name.clone();
        let closed = told(false, vec![land.clone()]);
        summary(&format!("closed form, {name}"), &closed, 20);
        let (close, regret) = summary(&format!("simulator, {name}"), &told(true, vec![land]), 20);
        within.push(close);
        regrets.push(regret);
    }
    let worst = regrets.iter().copied().fold(0.0, f64::max);
    println!(
        "within five trials {:.2}, regret {:.3}, worst {worst:.3}",
        mean(within.clone()),
        mean(regrets)
    );
    assert!(mean(within) >= 0.9 && worst < 0.05, "{worst}");
}

#[test]
fn the_simulator_is_as_good_a_prior_where_the_truth_is_another_model() {
    let drawn = || landscapes::all(1).into_iter().step_by(7).collect::<Vec<Landscape>>();
    let (_, closed) = summary("closed form, landscapes", &told(false, drawn()), 1);
    let (_, simulated) = summary("simulator, landscapes", &told(true, drawn()), 1);
    assert!(simulated < closed + 0.03, "{simulated} {closed}");
}
