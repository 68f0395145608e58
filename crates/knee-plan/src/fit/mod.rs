//! From a run to a profile: what requests and processes take, and how firmly that is known.
//!
//! What lives here: arithmetic over the events of a run. What never does: reading them.

mod check;
mod kinds;
mod law;
mod memory;
mod residual;
mod time;

pub use check::{Check, Tail, check};
pub use law::{Law, law};
pub use residual::residual;
pub use time::crowding;

use crate::forecast::{Case, Place};
use knee_core::event::{Event, Started, Trial};
use knee_core::model::Network;
use knee_core::observe::{Calibration, Step};
use knee_core::profile::{
    self, Class, Demand, Estimate, Measured, Profile, Residual, Shape, Version,
};
use knee_core::runtimes::{self, Runtime};
use knee_core::settings::Settings;
use knee_core::task::Task;
use knee_core::workload::Request;

/// A run from which no profile can be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// It ended before anything was measured.
    #[error("run {0} holds no measurement: it was interrupted before the service answered")]
    NotCalibrated(String),
    /// Nothing that knee has a model of serves the requests.
    #[error("run {0}: no program that knee has a model of serves the requests")]
    NoModel(String),
}

/// What a run holds, as far as a fit needs it.
#[derive(Clone)]
pub struct Observed<'a> {
    run: &'a str,
    service: &'a str,
    runtime: &'static Runtime,
    /// What was asked for, in a line.
    requests: String,
    task: Task,
    visible_cpus: u32,
    calibration: &'a Calibration,
    light: &'a Step,
    /// Every step with the settings that it was measured under.
    steps: Vec<(&'a Settings, &'a Step)>,
}

/// The profile that a run gives; `run` is the run's name.
pub fn profile(run: &str, events: &[Event]) -> Result<Profile, FitError> {
    Observed::of(run, events)?.profile()
}

/// CPU to start a process, seconds, until one is measured: an interpreter and an application.
const START: f64 = 0.5;

impl<'a> Observed<'a> {
    /// What the events of a run hold.
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
        let tried = events.iter().filter_map(|event| match event {
            Event::Tried(trial) => Some(&**trial),
            _ => None,
        });
        Observed::new(run, started.ok_or_else(missing)?, calibration.ok_or_else(missing)?, tried)
    }

    /// What a run has measured so far.
    pub fn new(
        run: &'a str,
        started: &'a Started,
        calibration: &'a Calibration,
        trials: impl Iterator<Item = &'a Trial>,
    ) -> Result<Observed<'a>, FitError> {
        let tried = trials.filter_map(|trial| Some((&trial.settings, trial.capacity.as_ref()?)));
        let steps: Vec<(&Settings, &Step)> = tried
            .flat_map(|(settings, capacity)| {
                capacity.curve.iter().map(move |step| (settings, step))
            })
            .collect();
        // A log that does not keep the calibrating step has others at low rates.
        let today = steps.iter().filter(|(settings, _)| **settings == calibration.settings);
        let believed = today.map(|(_, step)| *step).filter(|step| step.validity.is_valid());
        let lowest = believed.min_by(|a, b| a.offered.total_cmp(&b.offered));
        let light = calibration.light.as_deref().or(lowest);
        let name = |r: &Request| format!("{} {}", r.method, r.path);
        let names: Vec<String> = started.requests.iter().map(name).collect();
        let mix = if names.len() > 1 { "mix of " } else { "" };
        Ok(Observed {
            run,
            service: &started.service,
            runtime: serving(started).ok_or_else(|| FitError::NoModel(run.into()))?,
            requests: format!("{mix}{}", names.join(", ")),
            task: started.task.value,
            visible_cpus: started.machine.cpus.max(1),
            calibration,
            light: light.ok_or_else(|| FitError::NotCalibrated(run.into()))?,
            steps,
        })
    }

    /// The profile.
    pub fn profile(&self) -> Result<Profile, FitError> {
        let today = &self.calibration.settings;
        let network = self.network(today).ok_or_else(|| FitError::NoModel(self.run.into()))?;
        let cpu = time::cpu(self);
        let wait = time::wait(self, cpu.per_request.value);
        let kinds = kinds::classes(self, &cpu.per_request, cpu.background.value);
        let mix = || Class {
            name: self.requests.clone(),
            weight: 1.0,
            cpu: Demand { mean: cpu.per_request.clone(), shape: Shape::Constant },
            wait,
            blocking: Demand::none(),
            offloaded: Demand::none(),
            calls: 1,
        };
        let mut profile = Profile {
            version: Version,
            service: self.service.into(),
            runtime: self.runtime.id.into(),
            classes: kinds.unwrap_or_else(|| vec![mix()]),
            background: cpu.background,
            contention: cpu.contention,
            crowding: cpu.crowding,
            wake: profile::wake(),
            memory: memory::fit(self, network.processes),
            start: Estimate::assumed(START, START / 2.0, "no start was measured"),
            heap: memory::heap(self, network.concurrency().cores),
            residual: Residual::default(),
            measured: Some(self.measured()),
        };
        if let Some(case) = Case::new(&profile.clone(), today, self.place()) {
            time::without_queue(&mut profile, &case, self.light);
        }
        Ok(profile)
    }

    /// The settings as stations.
    fn network(&self, settings: &Settings) -> Option<Network> {
        (self.runtime.model)(settings, &self.place().surroundings())
    }

    fn place(&self) -> Place {
        Place::of(self.task, self.visible_cpus)
    }

    fn by(&self, what: &str) -> String {
        format!("run {}, {what}", self.run)
    }

    fn measured(&self) -> Measured {
        let settings = self.steps.iter().map(|(settings, _)| *settings);
        let networks: Vec<Network> = settings
            .chain([&self.calibration.settings])
            .filter_map(|settings| self.network(settings))
            .collect();
        let between = |of: fn(&Network) -> u32| {
            let all = || networks.iter().map(of);
            (all().min().unwrap_or(1), all().max().unwrap_or(1))
        };
        let steps = self.steps.iter().map(|(_, step)| *step).filter(|s| s.validity.is_valid());
        let steps = steps.chain([self.light]).filter(|step| step.counts.ok > 0);
        let rates: Vec<f64> = steps.map(|step| step.throughput).collect();
        Measured {
            run: self.run.into(),
            task: self.task,
            visible_cpus: self.visible_cpus,
            settings: self.calibration.settings.clone(),
            rates: (
                rates.iter().copied().fold(f64::INFINITY, f64::min),
                rates.iter().copied().fold(0.0, f64::max),
            ),
            processes: between(|network| network.processes),
            at_once: Some(between(Network::at_once)),
        }
    }
}

/// The runtime that serves: no front server, where another is known.
fn serving(started: &Started) -> Option<&'static Runtime> {
    let known = || started.knobs.iter().filter_map(|k| runtimes::by_id(&k.runtime));
    known().find(|r| !r.front).or_else(|| known().next())
}

#[cfg(test)]
mod tests;
