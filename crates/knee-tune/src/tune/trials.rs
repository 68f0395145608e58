//! The trials of a run: which candidate is next, and what became of it.

use super::TuneError;
use super::confirm::OPENING;
use super::fitness::own_failure;
use super::run::Run;
use super::speed::Speeds;
use crate::lab::Tail;
use crate::prior;
use crate::space::{self, Candidate, Searched};
use crate::stage::Stage;
use crate::strategy::{self, Found, Memory, Next, Problem, Tested};
use knee_core::Bytes;
use knee_core::event::{Abandoned, Event, Trial};
use knee_core::limit::{self, Scene};
use knee_core::observe::{Capacity, Outcome, Resource, Step};
use knee_core::runtimes::Heap;
use knee_core::settings::Settings;
use knee_core::task::Task;
use knee_measure::{SearchOptions, Standing};
use knee_plan::fit::Observed;
use knee_plan::forecast::Place;
use std::time::Instant;

/// Relative standard deviation of one measured capacity, until repeats tell better.
pub(super) const NOISE: f64 = 0.04;
/// How far beyond the load of the calibration a search begins where no model bounds it, as a factor.
const BEYOND: f64 = 2.0;
/// Share of its bound at which the search for a capacity begins.
const FIRST: f64 = 0.6;
/// Share of the first rate at which a fresh service is warmed: compilers and caches get ready.
pub(super) const WARM: f64 = 0.5;
/// Most of a budget that goes into one confirming step.
const QUARTER: f64 = 4.0;

/// What became of a candidate on stage.
enum Measured {
    Searched(Capacity),
    Abandoned(Abandoned),
}

impl Run<'_> {
    /// Tries settings until the strategy says stop or time runs out; why it stopped.
    pub fn search(&mut self) -> Result<String, TuneError> {
        if let Some(why) = self.hopeless.take() {
            return Ok(why);
        }
        let problem = self.problem();
        loop {
            if let Some(why) = self.out_of_time() {
                return Ok(why);
            }
            if let Some(why) = self.trials.iter().find_map(|trial| self.at_ceiling(trial)) {
                return Ok(why);
            }
            let tested = self.tested();
            let (settings, because, forecast, beat) = match strategy::next(&problem, &tested) {
                Next::Try { settings, because, forecast, beat } => {
                    (settings, because, forecast, beat)
                }
                Next::Stop(why) => return Ok(why),
            };
            let number = self.trials.len() as u32 + 1;
            self.tell(&Event::Trying { number, settings: settings.clone(), because, forecast });
            let trial = self.attempt(number, &settings, beat)?;
            self.tried(trial);
        }
    }

    /// Why no further trial is begun, if time runs out.
    fn out_of_time(&self) -> Option<String> {
        let lengths = self.request.lengths;
        let left = lengths.total - self.elapsed() - self.confirmation();
        (left < lengths.search + OPENING).then(|| {
            format!(
                "{}, as many as fit into {:.0} s with the confirmation",
                strategy::made(self.trials.len()),
                lengths.total
            )
        })
    }

    /// What is searched, as the calibration and today's trial leave it.
    pub fn problem(&self) -> Problem {
        let today = self.trials.first();
        let gave_out = today.and_then(|t| t.capacity.as_ref()).map(|c| c.limited_by.resource);
        let unexplained = matches!(
            gave_out,
            Some(
                Resource::Unknown
                    | Resource::AcceptQueue
                    | Resource::Descriptors
                    | Resource::Connections
                    | Resource::Backend
            )
        );
        let searched = Searched { heap: today.and_then(|t| self.heap(t)), limits: unexplained };
        let mut candidates = space::candidates(&self.request.service, &self.around, searched);
        self.forecast(&mut candidates);
        let modelled = candidates.iter().all(|c| c.concurrency.is_some());
        let calibration = self.calibration.as_ref();
        let bytes = |of: fn(&knee_core::observe::Calibration) -> u64| {
            calibration.map_or(0.0, |c| of(c) as f64)
        };
        Problem {
            candidates,
            demand: self.demand(today).filter(|_| modelled),
            task_cpu: self.cores,
            goal: self.request.goal.value,
            noise: NOISE,
            memory: Memory {
                limit: self.room(),
                each: bytes(|c| c.per_worker.0),
                shared: bytes(|c| c.shared.0),
            },
            most: self.request.most_trials,
        }
    }

    /// Gives the candidates the simulator's forecasts, as the calibration and today's trial let it.
    fn forecast(&self, candidates: &mut [Candidate]) {
        let Some(calibration) = &self.calibration else { return };
        let started = self.started();
        let known = Observed::new("this run", &started, calibration, self.trials.iter().take(1));
        if let Ok(profile) = known.and_then(|observed| observed.profile()) {
            let task = Task { cpu: self.cores, ..self.request.task.value };
            let place = Place::of(task, self.around.visible_cpus);
            prior::forecast(candidates, &profile, place, &self.request.goal.value);
        }
    }

    /// The heap of a collector that takes enough of the CPU to be worth tuning, as the low load showed it.
    fn heap(&self, trial: &Trial) -> Option<Heap> {
        let light = self.calibration.as_ref()?.light.as_ref()?.usage.as_ref()?;
        let cores = self.concurrency(&trial.settings)?.cores;
        let (_, runtime) = space::serving(&self.request.service)?;
        (runtime.heap)(light, cores)
    }

    /// The trials as the search sees them.
    pub fn tested(&self) -> Vec<Tested> {
        let speeds = self.speeds();
        self.trials.iter().map(|trial| self.seen(trial, &speeds)).collect()
    }

    /// A trial as it would have been at the host's speed of the calibration.
    fn seen(&self, trial: &Trial, speeds: &Speeds) -> Tested {
        let host = speeds.of_trial(trial);
        let at = trial.capacity.as_ref().and_then(|c| c.at.as_ref().or(c.curve.last()));
        let step = at.or(trial.abandoned.as_ref().map(|a| &a.step));
        let found = match (&trial.capacity, &trial.abandoned, &trial.rejected) {
            (_, _, Some(_)) | (None, None, None) => Found::Unfit,
            (Some(capacity), ..) => Found::Carries(capacity.rate / host),
            (None, Some(abandoned), None) => Found::Below(abandoned.below / host),
        };
        let used = step.and_then(|s| s.usage.as_ref());
        // What was killed at the limit would have taken more.
        let killed = trial.capacity.iter().flat_map(|c| &c.curve).filter_map(|s| s.usage.as_ref());
        let killed = killed.map(|u| u.oom_kills).sum::<u64>() > 0;
        let memory = if killed {
            self.request.task.value.memory
        } else {
            used.map_or(Bytes(0), |u| u.memory)
        };
        Tested {
            settings: trial.settings.clone(),
            found,
            memory: (memory.0 > 0).then_some(memory.0 as f64),
            spread: trial.capacity.as_ref().and_then(|c| c.spread),
        }
    }

    /// Measures a candidate; a service that does not live with it rejects the candidate.
    fn attempt(
        &mut self,
        number: u32,
        settings: &Settings,
        beat: Option<f64>,
    ) -> Result<Trial, TuneError> {
        let began = Instant::now();
        match self.open(settings, self.request.seed) {
            Ok(stage) => self.measure(stage, number, settings, beat, began),
            Err(error) => Ok(self.trial(number, settings, began, Err(own_failure(error)?))),
        }
    }

    /// Searches the capacity of a started service, unless it is clearly below the rate that it
    /// has to beat.
    pub fn measure(
        &mut self,
        mut stage: Stage,
        number: u32,
        settings: &Settings,
        beat: Option<f64>,
        began: Instant,
    ) -> Result<Trial, TuneError> {
        let measured = self.capacity(&mut stage, number, settings, beat);
        let log = stage.log();
        let ended = stage.close();
        match measured {
            Ok(measured) => {
                ended?;
                Ok(self.trial(number, settings, began, Ok((measured, log))))
            }
            Err(error) => Ok(self.trial(number, settings, began, Err(own_failure(error)?))),
        }
    }

    fn capacity(
        &mut self,
        stage: &mut Stage,
        number: u32,
        settings: &Settings,
        beat: Option<f64>,
    ) -> Result<Measured, TuneError> {
        let scene = self.scene(settings);
        let options = self.options(settings, beat, self.request.lengths.search);
        stage.warm(WARM * options.first)?;
        let mut told = |step: &Step| {
            self.tell(&Event::Stepped { number, step: Box::new(step.clone()) });
        };
        let known = match beat.filter(|rate| *rate > 0.0 && *rate < options.upper) {
            Some(rate) => stage.stand(rate, &options, &mut told)?,
            None => Standing { above: 1.0, steps: vec![] },
        };
        match abandoned(&known, beat, &scene) {
            Some(abandoned) => Ok(Measured::Abandoned(abandoned)),
            None => {
                Ok(Measured::Searched(stage.capacity(known.steps, &options, &scene, &mut told)?))
            }
        }
    }

    /// How a capacity is searched: from what is expected, up to what the generator can do and
    /// the goal asks for.
    pub fn options(&self, settings: &Settings, known: Option<f64>, budget: f64) -> SearchOptions {
        let lengths = self.request.lengths;
        let bound = self.bound(settings).map(|b| FIRST * b.rate);
        // Without a model only CPU bounds, and what waits gives out far below that.
        let carried = self.calibration.as_ref().filter(|_| self.concurrency(settings).is_none());
        let carried = carried.map_or(f64::INFINITY, |c| BEYOND * c.rate);
        let bound = bound.map(|rate| rate.min(carried));
        let defaults = SearchOptions::default();
        let upper = self.request.goal.value.rate.unwrap_or(f64::INFINITY).min(self.ceiling);
        // A rate of 0, of settings that carried nothing, is no place to begin.
        let known = known.filter(|rate| *rate > 0.0);
        SearchOptions {
            first: known.or(bound).unwrap_or(defaults.first).min(upper),
            upper,
            cores: Some(self.cores),
            seconds: lengths.step,
            confirm: lengths.confirm.min(budget / QUARTER),
            warm_up: lengths.warm_up,
            budget,
            ..defaults
        }
    }

    fn trial(
        &self,
        number: u32,
        settings: &Settings,
        began: Instant,
        measured: Result<(Measured, Tail), String>,
    ) -> Trial {
        let (mut capacity, mut abandoned, mut rejected) = (None, None, None);
        match measured {
            Ok((Measured::Searched(mut found), log)) => {
                rejected = self.unfit(&found, &log);
                found.validity.caveats.extend(self.grows(&found));
                capacity = Some(found);
            }
            Ok((Measured::Abandoned(found), _)) => abandoned = Some(Box::new(found)),
            Err(reason) => rejected = Some(reason),
        }
        Trial {
            number,
            settings: settings.clone(),
            bound: None,
            capacity,
            abandoned,
            rejected,
            seconds: began.elapsed().as_secs_f64(),
        }
    }
}

/// What one or two short steps at the rate to beat tell: when the capacity is clearly below it,
/// it is of no interest.
fn abandoned(known: &Standing, beat: Option<f64>, scene: &Scene) -> Option<Abandoned> {
    let below = beat.filter(|_| known.is_below())?;
    let missed = known.steps.iter().rfind(|s| s.outcome != Outcome::Held)?;
    missed.validity.is_valid().then(|| Abandoned {
        below,
        step: missed.clone(),
        limited_by: limit::of_step(missed, scene),
    })
}
