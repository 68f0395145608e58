//! The loop over events, and the life of a request from its arrival to its end.

use super::agenda::Agenda;
use super::cpu::{Cpu, Used};
use super::draw::Source;
use super::intake::Intake;
use super::outcome::ascending;
use super::process::{Backend, Process};
use super::program::{Program, Step};
use super::request::{Kind, Request, is_of};
use super::{Arrivals, Outcome, Run, Scenario};

/// Requests that come behind those that count, besides a tenth of them, so that the last ones are
/// not alone. Of an overload there is no end: then no more come.
const BEHIND: u64 = 1000;
/// Requests in the system at which a simulation is given up.
const MOST: usize = 2_000_000;

pub(super) struct Engine<'a> {
    pub scenario: &'a Scenario,
    run: &'a Run,
    pub now: f64,
    pub timers: Agenda,
    pub cpu: Cpu,
    /// A program per class, and the collector's behind them.
    pub programs: Vec<Program>,
    /// Sum of the weights up to each class.
    weights: Vec<f64>,
    pub requests: Vec<Request>,
    unused: Vec<u32>,
    pub processes: Vec<Process>,
    pub intake: Intake,
    pub backend: Backend,
    arrivals: Source,
    demands: Source,
    pub choices: Source,
    mean_gap: f64,
    next_arrival: f64,
    arrived: u64,
    pending: u64,
    pub outcome: Outcome,
    /// Requests of each class that ended well.
    class_counts: Vec<u64>,
    late: u64,
    /// What had been used when the counting began, and when.
    before: (f64, Used),
    after: Option<(f64, Used)>,
    /// Seconds of slots and of backend connections, taken by requests that count.
    pub slot_time: f64,
    pub wait_time: f64,
}

impl<'a> Engine<'a> {
    pub fn new(scenario: &'a Scenario, run: &'a Run) -> Self {
        let [arrivals, demands, mut choices] = Source::streams(run.seed);
        let network = &scenario.network;
        let mut programs: Vec<Program> =
            scenario.classes.iter().map(|class| Program::new(class, network)).collect();
        programs.push(Program::computing());
        let weights = scenario.classes.iter().scan(0.0, |sum, class| {
            *sum += class.weight.max(0.0);
            Some(*sum)
        });
        let processes: Vec<Process> =
            (0..network.processes.max(1)).map(|_| Process::new(network, &mut choices)).collect();
        Engine {
            scenario,
            run,
            now: 0.0,
            timers: Agenda::default(),
            cpu: Cpu::new(scenario.host),
            weights: weights.collect(),
            programs,
            requests: Vec::new(),
            unused: Vec::new(),
            intake: Intake::new(network),
            processes,
            backend: Backend::new(scenario.connections),
            arrivals,
            demands,
            choices,
            mean_gap: match scenario.arrivals {
                Arrivals::Poisson(rate) | Arrivals::Constant(rate) => 1.0 / rate,
                Arrivals::Recorded(_) => 0.0,
            },
            next_arrival: 0.0,
            arrived: 0,
            pending: 0,
            outcome: Outcome {
                latencies: Vec::with_capacity(run.requests as usize),
                found: vec![0; 1024],
                class_means: vec![0.0; scenario.classes.len()],
                ..Outcome::default()
            },
            class_counts: vec![0; scenario.classes.len()],
            late: 0,
            before: (0.0, Used::default()),
            after: None,
            slot_time: 0.0,
            wait_time: 0.0,
        }
    }

    pub fn run(mut self) -> Outcome {
        self.next_arrival = self.gap();
        while self.arrived < self.run.warm_up + self.run.requests || self.pending > 0 {
            let timer = self.timers.first().map_or(f64::INFINITY, |entry| entry.at);
            let cpu = self.cpu.next();
            self.outcome.events += 1;
            if self.next_arrival <= timer && self.next_arrival <= cpu {
                self.now = self.next_arrival;
                self.arrive();
            } else if timer <= cpu {
                self.now = timer;
                self.timer();
            } else {
                self.now = cpu;
                if let Some(what) = self.cpu.happen() {
                    self.computed(what);
                }
            }
            if self.outcome.overloaded {
                break;
            }
        }
        self.finish()
    }

    /// Seconds to the next arrival.
    #[inline]
    fn gap(&mut self) -> f64 {
        match &self.scenario.arrivals {
            Arrivals::Poisson(_) => self.arrivals.exponential() * self.mean_gap,
            Arrivals::Constant(_) => self.mean_gap,
            Arrivals::Recorded(times) => recorded_gap(times, self.arrived),
        }
    }

    #[inline]
    fn arrive(&mut self) {
        let number = self.arrived;
        self.arrived += 1;
        let last = self.run.warm_up + self.run.requests + self.run.requests / 10 + BEHIND;
        self.next_arrival = if number < last { self.now + self.gap() } else { f64::INFINITY };
        if number == self.run.warm_up {
            self.before = (self.now, self.cpu.used);
        }
        let counted = (self.run.warm_up..self.run.warm_up + self.run.requests).contains(&number);
        if counted {
            self.pending += 1;
            let found = self.requests.len() - self.unused.len();
            self.outcome.found[found.min(1023)] += 1;
        } else if number >= self.run.warm_up && self.after.is_none() {
            self.after = Some((self.now, self.cpu.used));
        }
        let class = self.class();
        let times = self.programs[class].draw(&mut self.demands);
        let request =
            Request { due: self.now, class: class as u16, times, counted, ..Request::default() };
        let place = self.store(request);
        self.submit(place);
    }

    /// Draws a class by weight.
    #[inline]
    fn class(&mut self) -> usize {
        if self.weights.len() == 1 {
            return 0;
        }
        let all = self.weights.last().copied().unwrap_or(0.0);
        let point = self.demands.uniform() * all;
        self.weights.partition_point(|sum| *sum <= point).min(self.weights.len() - 1)
    }

    /// Keeps a request; its place.
    #[inline]
    pub fn store(&mut self, mut request: Request) -> u32 {
        if let Some(place) = self.unused.pop() {
            let old = &mut self.requests[place as usize];
            request.life = old.life.wrapping_add(1);
            request.plan = old.plan.wrapping_add(1);
            *old = request;
            return place;
        }
        self.requests.push(request);
        self.outcome.overloaded |= self.requests.len() > MOST;
        self.requests.len() as u32 - 1
    }

    /// Forgets a request that has left the system.
    #[inline]
    pub fn forget(&mut self, place: u32) {
        let request = &mut self.requests[place as usize];
        request.life = request.life.wrapping_add(1);
        self.unused.push(place);
    }

    #[inline]
    fn timer(&mut self) {
        let Some(entry) = self.timers.first() else { return };
        self.timers.take();
        let place = entry.what as u32;
        match Kind::ALL[(entry.what >> 56) as usize] {
            Kind::Waited => self.waited(place),
            Kind::Blocked => self.unblocked(place),
            Kind::Submit => self.submit(place),
            Kind::GiveUp if is_of(entry.what, self.requests[place as usize].life) => {
                self.give_up(place);
            }
            _ => {}
        }
    }

    #[inline]
    fn computed(&mut self, what: u64) {
        let place = what as u32;
        match Kind::ALL[(what >> 56) as usize] {
            Kind::Lane if is_of(what, self.requests[place as usize].plan) => self.off_lane(place),
            Kind::Helper => self.off_helper(place),
            Kind::Started => self.started(place),
            Kind::Herd => self.asleep(),
            Kind::Woken => self.cpu.stop(),
            _ => {}
        }
    }

    /// Goes on with the request's next step.
    #[inline]
    pub fn step(&mut self, place: u32) {
        let request = &mut self.requests[place as usize];
        let next = self.programs[request.class as usize].steps.get(request.step as usize).copied();
        request.step += 1;
        match next {
            Some(Step::Lane(share)) => {
                request.left = share * request.times.cpu;
                self.on_lane(place);
            }
            Some(Step::Wait(share)) => {
                let seconds = share * request.times.wait;
                self.wait(place, seconds);
            }
            Some(Step::Helper) => self.on_helper(place),
            // The lane that it blocks is dealt with where the step before ends.
            Some(Step::Block) => self.step(place),
            None if request.class as usize == self.scenario.classes.len() => self.collected(place),
            None => self.complete(place),
        }
    }

    /// The last step is done: the answer goes out and the slot becomes free.
    #[inline]
    fn complete(&mut self, place: u32) {
        let request = &self.requests[place as usize];
        let (class, index) = (request.class as usize, request.process as usize);
        if request.counted {
            self.slot_time += self.now - request.begun;
            if !request.abandoned {
                let latency = self.now - request.due;
                self.count(class, latency);
            }
        }
        self.forget(place);
        if self.scenario.collector.is_some() {
            self.allocate(index, self.programs[class].allocates);
        }
        self.leave(index);
    }

    #[inline]
    fn count(&mut self, class: usize, latency: f64) {
        self.pending -= 1;
        self.outcome.latencies.push(latency as f32);
        self.outcome.class_means[class] += latency;
        self.class_counts[class] += 1;
        self.late(latency);
    }

    #[inline]
    fn late(&mut self, latency: f64) {
        if let Some((limit, most)) = self.run.give_up
            && latency > limit
        {
            self.late += 1;
            self.outcome.overloaded |= self.late > most;
        }
    }

    /// A request ends without an answer; it matters if it counts and its client still waits.
    pub fn fail(&mut self, place: u32, failed: fn(&mut Outcome) -> &mut u64) {
        let request = &self.requests[place as usize];
        if request.counted && !request.abandoned {
            self.pending -= 1;
            *failed(&mut self.outcome) += 1;
            self.late(f64::INFINITY);
        }
    }

    fn finish(mut self) -> Outcome {
        let (from, before) = self.before;
        let (to, used) = self.after.unwrap_or((self.now, self.cpu.used));
        let seconds = (to - from).max(1e-9);
        let host = self.scenario.host;
        let outcome = &mut self.outcome;
        outcome.seconds = seconds;
        outcome.cpu = (used.cpu - before.cpu) / seconds;
        let throttled = (used.throttled - before.throttled) as f64;
        outcome.throttled = (throttled * host.period / seconds).min(1.0);
        let share =
            |time: f64, of: f64| if of > 0.0 { (time / of / seconds).min(1.0) } else { 0.0 };
        let network = &self.scenario.network;
        let slots = network.concurrency().slots.map_or(0.0, f64::from);
        let lanes = self.processes.iter().map(|p| p.lane_time).fold(0.0, f64::max);
        outcome.busy.cpu = outcome.cpu / host.quota.min(host.cores);
        outcome.busy.slots = share(self.slot_time, slots);
        outcome.busy.lanes =
            (lanes / self.now.max(1e-9) / f64::from(network.process.lanes)).min(1.0);
        outcome.busy.backend =
            share(self.wait_time, self.scenario.connections.map_or(0.0, f64::from));
        outcome.longest_queue = self.intake.longest;
        for (sum, n) in outcome.class_means.iter_mut().zip(&self.class_counts) {
            *sum /= (*n).max(1) as f64;
        }
        ascending(&mut self.outcome.latencies);
        self.outcome
    }
}

/// The gap before the arrival of that number. Recorded times are gone through again and again,
/// the mean gap between the last and the first.
fn recorded_gap(times: &[f64], number: u64) -> f64 {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return f64::INFINITY };
    let n = times.len() as u64;
    match (number % n) as usize {
        0 if number == 0 => first.max(0.0),
        0 => ((last - first) / (n.max(2) - 1) as f64).max(1e-9),
        i => times[i] - times[i - 1],
    }
}
