//! A profile from `knee measure`: of a service that runs here and whose files are in the folder.
//!
//! What lives here: what has to be known besides the curve, and the words where it is not. What never
//! does: sending load, the fit.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::served::Served;
use knee_core::Goal;
use knee_core::event::{Event, KnobFact, Machine, Started, Trial};
use knee_core::observe::{Calibration, Capacity, Step, Validity};
use knee_core::profile::Profile;
use knee_core::runtimes::{Runtime, Surroundings};
use knee_core::service::Service;
use knee_core::settings::Settings;
use knee_core::task::Task;
use knee_core::workload::Request;
use knee_core::{Origin, Sourced};
use knee_files::Overrides;
use knee_plan::{Demand, bound, fit};
use knee_tune::{calibrate, space};
use std::path::Path;

/// The service that is measured, as its files and the host say.
pub struct Sized {
    service: Service,
    runtime: &'static Runtime,
    settings: Settings,
    task: Task,
    machine: Machine,
}

/// Rate of the first look, requests/s, and the most that is a light load.
pub const LOOK: f64 = 5.0;
const LIGHT_RATE: f64 = 200.0;
/// Share of what seems possible that is a light load.
const LIGHT: f64 = 0.2;

impl Sized {
    /// The service in the folder, if it is what serves the port.
    pub fn of(root: &Path, served: Option<&Served>, port: u16) -> Result<Sized, Failure> {
        let failed = |what: String, remedy: &str| {
            Err(Failure::new(Exit::Refused, format!("--lock: {what}")).remedy(remedy.to_string()))
        };
        let Some(served) = served else {
            let what = format!("what serves port {port} cannot be seen from here");
            return failed(what, "measure on the machine where it runs, as its user or as root");
        };
        let service = knee_files::discover(root, &Overrides::default())?.service;
        let settings = space::settle(&service, &service.current());
        let Some((id, runtime)) = space::serving(&service) else {
            let what = format!("{} holds no service that knee has a model of", root.display());
            return failed(what, "name the service's folder with -C");
        };
        match served.runtime() {
            Some(seen) if seen.id == id => {}
            seen => {
                let seen = seen.map_or("a program that knee does not know", |r| r.title);
                let what = format!("{seen} serves port {port}, the files here start {id}");
                return failed(what, "name the folder of what runs there with -C");
            }
        }
        let machine = knee_probe::machine::read(Path::new("/")).unwrap_or_default();
        Ok(Sized { task: served.task(), service, runtime, settings, machine })
    }

    fn around(&self) -> Surroundings {
        Surroundings {
            visible_cpus: self.machine.cpus,
            task_cpu: self.task.cpu,
            task_memory: self.task.memory.0,
        }
    }

    /// What a request takes, by a step at low load; `idle` is the CPU used without requests, cores.
    pub fn calibration(&self, step: &Step, idle: f64) -> Result<Calibration, Failure> {
        let concurrency = space::concurrency(&self.service, &self.around(), &self.settings);
        calibrate::from(step, idle, false, &self.settings, concurrency)
            .map_err(|error| Failure::new(Exit::Inconclusive, format!("--lock: {error}")))
    }

    /// A light load for such a service, requests/s.
    pub fn light(&self, known: &Calibration) -> f64 {
        let demand = Demand::from(known);
        let network = (self.runtime.model)(&self.settings, &self.around());
        let possible = network
            .map_or(LOOK, |network| bound(&network.concurrency(), &demand, self.task.cpu).rate);
        (possible * LIGHT).clamp(LOOK, LIGHT_RATE)
    }

    /// The profile that the calibration and the curve give.
    pub fn profile(
        &self,
        calibration: Calibration,
        capacity: &Capacity,
        goal: Goal,
        request: Request,
    ) -> Result<Profile, Failure> {
        let demand = Demand::from(&calibration);
        let bound = knee_plan::ceiling(&demand, self.task.cpu);
        let trial = Trial {
            number: 1,
            settings: self.settings.clone(),
            bound: None,
            capacity: Some(capacity.clone()),
            abandoned: None,
            rejected: None,
            seconds: capacity.curve.iter().map(|step| step.seconds).sum(),
        };
        let events = [
            Event::Started(Box::new(self.started(goal, request))),
            Event::Calibrated { calibration, bound },
            Event::Tried(Box::new(trial)),
        ];
        fit::profile("of knee measure", &events)
            .map_err(|error| Failure::new(Exit::Inconclusive, format!("--lock: {error}")))
    }

    fn started(&self, goal: Goal, request: Request) -> Started {
        let flag = |name: &str| Origin::Flag { name: name.into() };
        Started {
            knee: env!("CARGO_PKG_VERSION").into(),
            at: 0,
            service: self.service.name.clone(),
            facts: vec![],
            task: Sourced::new(self.task, Origin::Observed { by: "knee measure".into() }),
            goal: Sourced::new(goal, flag("--goal")),
            requests: vec![request],
            knobs: self.service.knobs().map(KnobFact::of).collect(),
            machine: self.machine.clone(),
            confinement: String::new(),
            seed: 0,
            validity: Validity::default(),
        }
    }
}
