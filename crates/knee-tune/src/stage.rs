//! One setting on stage: the service started in the laboratory, the generator aimed at it and
//! the observer beside it. Leaving the scope takes everything down.

use crate::host::{Host, Waited};
use crate::lab::{Lab, LabError, Running, Tail};
use crate::tune::{TuneError, TuneRequest};
use crate::waiting::Waits;
use knee_core::limit::{self, Scene};
use knee_core::observe::{Capacity, Kind, Limit, Outcome, Resource, Step};
use knee_core::settings::Settings;
use knee_core::workload::Request;
use knee_measure::observer::Observer;
use knee_measure::{
    Generator, GeneratorOptions, Pace, Reply, SearchOptions, Standing, Target, search_on, stand,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the observer looks.
const LOOK: Duration = Duration::from_millis(100);
/// Over how long a service without load is watched.
const IDLE: Duration = Duration::from_millis(500);
/// How often, once it has started.
const IDLES: usize = 2;
/// Share of the task's CPU beyond what the service uses at rest from which it is still starting: the
/// port of a pool is open as soon as its first process, or only their parent, is there.
const STARTING: f64 = 0.1;
/// How long it may go on starting after it answers: a service that always computes is measured as
/// it is.
const LONGEST_START: Duration = Duration::from_secs(20);
/// Over how long a fresh service is warmed, seconds.
const WARMING: f64 = 2.0;
/// How long requests may fail after the service is ready by its own word, and the pause between
/// two attempts: some open their port before they have loaded.
const GETTING_READY: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(250);
/// Lines of the service's output that an error shows.
const LINES: usize = 12;

/// A started service with a generator aimed at it.
pub struct Stage<'a> {
    request: &'a TuneRequest,
    stop: &'a AtomicBool,
    generator: Generator,
    target: Target,
    observer: Observer,
    /// That the service never came to rest, in words.
    starting: Option<String>,
    /// What a request takes alone, seconds, once it is calibrated.
    alone: Option<f64>,
    // Last: the observer ends before what it observes.
    running: Running,
}

impl<'a> Stage<'a> {
    /// Starts the service under these settings and waits until it is ready. The same seed makes
    /// the same arrivals.
    pub fn open(
        lab: &Lab,
        request: &'a TuneRequest,
        settings: &Settings,
        seed: u64,
        stop: &'a AtomicBool,
    ) -> Result<Self, TuneError> {
        let service = &request.service;
        let launch = knee_files::launch(service, settings, request.task.value)?;
        let port = service.port.as_ref().map(|p| p.value);
        let host = Host::look();
        let running = lab.start(&launch)?;
        let ready = service.ready.as_ref().map(|p| p.value.as_str());
        let patience = Duration::from_secs_f64(request.lengths.ready);
        let port = running
            .wait_ready(port, ready, patience, &|| stop.load(Ordering::Relaxed))
            .map_err(|error| starved(error, host, &running, request.task.value.cpu))?;
        let target = Target {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            host: format!("127.0.0.1:{port}"),
        };
        let options = GeneratorOptions { seed, ..GeneratorOptions::default() };
        Ok(Stage {
            generator: Generator::new(target.clone(), request.requests.clone(), options)?,
            target,
            observer: Observer::start(running.subject(), LOOK),
            starting: None,
            alone: None,
            running,
            request,
            stop,
        })
    }

    /// Takes in what a request takes alone, seconds: what it waits for is judged by that.
    pub fn reckon_with(&mut self, alone: Option<f64>) {
        self.alone = alone;
    }

    /// Sends each request once, alone, and hands on the answers. A service that has just opened its
    /// port may not be ready for them yet and is asked again for a while.
    ///
    /// # Errors
    /// [`TuneError::Unanswered`]: a request that fails alone is better named than measured.
    pub fn ask(&self) -> Result<Vec<Reply>, TuneError> {
        let began = Instant::now();
        loop {
            let replies = self.generator.ask(self.stop)?;
            self.running.alive()?;
            let wrong: Vec<String> = replies.iter().filter_map(|r| self.wrong(r)).collect();
            if wrong.is_empty() {
                return Ok(replies);
            }
            if began.elapsed() > GETTING_READY {
                return Err(TuneError::Unanswered { wrong, log: self.log() });
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// `GET /orders answers 404`, where an answer counts as a failure.
    fn wrong(&self, reply: &Reply) -> Option<String> {
        let Request { method, path, .. } = &self.request.requests[reply.request];
        match &reply.status {
            Ok(status) if *status < 400 => None,
            Ok(status) => Some(format!("{method} {path} answers {status}")),
            Err(what) => Some(format!("{method} {path}: {what}")),
        }
    }

    /// The generator's own ceiling on this machine, requests/s.
    pub fn ceiling(&mut self) -> Result<f64, TuneError> {
        Ok(self.generator.calibrate(self.stop)?.rate)
    }

    /// The least that the service uses without requests, cores; `used` is known already.
    fn idle(&self, used: f64) -> f64 {
        let look = |_| {
            let mark = self.observer.mark();
            std::thread::sleep(IDLE);
            self.observer.usage_since(mark).cpu
        };
        (0..IDLES).map(look).fold(used, f64::min)
    }

    /// Waits until the service has started to its end: until it uses without requests no more than
    /// `rest`, cores. Returns what it uses then. A service that goes on computing is given up on
    /// after a while, and all that is measured of it bears a caveat where it was at rest before.
    ///
    /// # Errors
    /// The service died, or `stop` said so.
    pub fn settle(&mut self, rest: Option<f64>) -> Result<f64, TuneError> {
        let began = Instant::now();
        let enough = rest.unwrap_or(0.0) + STARTING * self.request.task.value.cpu;
        loop {
            let mark = self.observer.mark();
            std::thread::sleep(IDLE);
            let used = self.observer.usage_since(mark).cpu;
            self.running.alive()?;
            if self.stop.load(Ordering::Relaxed) {
                return Err(TuneError::Interrupted);
            }
            if used <= enough {
                // The end of its start may be in that.
                return Ok(if rest.is_none() { self.idle(used) } else { used });
            }
            if began.elapsed() >= LONGEST_START {
                self.starting = rest.map(|_| {
                    format!(
                        "it was still starting when it was measured: {used:.2} vCPU without a request, {:.0} s after it answered",
                        began.elapsed().as_secs_f64()
                    )
                });
                return Ok(used);
            }
        }
    }

    /// Offers `rate` requests/s for `warm_up` and then `seconds` seconds.
    pub fn step(&mut self, rate: f64, seconds: f64, warm_up: f64) -> Result<Step, TuneError> {
        let (mark, host) = (self.observer.mark(), Host::look());
        let waits = Waits::look(&self.running);
        let goal = &self.request.goal.value;
        let step = self.generator.step(&Pace::Poisson { rate }, seconds, warm_up, goal, self.stop);
        let usage = self.observer.usage_since(mark);
        // Why the service died says more than what the generator saw of it.
        self.running.alive()?;
        let mut step = step?;
        // A starved service that holds the goal all the same is believed.
        if step.outcome != Outcome::Held {
            let now = Waits::look(&self.running);
            let threads = waits.zip(now).map(|(before, now)| now.since(&before));
            let waited = threads.zip(self.alone).map(|(threads, alone)| Waited {
                threads,
                rate: step.throughput,
                alone,
            });
            let crowded =
                host.and_then(|h| h.crowded(self.request.task.value.cpu, usage.cpu, waited));
            step.validity.invalid.extend(crowded);
        }
        step.usage = Some(usage);
        step.validity.caveats.extend(self.observer.unheard());
        step.validity.caveats.extend(self.starting.clone());
        Ok(step)
    }

    /// A step of each kind of request by itself, at its share of `rate` but no less than `least`.
    pub fn kinds(&mut self, rate: f64, least: f64) -> Result<Vec<Kind>, TuneError> {
        let (asked, lengths) = (self.request, self.request.lengths);
        let all: f64 = asked.requests.iter().map(|request| request.weight).sum();
        let alone = |request: &Request| {
            let options = GeneratorOptions::default();
            let one = Generator::new(self.target.clone(), vec![request.clone()], options)?;
            let mix = std::mem::replace(&mut self.generator, one);
            let rate = (rate * request.weight / all).max(least);
            let light = self.step(rate, lengths.step, lengths.warm_up);
            self.generator = mix;
            let name = format!("{} {}", request.method, request.path);
            Ok(Kind { name, weight: request.weight, light: light? })
        };
        asked.requests.iter().map(alone).collect()
    }

    /// Sends a little that is not measured: a fresh process compiles and fills its caches first.
    pub fn warm(&mut self, rate: f64) -> Result<(), TuneError> {
        self.step(rate.max(1.0), WARMING, 0.0).map(drop)
    }

    /// Whether the capacity is clearly above or below a rate.
    pub fn stand(
        &mut self,
        rate: f64,
        options: &SearchOptions,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<Standing, TuneError> {
        let goal = self.request.goal.value;
        let mut measure = |rate, seconds| self.step(rate, seconds, options.warm_up);
        stand(&mut measure, rate, &goal, options, on_step)
    }

    /// The highest rate that holds the goal, where some steps are known already; each new step
    /// is handed on.
    pub fn capacity(
        &mut self,
        known: Vec<Step>,
        options: &SearchOptions,
        scene: &Scene,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<Capacity, TuneError> {
        let goal = self.request.goal.value;
        let mut measure = |rate, seconds| self.step(rate, seconds, options.warm_up);
        let mut capacity = search_on(known, &mut measure, &goal, options, on_step)?;
        capacity.limited_by = limit::name(&capacity, scene);
        let beyond = goal.rate.is_none() && capacity.rate >= options.upper;
        if beyond {
            let evidence = format!(
                "{:.0} requests/s, all that this host's generator can make, held the goal",
                capacity.rate
            );
            capacity.validity.caveats.push(evidence.clone());
            capacity.limited_by = Limit { resource: Resource::Generator, evidence };
        }
        Ok(capacity)
    }

    /// What the service wrote last.
    pub fn log(&self) -> Tail {
        self.running.log_tail(LINES)
    }

    /// Ends the service and waits until nothing is left of it.
    pub fn close(self) -> Result<(), TuneError> {
        drop(self.observer);
        Ok(self.running.stop()?)
    }
}

/// A service that was not ready in time may not be to blame: the host left it no CPU.
fn starved(error: LabError, host: Option<Host>, running: &Running, task_cpu: f64) -> TuneError {
    let LabError::NeverReady { waited, .. } = &error else { return error.into() };
    let used = running.cpu().unwrap_or(0.0) / waited.as_secs_f64().max(1e-9);
    match host.and_then(|host| host.crowded(task_cpu, used, None)) {
        Some(doubt) => TuneError::Crowded { error, doubt },
        None => error.into(),
    }
}
