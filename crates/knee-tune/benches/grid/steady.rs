//! Latencies below the capacity, in steps that are long enough to tell a 99th percentile.
//!
//! What lives here: today's settings and some others of a grid, each measured at three shares of what
//! the grid says that it carries. What never does: forecasts, which the benchmark `forecast` compares
//! with this.

use crate::backend::Backend;
use crate::cell::{Cell, Failure};
use crate::kept;
use knee_core::event::Trial;
use knee_core::observe::Capacity;
use knee_core::settings::Settings;
use knee_tune::lab::{Lab, LabOptions};
use knee_tune::space;
use knee_tune::stage::Stage;
use knee_tune::tune::TuneRequest;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Loads, over the capacity.
const LOADS: [f64; 3] = [0.3, 0.5, 0.8];
/// Requests of a step, so that a 99th percentile is told within a tenth or so; between how many
/// seconds it lasts.
const REQUESTS: f64 = 1_500.0;
const SECONDS: (f64, f64) = (20.0, 30.0);
/// Seconds of half the capacity before anything counts: compilers and caches are warm then.
const WARMING: f64 = 5.0;
/// Points whose own search leaves more open are no measure.
const VAGUE: f64 = 0.10;

/// Measures so many of the settings that the cell's grid has, today's among them.
pub fn measure(cell: &Cell, count: usize) -> Result<(), Failure> {
    let stop = AtomicBool::new(false);
    let points: Vec<Trial> = kept::read(cell)?.into_iter().filter(told).collect();
    let request = cell.request()?;
    let today = space::settle(&request.service, &request.service.current());
    let chosen = choose(points, &today, count);
    if chosen.is_empty() {
        return Err("its grid is not measured yet".into());
    }
    let _backend = Backend::start()?;
    let lab = Lab::new(LabOptions::default())?;
    let mut kept = kept::Points::steady(cell)?;
    for point in chosen {
        let began = Instant::now();
        let Some(capacity) = &point.capacity else { continue };
        let measured = Capacity {
            curve: steps(&lab, &request, &point.settings, capacity.rate, &stop)?,
            ..capacity.clone()
        };
        for step in &measured.curve {
            let (rate, tail) = (step.offered, 1e3 * step.latency.goal);
            eprintln!("  {cell}: {} at {rate:.1}/s: {tail:.1} ms", point.settings);
        }
        let seconds = began.elapsed().as_secs_f64();
        kept.add(&Trial { capacity: Some(measured), seconds, ..point })?;
    }
    Ok(())
}

/// Whether the grid tells what the point carries.
fn told(point: &Trial) -> bool {
    let capacity = point.capacity.as_ref().filter(|c| c.rate > 0.0 && c.validity.is_valid());
    capacity.is_some_and(|c| c.spread.is_none_or(|spread| spread <= VAGUE))
}

/// Today's settings, and others from those that carry least to those that carry most.
fn choose(mut points: Vec<Trial>, today: &Settings, count: usize) -> Vec<Trial> {
    let rate = |point: &Trial| point.capacity.as_ref().map_or(0.0, |c| c.rate);
    points.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
    let (mut chosen, others): (Vec<Trial>, Vec<Trial>) =
        points.into_iter().partition(|point| point.settings == *today);
    let more = count.saturating_sub(chosen.len()).min(others.len());
    // The middle of as many equal parts.
    chosen.extend((0..more).map(|i| others[(2 * i + 1) * others.len() / (2 * more)].clone()));
    chosen
}

fn steps(
    lab: &Lab,
    request: &TuneRequest,
    settings: &Settings,
    capacity: f64,
    stop: &AtomicBool,
) -> Result<Vec<knee_core::observe::Step>, Failure> {
    let mut stage = Stage::open(lab, request, settings, request.seed, stop)?;
    stage.step(0.5 * capacity, WARMING, 0.0)?;
    let mut steps = vec![];
    for load in LOADS {
        let rate = load * capacity;
        let seconds = (REQUESTS / rate).clamp(SECONDS.0, SECONDS.1);
        steps.push(stage.step(rate, seconds, request.lengths.warm_up)?);
    }
    stage.close()?;
    Ok(steps)
}
