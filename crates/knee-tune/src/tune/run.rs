//! A run in progress: what it knows, its beginning, and the calibration by today's settings.

use super::alone::redirected;
use super::speed::Speeds;
use super::{TuneError, TuneRequest};
use crate::calibrate;
use crate::lab::{Lab, granted_nofile};
use crate::space;
use crate::stage::Stage;
use knee_core::event::{Confirmation, Event, KnobFact, Machine, Started, Trial};
use knee_core::limit::Scene;
use knee_core::model::Concurrency;
use knee_core::observe::{Bound, Calibration, Resource, Validity};
use knee_core::runtimes::Surroundings;
use knee_core::settings::Settings;
use knee_core::units::Seconds;
use knee_plan::pairs::{Pair, Side};
use knee_plan::{Demand, ceiling};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A run in progress.
pub(super) struct Run<'a> {
    pub request: &'a TuneRequest,
    pub stop: &'a AtomicBool,
    pub lab: &'a Lab,
    on: &'a mut dyn FnMut(&Event),
    pub around: Surroundings,
    machine: Machine,
    /// CPUs that the service can have: the quota's, all of the host's where there is none.
    pub cores: f64,
    pub calibration: Option<Calibration>,
    /// Why no setting can hold the goal, where today's already told.
    pub hopeless: Option<String>,
    /// Requests/s that the generator itself can make here.
    pub ceiling: f64,
    /// CPU that today's settings use without requests, cores.
    rest: Option<f64>,
    pub trials: Vec<Trial>,
    /// Pairs that an interrupted run measured: today's settings and the best.
    pub pairs: Vec<Pair>,
    /// The least CPU that a request took in a pair.
    pub least_in_pairs: Option<Seconds>,
    /// Seconds that an interrupted run took for its trials, and since when this one runs.
    spent: f64,
    began: Instant,
    /// What holds for the whole run: the host, the laboratory, the generator.
    pub validity: Validity,
}

/// Rate of the first look at a service, requests/s.
const LOOK_RATE: f64 = 5.0;
/// Most that is sent to calibrate, requests/s.
const LIGHT_RATE: f64 = 200.0;
/// Share of what seems possible that is a light load.
const LIGHT: f64 = 0.2;
/// Most steps of light load, and the share of the CPU of a request before that says that it has
/// settled.
const LOOKS: usize = 3;
const SETTLED: f64 = 0.85;
/// Most kinds of request that are told apart: each takes a step of its own.
const KINDS: usize = 6;
/// How much longer than under a lighter load a request may take before it is no light load any
/// more: that many times, and as many seconds that any machine may add.
const CROWDED: (f64, f64) = (2.0, 0.005);
/// How often the generator's own ceiling is looked for, where a busy moment of the host may have
/// lowered it, and the requests/s from which on nobody looks again.
const CEILINGS: usize = 3;
const PLENTY: f64 = 5_000.0;
/// Share of the generator's own ceiling up to which it is trusted.
const TRUSTED: f64 = 0.8;

impl<'a> Run<'a> {
    pub fn new(
        request: &'a TuneRequest,
        stop: &'a AtomicBool,
        lab: &'a Lab,
        on: &'a mut dyn FnMut(&Event),
    ) -> Result<Self, TuneError> {
        let task = request.task.value;
        let machine = knee_probe::machine::read(Path::new("/"))?;
        let mut run = Run {
            request,
            stop,
            lab,
            on,
            around: Surroundings {
                visible_cpus: machine.cpus,
                task_cpu: task.cpu,
                task_memory: task.memory.0,
            },
            cores: if lab.confines() { task.cpu } else { f64::from(machine.cpus) },
            machine,
            calibration: None,
            hopeless: None,
            ceiling: f64::INFINITY,
            rest: None,
            trials: vec![],
            pairs: vec![],
            least_in_pairs: None,
            spent: 0.0,
            began: Instant::now(),
            validity: lab.validity(task),
        };
        run.validity.caveats.extend(run.fewer_files());
        run.recall();
        Ok(run)
    }

    /// Containers that get fewer open files here than the task gives them.
    fn fewer_files(&self) -> Vec<String> {
        let containers = self.request.service.containers.iter();
        let fewer = containers.filter_map(|c| {
            let asked = c.nofile.as_ref()?.value;
            let (soft, _) = granted_nofile(asked);
            (soft < asked.0).then(|| {
                format!(
                    "container `{}` had {soft} open files instead of the task's {}: this host allows no more",
                    c.name, asked.0
                )
            })
        });
        fewer.collect()
    }

    /// Takes over what an interrupted run already measured.
    fn recall(&mut self) {
        for event in &self.request.earlier {
            match event {
                Event::Calibrated { calibration, .. } => {
                    self.calibration = Some(calibration.clone());
                }
                Event::Tried(trial) => self.trials.push((**trial).clone()),
                Event::Paired { baseline, best, host, .. } => {
                    let host = host.unwrap_or((1.0, 1.0));
                    self.pairs.push(Pair {
                        baseline: Side { rate: *baseline, host: host.0 },
                        best: Side { rate: *best, host: host.1 },
                    });
                }
                _ => {}
            }
        }
        self.spent = self.trials.iter().map(|t| t.seconds).sum();
    }

    /// Seconds that the run has taken.
    pub fn elapsed(&self) -> f64 {
        self.spent + self.began.elapsed().as_secs_f64()
    }

    /// Starts the service under these settings, lets all its processes get ready, and measures the
    /// generator itself before its first use.
    pub fn open(&mut self, settings: &Settings, seed: u64) -> Result<Stage<'a>, TuneError> {
        let mut stage = Stage::open(self.lab, self.request, settings, seed, self.stop)?;
        let used = stage.settle(self.rest)?;
        self.rest.get_or_insert(used);
        stage.reckon_with(self.alone());
        if self.ceiling.is_infinite() {
            let mut ceiling = 0.0f64;
            for _ in 0..CEILINGS {
                ceiling = ceiling.max(TRUSTED * stage.ceiling()?);
                if ceiling > PLENTY {
                    break;
                }
            }
            if ceiling <= 0.0 {
                return Err(TuneError::Starved);
            }
            if let Some(rate) = self.request.goal.value.rate.filter(|rate| *rate > ceiling) {
                return Err(TuneError::BeyondGenerator { rate, ceiling });
            }
            self.ceiling = ceiling;
        }
        Ok(stage)
    }

    pub fn tell(&mut self, event: &Event) {
        (self.on)(event);
    }

    pub fn start(&mut self) {
        if !self.request.earlier.is_empty() {
            return;
        }
        let started = self.started();
        self.tell(&Event::Started(Box::new(started)));
    }

    /// What the run starts from.
    pub fn started(&self) -> Started {
        let request = self.request;
        Started {
            knee: env!("CARGO_PKG_VERSION").into(),
            at: now(),
            service: request.service.name.clone(),
            facts: request.facts.clone(),
            task: request.task.clone(),
            goal: request.goal.clone(),
            requests: request.requests.clone(),
            knobs: request.service.knobs().map(KnobFact::of).collect(),
            machine: self.machine.clone(),
            confinement: self.lab.confinement(request.task.value),
            seed: request.seed,
            validity: self.validity.clone(),
        }
    }

    /// Measures today's settings, calibrating on the way.
    pub fn first(&mut self, today: &Settings) -> Result<(), TuneError> {
        let began = Instant::now();
        if self.calibration.is_some() && !self.trials.is_empty() {
            return Ok(());
        }
        self.tell(&Event::Trying {
            number: 1,
            settings: today.clone(),
            because: "today's settings".into(),
            forecast: None,
        });
        let mut stage = self.open(today, self.request.seed)?;
        self.validity.caveats.extend(redirected(&self.request.requests, &stage.ask()?));
        let calibration = self.calibrate(&mut stage, today)?;
        self.hopeless = self.hopeless(&stage)?;
        let bound = self.ceiling_at(&Demand::from(&calibration));
        self.calibration = Some(calibration.clone());
        stage.reckon_with(self.alone());
        self.tell(&Event::Calibrated { calibration, bound });
        let trial = self.measure(stage, 1, today, None, began)?;
        self.tried(trial);
        Ok(())
    }

    /// Sends a little, then about a fifth of what that says is possible, until a request's CPU
    /// stays about the same: compilers and caches make the first ones dear.
    fn calibrate(
        &mut self,
        stage: &mut Stage,
        settings: &Settings,
    ) -> Result<Calibration, TuneError> {
        let lengths = self.request.lengths;
        let concurrency = self.concurrency(settings);
        let idle = self.rest.unwrap_or_default();
        let mixed = self.request.requests.len() > 1;
        let told = |stage: &mut Stage, rate| -> Result<Calibration, TuneError> {
            let step = stage.step(rate, lengths.step, 2.0 * lengths.warm_up)?;
            let doubts = step.validity.invalid.clone();
            calibrate::from(&step, idle, mixed, settings, concurrency)
                .map_err(|error| TuneError::Calibration { error, doubts, log: stage.log() })
        };
        let mut known = told(stage, LOOK_RATE)?;
        for _ in 0..LOOKS {
            let demand = Demand::from(&known);
            let possible = concurrency.map_or_else(
                || ceiling(&demand, self.cores).rate,
                |c| knee_plan::bound(&c, &demand, self.cores).rate,
            );
            let next = match told(stage, (possible * LIGHT).clamp(LOOK_RATE, LIGHT_RATE)) {
                // It answers a lower rate: this one was no light load.
                Err(TuneError::Calibration { .. }) => break,
                next => next?,
            };
            let took = |c: &Calibration| c.cpu.0 + c.wait.0;
            let light = next.light.as_ref();
            let behind = light.is_some_and(|step| !calibrate::keeps_up(step));
            if behind || known.cpu.0 > 0.0 && took(&next) > CROWDED.0 * took(&known) + CROWDED.1 {
                // It waits for itself: without a model nobody knew how much it serves at once.
                break;
            }
            let settled = next.cpu.0 > SETTLED * known.cpu.0;
            known = next;
            if settled {
                break;
            }
        }
        if mixed && self.request.requests.len() <= KINDS {
            known.kinds = stage.kinds(known.rate, LOOK_RATE)?;
        }
        Ok(known)
    }

    /// What settings can do at once, where a model says.
    pub fn concurrency(&self, settings: &Settings) -> Option<Concurrency> {
        space::concurrency(&self.request.service, &self.around, settings)
    }

    /// What a request takes: its waiting as the calibration saw it, its CPU as the calibration or a step
    /// of these trials did, where that was less.
    pub fn demand<'t>(&self, trials: impl IntoIterator<Item = &'t Trial>) -> Option<Demand> {
        let demand = self.calibration.as_ref().map(Demand::from)?;
        let searched = trials.into_iter().filter_map(|trial| trial.capacity.as_ref());
        let least = calibrate::least_cpu(searched.flat_map(|capacity| &capacity.curve));
        Some(Demand { cpu: least.map_or(demand.cpu, |least| demand.cpu.min(least.0)), ..demand })
    }

    /// The most that settings reach, where a model says.
    pub fn bound(&self, settings: &Settings) -> Option<Bound> {
        let demand = self.demand(&self.trials)?;
        Some(match self.concurrency(settings) {
            Some(c) => knee_plan::bound(&c, &demand, self.cores),
            None => self.ceiling_at(&demand),
        })
    }

    /// The most that any settings reach, after all that was measured, the pairs among it.
    pub fn most(&self, confirmation: Option<&Confirmation>) -> Option<Bound> {
        let demand = self.demand(&self.trials)?;
        let least = self.least_in_pairs.map_or(demand.cpu, |least| demand.cpu.min(least.0));
        let pairs = confirmation.map_or(&[][..], |confirmation| &confirmation.pairs);
        let rates = self.trials.iter().filter_map(carried);
        let rates = rates.chain(pairs.iter().flat_map(|(today, best)| [*today, *best]));
        Some(reached(self.ceiling_at(&Demand { cpu: least, ..demand }), rates))
    }

    fn ceiling_at(&self, demand: &Demand) -> Bound {
        let bound = ceiling(demand, self.cores);
        let resource = if self.lab.confines() { bound.resource } else { Resource::Host };
        Bound { resource, ..bound }
    }

    /// What is said where a trial carries all that the generator can make: what others carry more
    /// cannot be told on this host. None where a rate is asked for.
    pub fn at_ceiling(&self, trial: &Trial) -> Option<String> {
        let capacity = trial.capacity.as_ref()?;
        let reached = self.request.goal.value.rate.is_none() && capacity.rate >= self.ceiling;
        reached.then(|| capacity.limited_by.evidence.clone())
    }

    /// What the host's speed did so far.
    pub fn speeds(&self) -> Speeds {
        Speeds::new(self.calibration.as_ref(), &self.trials)
    }

    /// What a request takes alone, seconds, once it is calibrated.
    pub fn alone(&self) -> Option<f64> {
        self.calibration.as_ref().map(|c| c.cpu.0 + c.wait.0)
    }

    /// What a verdict on settings is made from.
    pub fn scene(&self, settings: &Settings) -> Scene {
        let limits = self.request.service.containers.iter().filter_map(|c| c.nofile.as_ref());
        Scene {
            task: self.request.task.value,
            concurrency: self.concurrency(settings),
            alone: self.alone(),
            nofile: limits.map(|n| granted_nofile(n.value).0).min(),
        }
    }

    /// Takes a trial in, and tells of it. What it showed of a request's CPU moves its own bound, too, and
    /// what it carried can be carried.
    pub fn tried(&mut self, mut trial: Trial) {
        self.trials.push(trial.clone());
        let bound = self.bound(&trial.settings);
        trial.bound = bound.map(|bound| reached(bound, carried(&trial)).rate);
        self.tell(&Event::Tried(Box::new(trial)));
    }
}

fn carried(trial: &Trial) -> Option<f64> {
    trial.capacity.as_ref().map(|capacity| capacity.rate)
}

/// A bound is no lower than what was carried.
fn reached(bound: Bound, rates: impl IntoIterator<Item = f64>) -> Bound {
    Bound { rate: rates.into_iter().fold(bound.rate, f64::max), ..bound }
}

/// Seconds since 1970-01-01 UTC.
fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_no_lower_than_what_was_carried() {
        let most = |rates: &[f64]| {
            let bound = Bound { resource: Resource::CpuQuota, rate: 288.0 };
            reached(bound, rates.iter().copied()).rate
        };
        assert_eq!(most(&[108.0, 296.0, 260.0]), 296.0);
        assert_eq!((most(&[108.0]), most(&[])), (288.0, 288.0));
    }
}
