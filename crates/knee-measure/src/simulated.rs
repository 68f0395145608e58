//! Simulated services for the tests of the search: they answer a step as the generator would
//! report it, by the event loop's own rule of when to end it.

use crate::Pace;
use crate::generator::summary;
use crate::record::{Class, Record};
use crate::shots::{ShotId, Shots};
use crate::verdict::{Rule, Seen};
use knee_core::Goal;
use knee_core::observe::{Outcome, Step};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How requests share a service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Discipline {
    /// First come, first served by so many workers.
    Workers(usize),
    /// All at once on so many cores, each request on at most one of them.
    Shared(f64),
    /// The same on two cores, until a quota of so many cores is used up in each 100 ms.
    Quota(f64),
}

/// A simulated service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub discipline: Discipline,
    /// Mean time per request alone, seconds.
    pub time: f64,
    /// Share of that time that varies exponentially; the rest is fixed.
    pub varying: f64,
    /// Relative standard deviation of the machine's speed from step to step.
    pub noise: f64,
    pub random: Xoshiro256PlusPlus,
}

const WARM_UP: f64 = 0.5;
const TIMEOUT: f64 = 10.0;
/// How often the event loop looks.
const LOOK: f64 = 0.02;
const NS: f64 = 1e9;
/// Length of a period of the quota.
const PERIOD: f64 = 0.1;

impl Service {
    pub fn new(discipline: Discipline, time: f64, varying: f64, noise: f64, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Service { discipline, time, varying, noise, random }
    }

    /// What it could serve at most, requests/s.
    pub fn most(&self) -> f64 {
        match self.discipline {
            Discipline::Workers(n) => n as f64 / self.time,
            Discipline::Shared(cores) | Discipline::Quota(cores) => cores / self.time,
        }
    }

    /// A step of independent arrivals.
    pub fn step(&mut self, rate: f64, seconds: f64, goal: &Goal) -> Step {
        let speed = 1.0 + self.noise * (2.0 * self.uniform() - 1.0) * 3f64.sqrt();
        let pace = Pace::Poisson { rate };
        let planned = pace.count(WARM_UP, WARM_UP + seconds);
        let mut rule = Rule::new(goal, planned, seconds);
        let mut due = pace.due_times(&[WARM_UP, seconds], self.random.next_u64()).peekable();
        let mut run = Run::new(self.discipline);
        let (mut now, mut end) = (0.0, WARM_UP + seconds);
        while now < end {
            now += LOOK;
            while let Some(at) = due.next_if(|at| *at <= now) {
                run.advance(at, &rule, end);
                run.arrive(at, speed * self.draw());
            }
            run.advance(now, &rule, end);
            if (WARM_UP..end).contains(&now)
                && let Some(outcome) = run.look(now, &mut rule)
            {
                run.record.decided = Some((outcome, now - WARM_UP));
                end = now;
            }
        }
        let lost = run.record.decided.is_some_and(|(outcome, _)| outcome == Outcome::Hopeless);
        run.advance(end + if lost { rule.drain } else { TIMEOUT }, &rule, end);
        run.close();
        summary(&run.record, rate, seconds, goal, TIMEOUT)
    }

    /// The time that a request takes alone, seconds.
    fn draw(&mut self) -> f64 {
        self.time * (1.0 - self.varying - self.varying * self.uniform().ln())
    }

    fn uniform(&mut self) -> f64 {
        ((self.random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// The rate at which its goal's quantile meets the goal over many requests.
    pub fn capacity(&self, goal: &Goal) -> f64 {
        let (mut low, mut high) = (0.0, self.most());
        for _ in 0..11 {
            let rate = (low + high) / 2.0;
            let held = self.clone().holds(rate, (20_000.0 / rate).max(60.0), goal);
            *(if held { &mut low } else { &mut high }) = rate;
        }
        low
    }

    fn holds(&mut self, rate: f64, seconds: f64, goal: &Goal) -> bool {
        let (mut state, mut due, mut good) = (State::new(self.discipline), Vec::new(), 0);
        let times = Pace::Poisson { rate }.due_times(&[seconds], self.random.next_u64());
        for at in times.map(Some).chain([None]) {
            for (id, done) in state.advance(at.unwrap_or(seconds + TIMEOUT)) {
                good += usize::from(done - due[id] <= goal.latency.0);
            }
            if let Some(at) = at {
                state.arrive(at, self.draw(), due.len());
                due.push(at);
            }
        }
        good as f64 >= goal.quantile * due.len() as f64
    }
}

/// A step in progress.
struct Run {
    state: State,
    /// When each was due, and what names it.
    requests: Vec<(f64, ShotId)>,
    shots: Shots,
    record: Record,
}

impl Run {
    fn new(discipline: Discipline) -> Self {
        let state = State::new(discipline);
        Run { state, requests: Vec::new(), shots: Shots::default(), record: Record::new() }
    }

    fn arrive(&mut self, at: f64, work: f64) {
        self.state.arrive(at, work, self.requests.len());
        self.requests.push((at, self.shots.add((at * NS) as u64, 0, at >= WARM_UP)));
    }

    /// Ends what is done until `to`; answers before `end` count towards the throughput.
    fn advance(&mut self, to: f64, rule: &Rule, end: f64) {
        for (id, at) in self.state.advance(to) {
            let Some(shot) = self.shots.remove(self.requests[id].1) else { continue };
            let latency = at - self.requests[id].0;
            let class = if latency < TIMEOUT { Class::Ok } else { Class::TimedOut };
            self.record.answered += u64::from((WARM_UP..end).contains(&at));
            if shot.counted {
                let latency = (latency * NS) as u64;
                self.record.exceeded(class, latency, rule.limits, shot.beyond);
                self.record.ended(class, latency);
            }
        }
    }

    fn look(&mut self, now: f64, rule: &mut Rule) -> Option<Outcome> {
        let record = &mut self.record;
        record.outstanding.push((now - WARM_UP, self.shots.live()));
        self.shots.mark((now * NS) as u64, rule.limits, &mut record.beyond);
        let seen = Seen {
            due: record.counts.due() + self.shots.counted(),
            beyond: record.beyond,
            failed: record.counts.failed(),
            outstanding: &record.outstanding,
        };
        rule.decide(now - WARM_UP, &seen)
    }

    /// What is still outstanding has timed out.
    fn close(&mut self) {
        for _ in 0..self.shots.counted() {
            self.record.ended(Class::TimedOut, u64::MAX);
        }
    }
}

/// Requests by when they end: ns, number.
type Ends = BinaryHeap<Reverse<(u64, usize)>>;

/// What is inside a service.
enum State {
    /// When each worker is free, and when each request is done.
    Workers {
        free: BinaryHeap<Reverse<u64>>,
        done: Ends,
    },
    Shared(Shared),
}

impl State {
    fn new(discipline: Discipline) -> Self {
        let shared = |cores, quota| State::Shared(Shared::new(cores, quota));
        match discipline {
            Discipline::Workers(n) => {
                State::Workers { free: vec![Reverse(0); n].into(), done: Ends::new() }
            }
            Discipline::Shared(cores) => shared(cores, f64::INFINITY),
            Discipline::Quota(cores) => shared(2.0, cores),
        }
    }

    fn arrive(&mut self, at: f64, work: f64, id: usize) {
        match self {
            State::Workers { free, done } => {
                let from = free.pop().map_or(0, |Reverse(from)| from);
                let end = from.max((at * NS) as u64) + (work * NS) as u64;
                free.push(Reverse(end));
                done.push(Reverse((end, id)));
            }
            State::Shared(shared) => {
                shared.inside.push(Reverse((((shared.given + work) * NS) as u64, id)));
            }
        }
    }

    /// Who is done until `to`, and when.
    fn advance(&mut self, to: f64) -> Vec<(usize, f64)> {
        let mut ended = Vec::new();
        match self {
            State::Workers { done, .. } => {
                while let Some(Reverse((end, id))) = pop_until(done, to) {
                    ended.push((id, end as f64 / NS));
                }
            }
            State::Shared(shared) => {
                while shared.at < to {
                    shared.advance(to, &mut ended);
                }
            }
        }
        ended
    }
}

fn pop_until(ends: &mut Ends, to: f64) -> Option<Reverse<(u64, usize)>> {
    let due = ends.peek().is_some_and(|Reverse((end, _))| *end as f64 <= to * NS);
    if due { ends.pop() } else { None }
}

/// Requests that share cores evenly, under a quota that is filled up in each period.
struct Shared {
    cores: f64,
    quota: f64,
    /// What of this period's quota is left, seconds of CPU.
    left: f64,
    at: f64,
    /// Service that each of those inside has got since it all began, seconds.
    given: f64,
    /// Ends in terms of `given`.
    inside: Ends,
}

impl Shared {
    fn new(cores: f64, quota: f64) -> Self {
        let left = quota * PERIOD;
        Shared { cores, quota, left, at: 0.0, given: 0.0, inside: Ends::new() }
    }

    /// Goes on to `to` or to the next change, whichever is first.
    fn advance(&mut self, to: f64, ended: &mut Vec<(usize, f64)>) {
        let period = ((self.at / PERIOD + 1e-7).floor() + 1.0) * PERIOD;
        let n = self.inside.len() as f64;
        let speed = if n > 0.0 && self.left > 0.0 { (self.cores / n).min(1.0) } else { 0.0 };
        let mut until = to.min(period);
        if speed > 0.0 {
            let next = self.inside.peek().map_or(0.0, |Reverse((end, _))| *end as f64 / NS);
            until = until.min(self.at + self.left / (speed * n));
            until = until.min(self.at + ((next - self.given) / speed).max(0.0));
        }
        let length = until - self.at;
        self.given += length * speed;
        self.left -= length * speed * n;
        self.at = until;
        if self.left < 1e-9 {
            self.left = 0.0;
        }
        while let Some(Reverse((_, id))) = pop_until(&mut self.inside, self.given + 1e-9) {
            ended.push((id, until));
        }
        if until >= period - 1e-12 {
            self.left = self.quota * PERIOD;
        }
    }
}
