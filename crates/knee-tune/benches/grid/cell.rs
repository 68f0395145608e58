//! A cell: an example, a task and a mix; what is asked of it and what articles advise for it.

use crate::kept;
use knee_core::event::Event;
use knee_core::settings::Settings;
use knee_core::workload::Request;
use knee_core::{Bytes, Goal, Origin, Sourced, Task};
use knee_files::Overrides;
use knee_tune::journal::Journal;
use knee_tune::tune::{TuneRequest, tune};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub type Failure = Box<dyn std::error::Error>;

const EXAMPLES: [&str; 6] = ["gunicorn", "uvicorn", "node", "go", "php-fpm", "nginx"];
const TASKS: [(&str, f64, u64); 2] = [("0.5", 0.5, 1024), ("1", 1.0, 2048)];
/// As examples/README.md has them.
const MIXES: [(&str, &str); 3] = [
    ("CPU-heavy", "/api/orders?limit=100&wait=2"),
    ("mixed", "/api/orders?limit=20&wait=20"),
    ("wait-heavy", "/api/orders?limit=2&wait=50"),
];

#[derive(Clone, Copy)]
pub struct Cell {
    pub example: &'static str,
    task: (&'static str, f64, u64),
    mix: (&'static str, &'static str),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} vCPU, {}", self.example, self.task.0, self.mix.0)
    }
}

/// What the arguments choose.
pub struct Chosen {
    /// All cells where none is named.
    pub cells: Vec<Cell>,
    /// Points of the grid that are kept from an earlier time are not measured again.
    pub again: bool,
    /// Instead of the grid: so many of its settings in long steps below what they carry.
    pub steady: Option<usize>,
}

pub fn chosen(args: impl Iterator<Item = String>) -> Result<Chosen, String> {
    let (mut examples, mut task, mut mix, mut again) = (vec![], None, None, false);
    let mut steady = None;
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {} // cargo's own
            "--task" => task = args.next(),
            "--mix" => mix = args.next(),
            "--again" => again = true,
            "--steady" => {
                let count = args.next().and_then(|n| n.parse().ok());
                steady = Some(count.ok_or("--steady takes a number of settings")?);
            }
            name => match EXAMPLES.iter().find(|e| **e == name) {
                Some(example) => examples.push(*example),
                None => {
                    return Err(format!("no example `{name}`; there are {}", EXAMPLES.join(", ")));
                }
            },
        }
    }
    if examples.is_empty() {
        examples = EXAMPLES.to_vec();
    }
    let cells: Vec<Cell> = examples
        .into_iter()
        .flat_map(|example| TASKS.map(|task| (example, task)))
        .flat_map(|(example, task)| MIXES.map(|mix| Cell { example, task, mix }))
        .filter(|c| task.as_ref().is_none_or(|t| t == c.task.0))
        .filter(|c| mix.as_ref().is_none_or(|m| m == c.mix.0))
        .collect();
    if cells.is_empty() {
        return Err("nothing chosen; tasks are 0.5 and 1".into());
    }
    Ok(Chosen { cells, again, steady })
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

impl Cell {
    pub fn request(&self) -> Result<TuneRequest, Failure> {
        let task = Task { cpu: self.task.1, memory: Bytes::mib(self.task.2) };
        let requests = vec![Request::get(self.mix.1)];
        let overrides = Overrides { task: Some(task), requests, ..Overrides::default() };
        let found = knee_files::discover(&examples().join(self.example), &overrides)?;
        let flag = |name: &str| Origin::Flag { name: name.into() };
        let goal = Sourced::new(Goal::default(), flag("--goal"));
        Ok(TuneRequest { goal, ..TuneRequest::of(found, Sourced::new(task, flag("--task"))) })
    }

    /// What articles advise: 2n + 1 workers for the two CPUs that a small task sees, FPM's five
    /// children, one Node.js process; Go and nginx as they come.
    pub fn advice(&self, request: &TuneRequest) -> Option<Settings> {
        let today = request.service.current();
        let advised = match self.example {
            "gunicorn" | "uvicorn" => today.with("workers", 5).with("threads", 1),
            "php-fpm" => today.with("pm", "dynamic").with("pm.max_children", 5),
            "node" => today.with("WEB_CONCURRENCY", 1),
            _ => return None,
        };
        Some(knee_tune::space::settle(&request.service, &advised))
    }
}

/// The tuned settings and what it took to find them.
pub struct Tuned {
    pub settings: Settings,
    /// What its trial carried, requests/s.
    pub rate: f64,
    pub trials: usize,
    pub seconds: f64,
}

pub fn tuned(request: &TuneRequest, cell: &Cell, stop: &AtomicBool) -> Result<Tuned, Failure> {
    let began = Instant::now();
    let mut journal = Journal::create(&kept::folder(cell))?;
    let mut trials = vec![];
    let verdict = tune(request, stop, &mut |event| {
        if let Err(error) = journal.append(event) {
            eprintln!("  {error}");
        }
        if let Event::Tried(trial) = event {
            let rate = trial.capacity.as_ref().map_or(0.0, |capacity| capacity.rate);
            trials.push((trial.number, trial.settings.clone(), rate));
        }
    })?;
    let best = trials.iter().find(|(number, ..)| *number == verdict.best);
    let (_, settings, rate) = best.ok_or("the best trial is missing")?;
    Ok(Tuned {
        settings: settings.clone(),
        rate: *rate,
        trials: trials.len(),
        seconds: began.elapsed().as_secs_f64(),
    })
}
