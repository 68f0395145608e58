//! The stations of a process: lanes, helper threads, the wait for the backend, the collector.

use super::draw::Source;
use super::engine::Engine;
use super::program::{Step, Times};
use super::request::{Kind, Request};
use knee_core::model::{Network, Recycling, Serial};
use std::collections::VecDeque;

/// One process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    /// Slots that are free; never used up where there is no limit.
    pub slots: u32,
    /// Requests inside, those that wait for a slot among them.
    pub inside: u32,
    /// Requests that wait inside for a slot.
    pub inbox: VecDeque<u32>,
    /// Lanes that are free.
    pub lanes: u32,
    /// What could compute and waits for a lane.
    pub ready: VecDeque<u32>,
    /// What is on the lanes; kept only where turns end.
    running: Vec<Running>,
    helpers: u32,
    /// What waits for a helper.
    handed: VecDeque<u32>,
    /// Whether it takes new requests.
    pub up: bool,
    /// Counts its restarts: a connection to an earlier process is closed.
    pub life: u32,
    pub served: u32,
    /// Requests after which it is replaced.
    pub until: u32,
    allocated: f64,
    collecting: u32,
    /// Seconds that its lanes were taken.
    pub lane_time: f64,
}

/// A job on a lane of a process where turns end.
#[derive(Clone, Copy, Debug)]
struct Running {
    place: u32,
    /// The CPU's mark at which it is reported.
    mark: f64,
}

impl Process {
    pub fn new(network: &Network, choices: &mut Source) -> Self {
        let process = &network.process;
        Process {
            slots: process.slots.unwrap_or(u32::MAX),
            inside: 0,
            inbox: VecDeque::new(),
            lanes: process.lanes.max(1),
            ready: VecDeque::new(),
            running: Vec::new(),
            helpers: if process.helpers == 0 { u32::MAX } else { process.helpers },
            handed: VecDeque::new(),
            up: true,
            life: 0,
            served: 0,
            until: life_span(network.recycling, choices),
            allocated: 0.0,
            collecting: 0,
            lane_time: 0.0,
        }
    }
}

/// Requests that a fresh process serves.
pub(super) fn life_span(recycling: Option<Recycling>, choices: &mut Source) -> u32 {
    recycling.map_or(u32::MAX, |r| {
        r.after.max(1).saturating_add(choices.below(r.jitter as usize + 1) as u32)
    })
}

/// Connections to the backend.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    free: u32,
    queue: VecDeque<(u32, f64)>,
}

impl Backend {
    pub fn new(connections: Option<u32>) -> Self {
        Backend { free: connections.map_or(u32::MAX, |n| n.max(1)), queue: VecDeque::new() }
    }
}

impl Engine<'_> {
    /// A request wants a lane.
    #[inline]
    pub fn on_lane(&mut self, place: u32) {
        let index = self.requests[place as usize].process as usize;
        let process = &mut self.processes[index];
        if process.lanes > 0 {
            process.lanes -= 1;
            return self.compute(index, place);
        }
        process.ready.push_back(place);
        let waiting = process.ready.len();
        self.waits(place);
        if waiting == 1 && self.scenario.network.process.turn.is_some() {
            self.end_turns(index);
        }
    }

    /// The request computes on a lane that it has.
    #[inline]
    fn compute(&mut self, index: usize, place: u32) {
        let process = &mut self.processes[index];
        let request = &mut self.requests[place as usize];
        request.since = self.now;
        let turn = self.scenario.network.process.turn;
        let alone = process.ready.is_empty();
        let seconds = match turn {
            Some(turn) if !alone => request.left.min(turn),
            _ => request.left,
        };
        request.left -= seconds;
        let what = Kind::Lane.of(request.plan, place);
        let mark = self.cpu.start(self.now, seconds, what);
        if turn.is_some() {
            process.running.push(Running { place, mark });
        }
    }

    /// A thread begins to wait for the interpreter's lock.
    #[inline]
    fn waits(&mut self, place: u32) {
        if self.scenario.network.serial == Serial::Gil && self.scenario.wake > 0.0 {
            self.requests[place as usize].since = self.cpu.settle(self.now);
        }
    }

    /// A thread has got the interpreter's lock. While it waited it woke once in each turn, to ask for
    /// it; that was spread over the time, and is accounted for at its end (`take_gil` in <https://github.com/python/cpython/blob/main/Python/ceval_gil.c>).
    #[inline]
    fn waited_for_lock(&mut self, place: u32) {
        let network = &self.scenario.network;
        if let (Serial::Gil, Some(turn)) = (network.serial, network.process.turn)
            && self.scenario.wake > 0.0
        {
            let turns = (self.cpu.settle(self.now) - self.requests[place as usize].since) / turn;
            if turns >= 1.0 {
                self.cpu.start(self.now, turns.floor() * self.scenario.wake, Kind::Woken.of(0, 0));
            }
        }
    }

    /// Somebody waits for a lane now: what computes has a turn left and no more.
    fn end_turns(&mut self, index: usize) {
        let Some(turn) = self.scenario.network.process.turn else { return };
        let each = self.cpu.settle(self.now);
        for job in &mut self.processes[index].running {
            if job.mark - each > turn {
                let request = &mut self.requests[job.place as usize];
                request.plan = request.plan.wrapping_add(1);
                request.left += job.mark - each - turn;
                let what = Kind::Lane.of(request.plan, job.place);
                job.mark = self.cpu.report(turn, what);
            }
        }
    }

    /// A request has computed for its turn, or to the end of its step.
    #[inline]
    pub fn off_lane(&mut self, place: u32) {
        self.cpu.stop();
        let request = &mut self.requests[place as usize];
        let (index, since) = (request.process as usize, request.since);
        let process = &mut self.processes[index];
        if self.scenario.network.process.turn.is_some() {
            let at = process.running.iter().position(|job| job.place == place);
            at.map(|at| process.running.swap_remove(at));
        }
        let steps = &self.programs[request.class as usize].steps;
        let blocks = steps.get(request.step as usize) == Some(&Step::Block);
        if request.left > 0.0 {
            process.ready.push_back(place);
            self.waits(place);
        } else if blocks {
            let what = Kind::Blocked.of(0, place);
            self.timers.add(self.now + request.times.blocking, what);
            return;
        }
        let done = self.requests[place as usize].left <= 0.0;
        self.release_lane(index, since);
        if done {
            self.step(place);
        }
    }

    /// Blocking is over, and with it the hold on the lane.
    pub fn unblocked(&mut self, place: u32) {
        let request = self.requests[place as usize];
        self.release_lane(request.process as usize, request.since);
        self.step(place);
    }

    #[inline]
    fn release_lane(&mut self, index: usize, since: f64) {
        let process = &mut self.processes[index];
        process.lane_time += self.now - since;
        match process.ready.pop_front() {
            Some(next) => {
                self.waited_for_lock(next);
                self.compute(index, next);
            }
            None => process.lanes += 1,
        }
    }

    /// A request hands computing to a helper thread.
    pub fn on_helper(&mut self, place: u32) {
        let process = &mut self.processes[self.requests[place as usize].process as usize];
        if process.helpers == 0 {
            process.handed.push_back(place);
        } else {
            process.helpers -= 1;
            self.help(place);
        }
    }

    fn help(&mut self, place: u32) {
        let seconds = self.requests[place as usize].times.offloaded;
        self.cpu.start(self.now, seconds, Kind::Helper.of(0, place));
    }

    pub fn off_helper(&mut self, place: u32) {
        self.cpu.stop();
        let process = &mut self.processes[self.requests[place as usize].process as usize];
        match process.handed.pop_front() {
            Some(next) => self.help(next),
            None => process.helpers += 1,
        }
        self.step(place);
    }

    /// A request waits for the backend, as soon as there is a connection.
    #[inline]
    pub fn wait(&mut self, place: u32, seconds: f64) {
        if self.backend.free == 0 {
            self.backend.queue.push_back((place, seconds));
        } else {
            self.backend.free -= 1;
            self.call(place, seconds);
        }
    }

    #[inline]
    fn call(&mut self, place: u32, seconds: f64) {
        if self.requests[place as usize].counted {
            self.wait_time += seconds;
        }
        self.timers.add(self.now + seconds, Kind::Waited.of(0, place));
    }

    #[inline]
    pub fn waited(&mut self, place: u32) {
        match self.backend.queue.pop_front() {
            Some((next, seconds)) => self.call(next, seconds),
            None => self.backend.free += 1,
        }
        self.step(place);
    }

    /// A request has allocated; perhaps a collection is due.
    pub fn allocate(&mut self, index: usize, bytes: f64) {
        let Some(cycle) = self.scenario.collector else { return };
        let process = &mut self.processes[index];
        process.allocated += bytes;
        if process.allocated < cycle.every || process.collecting > 0 {
            return;
        }
        process.allocated -= cycle.every;
        process.collecting = cycle.threads.max(1);
        self.outcome.collections += 1;
        let times = Times { cpu: cycle.cpu / f64::from(cycle.threads.max(1)), ..Times::default() };
        for _ in 0..cycle.threads.max(1) {
            let work = Request {
                process: index as u32,
                class: self.scenario.classes.len() as u16,
                times,
                ..Request::default()
            };
            let place = self.store(work);
            self.step(place);
        }
    }

    /// A piece of a collection is done.
    pub fn collected(&mut self, place: u32) {
        let index = self.requests[place as usize].process as usize;
        self.processes[index].collecting -= 1;
        self.forget(place);
        self.allocate(index, 0.0);
    }
}
