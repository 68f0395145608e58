//! How requests come to processes: the kernel's queue, kept connections, clients that try
//! again, processes that are replaced.

use super::engine::Engine;
use super::process::life_span;
use super::request::{Kind, Request};
use knee_core::model::{Full, Network, Spread};
use std::collections::VecDeque;

/// What stands between clients and processes.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    /// Connections that no process has accepted yet.
    queue: VecDeque<u32>,
    pub longest: usize,
    /// Processes that wait for a connection, one entry for each free slot, the one that has
    /// waited longest first (`Spread::Free`): accept(2) wakes in that order.
    idle: VecDeque<Accepting>,
    /// Kept connections that are idle, the one used last on top.
    kept: Vec<Accepting>,
    /// Whether processes that woke in vain are still awake: then they do not wake again.
    herd: bool,
    /// Whose turn it is (`Spread::InTurn`).
    turn: usize,
}

/// A process as it was when it began to wait, or when it accepted a connection; when it was
/// replaced since, that is no more.
#[derive(Clone, Copy, Debug)]
struct Accepting {
    process: u32,
    life: u32,
}

/// Times that a client tries to connect: the first SYN and tcp_syn_retries = 6 more, each after
/// twice the time (<https://docs.kernel.org/networking/ip-sysctl.html>).
const SYNS: u8 = 7;

impl Intake {
    pub fn new(network: &Network) -> Self {
        let slots = network.process.slots.unwrap_or(1);
        let free = network.intake.spread == Spread::Free;
        Intake {
            queue: VecDeque::new(),
            longest: 0,
            idle: (0..slots)
                .flat_map(|_| 0..network.processes.max(1))
                .filter(|_| free)
                .map(|process| Accepting { process, life: 0 })
                .collect(),
            kept: Vec::new(),
            herd: false,
            turn: 0,
        }
    }
}

impl Engine<'_> {
    /// A client sends a request, over a kept connection if it has an idle one.
    #[inline]
    pub fn submit(&mut self, place: u32) {
        let request = &self.requests[place as usize];
        if request.abandoned {
            return self.forget(place);
        }
        if let Some(timeout) = self.scenario.clients.timeout
            && request.refusals == 0
        {
            self.timers.add(self.now + timeout, Kind::GiveUp.of(request.life, place));
        }
        if let Some(index) = self.take_kept() {
            return self.admit(index, place);
        }
        match self.accepting() {
            Some(index) => {
                self.wake_herd();
                self.admit(index, place);
            }
            None => self.queue(place),
        }
    }

    /// A connection wakes every idle process; those that do not get it find that out and sleep again.
    /// While all are stopped, one connection after another wakes them but once.
    #[inline]
    fn wake_herd(&mut self) {
        let idle = self.intake.idle.len();
        if self.scenario.network.intake.herd && !self.intake.herd && idle > 0 {
            self.intake.herd = true;
            let seconds = idle as f64 * self.scenario.wake;
            self.cpu.start(self.now, seconds, Kind::Herd.of(0, 0));
        }
    }

    pub fn asleep(&mut self) {
        self.cpu.stop();
        self.intake.herd = false;
    }

    /// The process of the idle connection that was used last.
    fn take_kept(&mut self) -> Option<usize> {
        while let Some(kept) = self.intake.kept.pop() {
            if self.processes[kept.process as usize].life == kept.life {
                return Some(kept.process as usize);
            }
        }
        None
    }

    /// The process that accepts a new connection now.
    #[inline]
    fn accepting(&mut self) -> Option<usize> {
        let network = &self.scenario.network;
        if network.intake.spread == Spread::Free {
            while let Some(idle) = self.intake.idle.pop_front() {
                if self.processes[idle.process as usize].life == idle.life {
                    return Some(idle.process as usize);
                }
            }
            return None;
        }
        let open: Vec<usize> = (0..self.processes.len()).filter(|i| self.accepts(*i)).collect();
        let lanes = network.process.lanes.max(1);
        match network.intake.spread {
            Spread::InTurn => {
                let turn = self.intake.turn;
                let next = open.iter().copied().find(|i| *i >= turn).or(open.first().copied())?;
                self.intake.turn = next + 1;
                Some(next)
            }
            Spread::Woken if open.iter().any(|i| self.processes[*i].lanes == lanes) => {
                let idle: Vec<usize> =
                    open.into_iter().filter(|i| self.processes[*i].lanes == lanes).collect();
                Some(idle[self.choices.below(idle.len())])
            }
            _ if open.is_empty() => None,
            _ => Some(open[self.choices.below(open.len())]),
        }
    }

    /// Whether a process with kept connections accepts one more.
    fn accepts(&self, index: usize) -> bool {
        self.processes[index].up && (self.closes() || self.has_room(index))
    }

    /// Whether a process without room accepts, and closes what it accepted.
    #[inline]
    fn closes(&self) -> bool {
        self.scenario.network.intake.full == Full::Closed
    }

    fn has_room(&self, index: usize) -> bool {
        let limits = &self.scenario.network.process;
        let most = limits.slots.map_or(u32::MAX, |slots| slots.saturating_add(limits.queue));
        self.processes[index].inside < most
    }

    /// Waits in the kernel's queue, which holds one more than its backlog.
    fn queue(&mut self, place: u32) {
        if self.intake.queue.len() <= self.scenario.network.intake.backlog as usize {
            self.intake.queue.push_back(place);
            self.intake.longest = self.intake.longest.max(self.intake.queue.len());
            return;
        }
        let request = &mut self.requests[place as usize];
        request.refusals += 1;
        let dropped = self.scenario.network.intake.full == Full::Dropped;
        if dropped && request.refusals < SYNS {
            let pause = f64::from(1u32 << (request.refusals - 1));
            self.timers.add(self.now + pause, Kind::Submit.of(0, place));
            return;
        }
        self.fail(place, |outcome| &mut outcome.failed.refused);
        self.forget(place);
    }

    /// A request enters a process.
    #[inline]
    fn admit(&mut self, index: usize, place: u32) {
        if self.closes() && !self.has_room(index) {
            self.fail(place, |outcome| &mut outcome.failed.refused);
            return self.forget(place);
        }
        let process = &mut self.processes[index];
        process.inside += 1;
        self.requests[place as usize].process = index as u32;
        if process.slots == 0 {
            process.inbox.push_back(place);
        } else {
            process.slots -= 1;
            self.begin(place);
        }
    }

    #[inline]
    fn begin(&mut self, place: u32) {
        self.requests[place as usize].begun = self.now;
        self.step(place);
    }

    /// A request has left this process: its slot goes to the next one, inside or in the kernel's queue.
    #[inline]
    pub fn leave(&mut self, index: usize) {
        let process = &mut self.processes[index];
        process.inside -= 1;
        process.served += 1;
        if process.served == process.until {
            process.up = false;
            process.life += 1;
        }
        let up = process.up;
        let waiting = Accepting { process: index as u32, life: process.life };
        let free = self.scenario.network.intake.spread == Spread::Free;
        if up && !free {
            self.intake.kept.push(waiting);
        }
        if let Some(next) = process.inbox.pop_front() {
            self.begin(next);
        } else {
            process.slots += 1;
        }
        match up {
            true if !self.intake.queue.is_empty() => self.accept(index),
            true if free => self.intake.idle.push_back(waiting),
            true => {}
            false if self.processes[index].inside == 0 => self.replace(index),
            false => {}
        }
    }

    /// A process takes the connection that has waited longest.
    #[inline]
    fn accept(&mut self, index: usize) {
        let free = self.scenario.network.intake.spread == Spread::Free;
        if (free || self.accepts(index))
            && let Some(place) = self.intake.queue.pop_front()
        {
            self.admit(index, place);
        }
    }

    /// An empty process ends and a fresh one starts, which takes CPU.
    fn replace(&mut self, index: usize) {
        self.outcome.recycled += 1;
        let seconds = self.scenario.start.max(0.0);
        self.cpu.start(self.now, seconds, Kind::Started.of(0, index as u32));
    }

    /// A fresh process takes requests.
    pub fn started(&mut self, index: u32) {
        self.cpu.stop();
        let recycling = self.scenario.network.recycling;
        let until = life_span(recycling, &mut self.choices);
        let process = &mut self.processes[index as usize];
        (process.up, process.served, process.until) = (true, 0, until);
        let waiting = Accepting { process: index, life: process.life };
        let slots = self.scenario.network.process.slots.unwrap_or(u32::MAX);
        let free = self.scenario.network.intake.spread == Spread::Free;
        for _ in 0..slots {
            if self.intake.queue.is_empty() {
                if free {
                    self.intake.idle.push_back(waiting);
                    continue;
                }
                break;
            }
            self.accept(index as usize);
        }
    }

    /// The client of a request gives up, and perhaps tries again. The service does not notice:
    /// it computes an answer that nobody waits for.
    pub fn give_up(&mut self, place: u32) {
        let clients = self.scenario.clients;
        let request = self.requests[place as usize];
        if request.attempt >= clients.retries {
            self.fail(place, |outcome| &mut outcome.failed.timed_out);
        } else {
            let again = self.store(Request {
                attempt: request.attempt + 1,
                step: 0,
                refusals: 0,
                ..request
            });
            self.outcome.again += u64::from(request.counted);
            self.timers.add(self.now + clients.pause, Kind::Submit.of(0, again));
        }
        let old = &mut self.requests[place as usize];
        old.abandoned = true;
    }
}
