//! From a run to a profile: what requests and processes take, and how firmly that is known.
//!
//! What lives here: arithmetic over the events of a run. What never does: reading them.

mod memory;
mod time;

use crate::forecast::{Case, Place};
use knee_core::event::{Event, Started};
use knee_core::observe::{Calibration, Step};
use knee_core::profile::{Class, Demand, Estimate, Measured, Profile, Shape, Version};
use knee_core::runtimes;
use knee_core::settings::Settings;

/// A run from which no profile can be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// It ended before anything was measured.
    #[error("run {0} holds no calibration: it was interrupted before the service answered")]
    NotCalibrated(String),
    /// The step at low load is not in its log.
    #[error("run {0} does not keep the step that calibrated it: an earlier knee made it")]
    NoLight(String),
    /// Nothing that knee has a model of serves the requests.
    #[error("run {0}: no program that knee has a model of serves the requests")]
    NoModel(String),
}

/// What a run holds.
struct Observed<'a> {
    run: &'a str,
    started: &'a Started,
    calibration: &'a Calibration,
    light: &'a Step,
    /// Every step with the settings that it was measured under.
    steps: Vec<(&'a Settings, &'a Step)>,
}

/// The profile that a run gives; `run` is the run's name.
pub fn profile(run: &str, events: &[Event]) -> Result<Profile, FitError> {
    let observed = Observed::of(run, events)?;
    let runtime = observed.runtime().ok_or_else(|| FitError::NoModel(run.into()))?;
    let place = observed.place();
    let today = &observed.calibration.settings;
    let concurrency = (runtime.model)(today, &place.surroundings())
        .ok_or_else(|| FitError::NoModel(run.into()))?
        .concurrency();
    let cpu = time::cpu(&observed);
    let heap = memory::heap(&observed, concurrency.cores);
    let wait = time::wait(&observed, cpu.per_request.value);
    let mut profile = Profile {
        version: Version,
        service: observed.started.service.clone(),
        runtime: runtime.id.into(),
        classes: vec![Class {
            name: observed.requests(),
            weight: 1.0,
            cpu: Demand { mean: cpu.per_request, shape: Shape::Constant },
            wait,
            blocking: Demand::none(),
            offloaded: Demand::none(),
            calls: 1,
        }],
        background: cpu.background,
        contention: cpu.contention,
        memory: memory::fit(&observed, concurrency.processes),
        start: Estimate::assumed(START, START / 2.0, "no start was measured"),
        heap,
        measured: Some(observed.measured(runtime.id)),
    };
    if let Some(case) = Case::new(&profile.clone(), today, place) {
        time::without_queue(&mut profile, &case, observed.light);
    }
    Ok(profile)
}

/// CPU to start a process, seconds, until one is measured: an interpreter and an application.
const START: f64 = 0.5;

impl<'a> Observed<'a> {
    fn of(run: &'a str, events: &'a [Event]) -> Result<Observed<'a>, FitError> {
        let missing = || FitError::NotCalibrated(run.into());
        let started = events.iter().find_map(|event| match event {
            Event::Started(started) => Some(&**started),
            _ => None,
        });
        let calibration = events.iter().rev().find_map(|event| match event {
            Event::Calibrated { calibration, .. } => Some(calibration),
            _ => None,
        });
        let calibration = calibration.ok_or_else(missing)?;
        let light = calibration.light.as_deref().ok_or_else(|| FitError::NoLight(run.into()))?;
        let tried = events.iter().filter_map(|event| match event {
            Event::Tried(trial) => Some((&trial.settings, trial.capacity.as_ref()?)),
            _ => None,
        });
        let steps = tried.flat_map(|(settings, capacity)| {
            capacity.curve.iter().map(move |step| (settings, step))
        });
        Ok(Observed {
            run,
            started: started.ok_or_else(missing)?,
            calibration,
            light,
            steps: steps.collect(),
        })
    }

    /// The runtime that serves: no front server, where another is known.
    fn runtime(&self) -> Option<&'static runtimes::Runtime> {
        let known = || self.started.knobs.iter().filter_map(|k| runtimes::by_id(&k.runtime));
        known().find(|r| !r.front).or_else(|| known().next())
    }

    fn place(&self) -> Place {
        Place::of(self.started.task.value, self.started.machine.cpus.max(1))
    }

    /// What was asked for, in a line.
    fn requests(&self) -> String {
        let name = |r: &knee_core::workload::Request| format!("{} {}", r.method, r.path);
        let names: Vec<String> = self.started.requests.iter().map(name).collect();
        if names.len() == 1 { names[0].clone() } else { format!("mix of {}", names.join(", ")) }
    }

    /// Steps under today's settings, the light one first, that are to be believed.
    fn today(&self) -> impl Iterator<Item = &'a Step> {
        let today = &self.calibration.settings;
        let same = self.steps.iter().filter(move |(s, _)| *s == today).map(|(_, step)| *step);
        std::iter::once(self.light).chain(same.filter(|s| s.validity.is_valid()))
    }

    fn by(&self, what: &str) -> String {
        format!("run {}, {what}", self.run)
    }

    fn measured(&self, runtime: &str) -> Measured {
        let model = runtimes::by_id(runtime).map(|r| r.model);
        let around = self.place().surroundings();
        let processes = |settings: &Settings| Some(model?(settings, &around)?.processes);
        let all = || {
            let settings = self.steps.iter().map(|(settings, _)| *settings);
            settings.chain([&self.calibration.settings]).filter_map(processes)
        };
        let rates = || self.today().filter(|s| s.counts.ok > 0).map(|s| s.throughput);
        Measured {
            run: self.run.into(),
            task: self.started.task.value,
            visible_cpus: self.started.machine.cpus.max(1),
            settings: self.calibration.settings.clone(),
            rates: (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max)),
            processes: (all().min().unwrap_or(1), all().max().unwrap_or(1)),
        }
    }
}

#[cfg(test)]
mod tests;
