//! The exhaustive grid of one cell, measured.

use crate::cell::{Cell, Failure};
use crate::kept::Points;
use knee_core::event::Trial;
use knee_core::limit::Scene;
use knee_core::observe::Capacity;
use knee_core::runtimes::{Heap, Surroundings};
use knee_core::settings::{Settings, Value};
use knee_measure::SearchOptions;
use knee_plan::statistics::median;
use knee_tune::lab::{Lab, LabOptions};
use knee_tune::space::{self, Candidate, Searched};
use knee_tune::stage::Stage;
use knee_tune::tune::{TuneError, TuneRequest};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Every point of the grid with what it carries; 0 where the service does not live with it.
pub struct Table {
    pub points: Vec<(Settings, f64)>,
}

/// Time for one point's capacity, of which the confirming step takes so much; seconds.
const BUDGET: f64 = 14.0;
const CONFIRM: f64 = 3.0;
/// Points that a cell's grid may have before it is made coarser.
const MOST: usize = 36;
/// Rounds in which the finalists are measured in turn.
const ROUNDS: usize = 3;

impl Table {
    /// Measures every point; with `again` only those that are not kept from an earlier time.
    pub fn measure(
        request: &TuneRequest,
        cell: &Cell,
        again: bool,
        stop: &AtomicBool,
    ) -> Result<Table, Failure> {
        let lab = Lab::new(LabOptions::default())?;
        let mut order: Vec<Settings> = grid(request)?.into_iter().map(|c| c.settings).collect();
        shuffle(&mut order);
        let (mut kept, known) =
            if again { Points::again(cell)? } else { (Points::create(cell)?, vec![]) };
        let mut points: Vec<(Settings, f64)> = vec![];
        for (i, settings) in order.iter().enumerate() {
            if let Some(point) = known.iter().find(|point| point.settings == *settings) {
                points.push((settings.clone(), point.capacity.as_ref().map_or(0.0, |c| c.rate)));
                continue;
            }
            let began = Instant::now();
            // A search that begins where the others ended needs few steps.
            let lived: Vec<f64> = points.iter().map(|(_, r)| *r).filter(|r| *r > 0.0).collect();
            let options = SearchOptions {
                first: median(&lived).unwrap_or(SearchOptions::default().first),
                confirm: CONFIRM,
                budget: BUDGET,
                ..options(request)
            };
            let capacity = capacity(&lab, request, settings, &options, stop)?;
            let rate = capacity.as_ref().map_or(0.0, |c| c.rate);
            eprintln!("  {cell}: {}/{} {settings}: {rate:.1}", i + 1, order.len());
            points.push((settings.clone(), rate));
            kept.add(&Trial {
                number: i as u32 + 1,
                settings: settings.clone(),
                bound: None,
                rejected: capacity.is_none().then(|| "the service does not live with it".into()),
                capacity,
                abandoned: None,
                seconds: began.elapsed().as_secs_f64(),
            })?;
        }
        Ok(Table { points })
    }

    /// What is measured again in turn: today's, the tuned one, the advice, the grid's best three.
    pub fn finalists(
        &self,
        tuned: &Settings,
        advice: Option<&Settings>,
        request: &TuneRequest,
    ) -> Vec<Settings> {
        let mut best = self.points.clone();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        let today = space::settle(&request.service, &request.service.current());
        let mut all = vec![today, tuned.clone()];
        all.extend(advice.cloned());
        all.extend(best.into_iter().take(3).map(|(settings, _)| settings));
        let mut distinct: Vec<Settings> = vec![];
        for settings in all {
            if !distinct.contains(&settings) {
                distinct.push(settings);
            }
        }
        distinct
    }

    /// What the settings carried, requests/s; where the grid has none of it, what its best did: every
    /// search has to begin near its end, or its time runs out on the way.
    pub fn rate(&self, settings: &Settings) -> f64 {
        let known = self.points.iter().find(|(s, rate)| s == settings && *rate > 0.0);
        known.map_or_else(|| self.best(), |(_, rate)| *rate)
    }

    fn best(&self) -> f64 {
        self.points.iter().map(|(_, rate)| *rate).fold(1e-9, f64::max)
    }

    /// Settings as far as they differ within the grid.
    pub fn shown(&self, settings: &Settings) -> String {
        let differs = |knob: &&String| {
            self.points.iter().any(|(s, _)| s.0.get(*knob) != settings.0.get(*knob))
        };
        let knobs: Vec<String> = settings
            .0
            .keys()
            .filter(differs)
            .map(|knob| format!("{knob}={}", settings.0[knob]))
            .collect();
        knobs.join(" ")
    }
}

/// Each of the settings measured in turn, again and again; the medians.
pub fn in_turn(
    request: &TuneRequest,
    settings: &[Settings],
    expected: &dyn Fn(&Settings) -> f64,
    stop: &AtomicBool,
) -> Result<Vec<(Settings, f64)>, Failure> {
    let lab = Lab::new(LabOptions::default())?;
    let mut rates = vec![vec![]; settings.len()];
    for _ in 0..ROUNDS {
        for (of, settings) in rates.iter_mut().zip(settings) {
            let first = median(of).unwrap_or(expected(settings));
            let options = SearchOptions { first, budget: request.lengths.pair, ..options(request) };
            let capacity = capacity(&lab, request, settings, &options, stop)?;
            of.push(capacity.map_or(0.0, |c| c.rate));
        }
    }
    let medians = rates.iter().map(|of| median(of).unwrap_or(0.0));
    Ok(settings.iter().cloned().zip(medians).collect())
}

/// Powers of two (of four, where those are too many) of every number that the search moves, every
/// choice, and today's settings. Limits that need only be wide are left as they are.
fn grid(request: &TuneRequest) -> Result<Vec<Candidate>, Failure> {
    let around = Surroundings {
        visible_cpus: knee_probe::machine::read(Path::new("/"))?.cpus,
        task_cpu: request.task.value.cpu,
        task_memory: request.task.value.memory.0,
    };
    // Memory is searched too where there is a collector to be tuned.
    let heap = Heap { collector: 0.2, live: 8e6, ..Heap::default() };
    let searched = Searched { heap: Some(heap), limits: false };
    let all = space::candidates(&request.service, &around, searched);
    let today = all[0].settings.clone();
    let of_powers = |step: u32| -> Vec<Candidate> {
        let on = |c: &&Candidate| {
            c.settings.0.iter().all(|(knob, value)| match value {
                Value::Int(n) => today.int(knob) == Some(*n) || !moves(knob) || power(*n, step),
                Value::Text(_) => true,
            })
        };
        all.iter().filter(|c| c.settings == today || on(c)).cloned().collect()
    };
    let fine = of_powers(1);
    Ok(if fine.len() > MOST { of_powers(2) } else { fine })
}

/// Whether the number is 2^(step · k).
fn power(n: i64, step: u32) -> bool {
    n.count_ones() == 1 && n.trailing_zeros().is_multiple_of(step)
}

/// Numbers of processes and threads go by powers of two; memory and limits have few values.
fn moves(knob: &str) -> bool {
    !knob.starts_with("GO") && !knob.contains("size") && !knob.contains("backlog")
}

fn options(request: &TuneRequest) -> SearchOptions {
    SearchOptions {
        seconds: request.lengths.step,
        confirm: request.lengths.confirm,
        warm_up: request.lengths.warm_up,
        ..SearchOptions::default()
    }
}

/// What the settings carry; None where the service does not live with them.
fn capacity(
    lab: &Lab,
    request: &TuneRequest,
    settings: &Settings,
    options: &SearchOptions,
    stop: &AtomicBool,
) -> Result<Option<Capacity>, Failure> {
    let scene = Scene { task: request.task.value, concurrency: None, alone: None, nofile: None };
    let measured = Stage::open(lab, request, settings, request.seed, stop).and_then(|mut stage| {
        stage.warm(options.first / 2.0)?;
        stage.capacity(vec![], options, &scene, &mut |_| {})
    });
    match measured {
        Ok(capacity) => Ok(Some(capacity)),
        Err(TuneError::Lab(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The same order each time, without a drift of the machine hitting neighbours alike.
fn shuffle(settings: &mut [Settings]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..settings.len()).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        settings.swap(i, (state >> 33) as usize % (i + 1));
    }
}
