//! How far off `knee plan`'s forecasts are from what was measured.
//!
//! `cargo bench -p knee-tune --bench forecast -- [--each] [FOLDER ...]`; without arguments the grids that are kept
//! below `tests/search/measured/`, of which only capacities are known, and the cells that the grid's benchmark has
//! left below `target/tmp/grid/`. A folder holds a run of `knee tune` and, in
//! `grid.jsonl`, the points of a grid. The profile is fitted from the calibration and the trial of
//! today's settings alone; the grid's points, or else the run's other trials, are forecast from it.
//! Latencies are compared in the steps of those searches, and in the long ones of `steady.jsonl` where
//! `grid --steady` has measured some: only these are long enough to tell a 99th percentile.
//! `--each` prints the profile, every setting and every latency.

mod covered;

use covered::{Off, covered};
use knee_core::event::{Event, Trial};
use knee_core::model::Network;
use knee_core::observe::Step;
use knee_core::profile::{Estimate, Profile, Residual};
use knee_core::runtimes::{self, Surroundings};
use knee_core::settings::Settings;
use knee_core::{Goal, Task};
use knee_plan::fit::{self, Check, Tail};
use knee_plan::forecast::{Case, Effort, Interval, Place};
use knee_plan::statistics::median;
use knee_tune::journal;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

/// The goals that BENCHMARKS.md names.
const CAPACITY: f64 = 0.10;
/// Share of the periods from which the quota's stalls are in the latency.
const STALLED: f64 = 0.05;
/// Loads, over the capacity, at which latencies are told.
const LOADS: [(&str, f64, f64); 3] =
    [("30 %", 0.15, 0.40), ("50 %", 0.40, 0.65), ("80 %", 0.65, 0.90)];

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too; what it compares with takes hours to measure.
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    let each = std::env::args().any(|arg| arg == "--each");
    let folders = if named.is_empty() { cells() } else { named };
    println!(
        "| cell | settings | capacity within 10 % | off in the median | at worst | p99 steps | off in the median | 90th percentile |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let (mut all, mut by_cell) = (Measured::default(), vec![]);
    for folder in &folders {
        let kept = folder.extension().is_some_and(|ext| ext == "json");
        match if kept { Measured::kept(folder) } else { Measured::of(folder) } {
            Ok(cell) => {
                by_cell.push(cell.residuals());
                if each {
                    cell.each();
                }
                println!("{}", cell.row(&folder.file_name().unwrap_or_default().to_string_lossy()));
                all.take(cell);
            }
            Err(error) => println!("| {} | not compared: {error} |", folder.display()),
        }
    }
    println!("{}", all.row("all"));
    all.details();
    for (what, pick) in [("capacities", 0), ("p99", 1)] {
        let cells: Vec<&[Off]> = by_cell.iter().map(|cell| &cell[pick][..]).collect();
        covered(what, &cells);
    }
    ExitCode::SUCCESS
}

/// The grids that are kept with the search's tests, and the folders that the grid's benchmark has left.
fn cells() -> Vec<PathBuf> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/search/measured");
    let left = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grid");
    let inside = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    [kept, left].into_iter().flat_map(inside).collect()
}

/// Requests/s below which settings carry nothing: the search for a capacity ends there.
const LEAST: f64 = 1.0;

/// A grid as the search's tests keep it: capacities alone.
#[derive(Deserialize)]
struct Grid {
    task: Task,
    visible_cpus: u32,
    today: Settings,
    profile: Profile,
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    settings: Settings,
    rate: Option<f64>,
}

/// Settings with their forecasts, and whether each has more threads than the quota has CPU.
#[derive(Default)]
struct Measured {
    profiles: Vec<Profile>,
    checks: Vec<Compared>,
    /// Settings in long steps.
    steady: Vec<Compared>,
    /// Settings whose own measurement leaves more open than what a forecast is held to.
    vague: usize,
}

/// A setting with its forecast.
struct Compared {
    check: Check,
    /// Whether it has more threads than the quota has CPU.
    crowds: bool,
    /// Forecast with the CPU per request that this trial itself showed: what is left of the error is
    /// the model's of queues and stalls, and the measurement's.
    own: Option<Check>,
    /// The capacity with the interval that the profile alone gives it, and the latencies likewise.
    carries: Interval,
    latencies: Vec<Interval>,
}

impl Measured {
    fn kept(path: &Path) -> Result<Measured, Failure> {
        let grid: Grid = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let (profile, place) = (&grid.profile, Place::of(grid.task, grid.visible_cpus));
        let carried = |p: &Point| Some((p.settings.clone(), p.rate.filter(|rate| *rate > LEAST)?));
        let others = grid.points.iter().filter_map(carried).filter(|(s, _)| *s != grid.today);
        let compared = |(settings, measured): (Settings, f64)| {
            let goal = Goal::default();
            let case = Case::new(profile, &settings, place)?;
            let forecast = case.carries(&goal, &Effort::MEASURED).rate.value;
            let check = Check { settings, measured, forecast, tails: vec![] };
            Some(Compared::of(profile, &goal, check, None))
        };
        let checks = others.filter_map(compared).collect();
        Ok(Measured { checks, profiles: vec![profile.clone()], ..Measured::default() })
    }

    fn of(folder: &Path) -> Result<Measured, Failure> {
        let events = journal::read(&journal::find(folder, None)?)?;
        let name = folder.display().to_string();
        let first = |event: &Event| matches!(event, Event::Tried(_));
        let calibrating = events.iter().position(first).map_or(events.len(), |at| at + 1);
        let profile = fit::profile(&name, &events[..calibrating])?;
        let mut known = events[..calibrating].to_vec();
        // Today's trial is what the profile was fitted from.
        let today = profile.measured.as_ref().map(|measured| measured.settings.clone());
        let long = points(folder, "steady.jsonl")?.unwrap_or_default();
        let mut steady = events[..calibrating].to_vec();
        steady.retain(|event| !first(event));
        steady.extend(long.into_iter().map(|p| Event::Tried(Box::new(p))));
        match points(folder, "grid.jsonl")? {
            Some(points) => known.extend(points.into_iter().map(|p| Event::Tried(Box::new(p)))),
            None => known.extend(events[calibrating..].iter().filter(|e| first(e)).cloned()),
        }
        let checks = fit::check(&name, &known, &profile)?.into_iter();
        let others = checks.filter(|check| Some(&check.settings) != today.as_ref());
        let told = |check: &Check| {
            let trial = tried(&known, &check.settings);
            trial.and_then(|t| t.capacity.as_ref()?.spread).is_none_or(|spread| spread <= CAPACITY)
        };
        let (others, vague): (Vec<Check>, Vec<Check>) = others.partition(told);
        let others = others.into_iter();
        let goal = goal(&events);
        let checks = others.map(|check| {
            let own = own(&name, &events[..calibrating], &known, &profile, &check);
            Compared::of(&profile, &goal, check, own)
        });
        let checks = checks.collect();
        let long = fit::check(&name, &steady, &profile)?.into_iter();
        let steady = long.map(|check| Compared::of(&profile, &goal, check, None));
        let (steady, vague) = (steady.collect(), vague.len());
        Ok(Measured { checks, steady, profiles: vec![profile], vague })
    }

    /// Capacities, and latencies of long and of short steps, beside their forecasts.
    fn residuals(&self) -> [Vec<Off>; 2] {
        let capacity = |c: &Compared| Off { forecast: c.carries, measured: c.check.measured };
        let all = self.checks.iter().chain(&self.steady);
        let latency = |c: &Compared| -> Vec<Off> {
            let pairs = c.latencies.iter().zip(&c.check.tails);
            pairs.map(|(i, tail)| Off { forecast: *i, measured: tail.measured }).collect()
        };
        [self.checks.iter().map(capacity).collect(), all.flat_map(latency).collect()]
    }

    /// The profile, and every setting with its latencies.
    fn each(&self) {
        for profile in &self.profiles {
            println!("{}", serde_json::to_string(profile).unwrap_or_default());
        }
        for Compared { check, own, .. } in self.checks.iter().chain(&self.steady) {
            let Check { settings, measured, forecast, tails } = check;
            println!(
                "{settings}: measured {measured:.1}/s, forecast {forecast:.1}/s ({:+.0} %; {} with its own CPU)",
                100.0 * check.error(),
                own.as_ref().map_or("unknown".into(), |c| format!("{:+.0} %", 100.0 * c.error()))
            );
            for Tail { load, throttled, measured, forecast, between } in tails {
                println!(
                    "  at {:.0} %, throttled {:.0} %: measured {:.1} ms, forecast {:.1} ms ({:.1} to {:.1})",
                    100.0 * load,
                    100.0 * throttled,
                    1e3 * measured,
                    1e3 * forecast,
                    1e3 * between.0,
                    1e3 * between.1
                );
            }
        }
    }

    fn take(&mut self, other: Measured) {
        self.checks.extend(other.checks);
        self.steady.extend(other.steady);
        self.vague += other.vague;
    }

    fn row(&self, cell: &str) -> String {
        let errors = absolute(self.checks.iter().map(|c| c.check.error()));
        let tails = absolute(tails(&self.checks).map(|(tail, _)| tail.error()));
        let within = errors.iter().filter(|error| **error <= CAPACITY).count();
        let worst = self.checks.iter().map(|c| c.check.error());
        let worst = worst.max_by(|a, b| a.abs().total_cmp(&b.abs()));
        format!(
            "| {cell} | {} | {} | {} | {} | {} | {} | {} |",
            errors.len(),
            percent((!errors.is_empty()).then(|| within as f64 / errors.len() as f64)),
            percent(median(&errors)),
            worst.map_or("none".into(), |error| format!("{:+.0} %", 100.0 * error)),
            tails.len(),
            percent(median(&tails)),
            percent(quantile(&tails, 0.9)),
        )
    }

    /// Latencies by load, the quota's stalls, and the settings that are furthest off.
    fn details(&self) {
        println!();
        println!(
            "left out, as their own search leaves more than {} open: {} settings",
            percent(Some(CAPACITY)),
            self.vague
        );
        for (what, compared) in
            [("in long steps", &self.steady), ("in the searches' steps", &self.checks)]
        {
            latencies(what, compared);
        }
        let shown = || self.checks.iter().filter_map(|c| c.own.as_ref());
        let own = absolute(shown().map(Check::error));
        println!(
            "capacity with the CPU per request that each trial itself showed: {} settings, {} off in the median, {} at the 90th percentile",
            own.len(),
            percent(median(&own)),
            percent(quantile(&own, 0.9))
        );
        let below = shown().flat_map(|own| &own.tails);
        say("p99 with that CPU, in the searches' steps", below);
        let mut worst: Vec<&Check> = self.checks.iter().map(|c| &c.check).collect();
        worst.sort_by(|a, b| b.error().abs().total_cmp(&a.error().abs()));
        for Check { settings, measured, forecast, .. } in worst.into_iter().take(5) {
            println!(
                "furthest off: {settings}: measured {measured:.0}/s, forecast {forecast:.0}/s"
            );
        }
    }
}

impl Compared {
    fn of(profile: &Profile, goal: &Goal, check: Check, own: Option<Check>) -> Compared {
        let crowds = crowds(profile, &check);
        let none = || Estimate::assumed(0.0, 0.0, "left out");
        let residual = Residual { capacity: none(), latency: none() };
        let profile = Profile { residual, ..profile.clone() };
        let measured = profile.measured.as_ref();
        let place = measured.map(|m| Place::of(m.task, m.visible_cpus));
        let case = place.and_then(|place| Case::new(&profile, &check.settings, place));
        let effort = Effort { draws: 12, ..Effort::MEASURED };
        let carries = case.as_ref().map(|case| case.carries(goal, &effort).rate);
        let latency = |tail: &Tail| {
            let case = case.as_ref()?;
            Some(case.under(tail.load * check.measured, goal, &effort).goal)
        };
        let latencies = check.tails.iter().filter_map(latency).collect();
        Compared { crowds, own, carries: carries.unwrap_or_default(), latencies, check }
    }
}

/// What a run was to hold.
fn goal(events: &[Event]) -> Goal {
    let started = events.iter().find_map(|event| match event {
        Event::Started(started) => Some(started.goal.value),
        _ => None,
    });
    started.unwrap_or_default()
}

/// The error of a forecast from the CPU per request that the trial showed near its capacity.
fn own(
    name: &str,
    calibrating: &[Event],
    known: &[Event],
    profile: &Profile,
    check: &Check,
) -> Option<Check> {
    let trial = tried(known, &check.settings)?;
    let near = |step: &&Step| step.offered >= NEAR * check.measured && step.throughput > 0.0;
    let cpu = |step: &Step| Some(step.usage.as_ref()?.cpu / step.throughput);
    let curve = &trial.capacity.as_ref()?.curve;
    let shown: Vec<f64> = curve.iter().filter(near).filter_map(cpu).collect();
    let mut own = profile.clone();
    for class in &mut own.classes {
        class.cpu.mean.value = median(&shown)?;
    }
    for taken in [&mut own.contention, &mut own.crowding, &mut own.wake, &mut own.background] {
        taken.value = 0.0;
    }
    own.heap = None;
    if let Some(measured) = &mut own.measured {
        measured.settings = check.settings.clone();
    }
    let mut events = calibrating.to_vec();
    events.retain(|event| !matches!(event, Event::Tried(_)));
    events.push(Event::Tried(Box::new(trial.clone())));
    fit::check(name, &events, &own).ok()?.into_iter().next()
}

/// The last trial of these settings.
fn tried<'a>(events: &'a [Event], settings: &Settings) -> Option<&'a Trial> {
    events.iter().rev().find_map(|event| match event {
        Event::Tried(trial) if trial.settings == *settings => Some(&**trial),
        _ => None,
    })
}

/// Share of the capacity from which a step shows the CPU per request there.
const NEAR: f64 = 0.9;

/// The points of a file of a grid, where there is one.
fn points(folder: &Path, file: &str) -> Result<Option<Vec<Trial>>, Failure> {
    let path = folder.join(file);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path)?;
    let points: Result<Vec<Trial>, _> = text.lines().map(serde_json::from_str).collect();
    Ok(Some(points?))
}

/// Whether the settings compute on more threads than the quota has CPU.
fn crowds(profile: &Profile, check: &Check) -> bool {
    let network = || -> Option<(Network, f64)> {
        let measured = profile.measured.as_ref()?;
        let around = Surroundings {
            visible_cpus: measured.visible_cpus,
            task_cpu: measured.task.cpu,
            task_memory: measured.task.memory.0,
        };
        let model = runtimes::by_id(&profile.runtime)?.model;
        Some((model(&check.settings, &around)?, measured.task.cpu))
    };
    network().is_some_and(|(network, cpu)| network.concurrency().cores > cpu)
}

fn tails(compared: &[Compared]) -> impl Iterator<Item = (&Tail, bool)> {
    compared.iter().flat_map(|c| c.check.tails.iter().map(move |tail| (tail, c.crowds)))
}

/// How far off latencies are, by load and where the quota stalls threads.
fn latencies(what: &str, compared: &[Compared]) {
    for (name, from, to) in LOADS {
        let near = tails(compared).map(|(t, _)| t).filter(|t| (from..to).contains(&t.load));
        say(&format!("p99 at {name} of the capacity, {what}"), near);
    }
    let stalled = tails(compared).filter(|(tail, crowds)| *crowds && tail.throttled >= STALLED);
    say(
        &format!("p99 with more threads than quota, while the quota runs out, {what}"),
        stalled.map(|(tail, _)| tail),
    );
    let inside = |tail: &Tail| (tail.between.0..=tail.between.1).contains(&tail.measured);
    let (all, held) = (tails(compared).count(), tails(compared).filter(|(t, _)| inside(t)).count());
    println!("p99 inside the 90 % of steps of its length, {what}: {held} of {all} steps");
}

fn say<'a>(what: &str, tails: impl Iterator<Item = &'a Tail>) {
    let errors = absolute(tails.map(Tail::error));
    let (middle, high) = (percent(median(&errors)), percent(quantile(&errors, 0.9)));
    println!(
        "{what}: {} steps, {middle} off in the median, {high} at the 90th percentile",
        errors.len()
    );
}

fn absolute(errors: impl Iterator<Item = f64>) -> Vec<f64> {
    errors.map(f64::abs).collect()
}

fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((q * sorted.len() as f64).ceil() as usize).saturating_sub(1)).copied()
}

fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) if share.is_finite() => format!("{:.0} %", 100.0 * share),
        Some(_) => "not carried by the forecast".into(),
        None => "none".into(),
    }
}
