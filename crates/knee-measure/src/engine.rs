//! The event loop: sends what is due, reads what comes, keeps each request's time from due.
//!
//! One thread, one epoll. A due request takes the idle connection used last; when there is
//! none it waits in line, first due first served, while connections are opened up to the
//! limit. No request is ever held back because another one is outstanding.

mod exchange;

use crate::MeasureError;
use crate::message::Messages;
use crate::pacer::{DueTimes, Pace};
use crate::pool::Pool;
use crate::record::{Class, Record};
use crate::shots::{NOWHERE, ShotId, Shots};
use crate::transport::Link;
use crate::verdict::{Rule, Seen};
use knee_core::observe::Outcome;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const SECOND: f64 = 1e9;
/// Longest sleep, ns: how soon a stop or a hopeless step is noticed.
const LOOK: u64 = 20_000_000;
/// Requests that are sent before answers are read again.
const BURST: usize = 64;

/// What a step does. Lengths are in seconds.
pub(crate) struct Course<'a> {
    pub pace: &'a Pace,
    pub warm_up: f64,
    pub seconds: f64,
    pub seed: u64,
    pub timeout: f64,
    pub connections: usize,
    pub client_errors_ok: bool,
    /// None to go on however good or bad it looks.
    pub rule: Option<Rule>,
}

pub(crate) struct Engine<'a> {
    addr: SocketAddr,
    course: Course<'a>,
    messages: &'a mut Messages,
    epoll: OwnedFd,
    began: Instant,
    pool: Pool,
    shots: Shots,
    waiting: VecDeque<ShotId>,
    record: Record,
    buffer: Vec<u8>,
    /// Connections that may have more to read than was read at once.
    unread: VecDeque<u64>,
    due: DueTimes,
    /// ns; the end of time when nothing more is due.
    next_due: u64,
    /// Measured window, ns.
    window: (u64, u64),
    /// When an abandoned step ends, ns.
    last_call: u64,
    next_look: u64,
}

impl<'a> Engine<'a> {
    pub fn new(
        addr: SocketAddr,
        messages: &'a mut Messages,
        course: Course<'a>,
    ) -> Result<Self, MeasureError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(MeasureError::system("make an epoll"))?;
        let mut due = course.pace.due_times(&[course.warm_up, course.seconds], course.seed);
        let next_due = nanos(due.next());
        let from = (course.warm_up * SECOND) as u64;
        let window = (from, from + (course.seconds * SECOND) as u64);
        Ok(Engine {
            addr,
            course,
            messages,
            epoll,
            began: Instant::now(),
            pool: Pool::default(),
            shots: Shots::default(),
            waiting: VecDeque::new(),
            record: Record::new(),
            buffer: vec![0; 64 << 10],
            unread: VecDeque::new(),
            due,
            next_due,
            window,
            last_call: u64::MAX,
            next_look: 0,
        })
    }

    /// Runs the step to its end. Closing all connections is left to the drop.
    pub fn run(mut self, stop: &AtomicBool) -> Result<Record, MeasureError> {
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; 64];
        self.began = Instant::now();
        loop {
            let now = self.now();
            self.dispatch(now);
            if now >= self.next_look {
                self.look(now);
            }
            if (self.next_due == u64::MAX && self.shots.counted() == 0) || now >= self.last_call {
                break;
            }
            if stop.load(Ordering::Relaxed) {
                return Err(MeasureError::Stopped);
            }
            let (ready, _) = match epoll::wait(&self.epoll, &mut events, Some(&timespec(0))) {
                Ok(parts) => parts,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(MeasureError::system("wait for answers")(error)),
            };
            if ready.is_empty() && self.unread.is_empty() {
                self.sleep();
                continue;
            }
            for event in ready {
                self.event(event.data.u64(), event.flags);
                self.dispatch(self.now());
            }
            for _ in 0..self.unread.len() {
                let Some(token) = self.unread.pop_front() else { break };
                self.event(token, epoll::EventFlags::IN);
                self.dispatch(self.now());
            }
        }
        self.close_books();
        Ok(self.record)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Sleeps until something is due or comes. Waiting on the epoll itself with `ppoll` has
    /// the resolution of ns on every kernel; `epoll_wait` has ms, `epoll_pwait2` needs 5.11.
    fn sleep(&self) {
        let until = self.next_due.min(self.next_look).min(self.last_call);
        let length = until.saturating_sub(self.now());
        if length > 0 {
            let mut fds = [PollFd::new(&self.epoll, PollFlags::IN)];
            // Interrupted or not, the loop looks again.
            let _ = poll(&mut fds, Some(&timespec(length)));
        }
    }

    /// Sends what is due.
    fn dispatch(&mut self, mut now: u64) {
        for _ in 0..BURST {
            if self.next_due > now {
                return;
            }
            let due = self.next_due;
            let counted = due >= self.window.0;
            if counted {
                self.record.dispatched(now - due);
            }
            let message = self.messages.draw();
            self.waiting.push_back(self.shots.add(due, message, counted));
            self.next_due = nanos(self.due.next());
            self.pump();
            now = self.now();
        }
    }

    /// Gives waiting requests the idle connections, then opens new ones for the rest.
    fn pump(&mut self) {
        loop {
            while self.waiting.front().is_some_and(|id| self.shots.get(*id).is_none()) {
                self.waiting.pop_front();
            }
            let Some(id) = self.waiting.front().copied() else { return };
            if let Some(index) = self.pool.wake() {
                if self.may_carry(index, id) {
                    self.waiting.pop_front();
                    self.start(index, id);
                } else {
                    self.pool.close(index);
                }
            } else if self.pool.connecting >= self.waiting.len() {
                return;
            } else if self.pool.open >= self.course.connections {
                self.record.at_limit = true;
                return;
            } else {
                self.open();
            }
        }
    }

    /// Whether an idle connection is good for a request. One that cannot be sent twice does
    /// not go where the server's farewell already waits to be read.
    fn may_carry(&mut self, index: u32, id: ShotId) -> bool {
        let message = self.shots.get(id).map(|shot| self.messages.get(shot.message));
        message.is_none_or(|m| m.idempotent)
            || self.pool.get(index).link().is_some_and(Link::is_quiet)
    }

    fn open(&mut self) {
        let (addr, epoll) = (&self.addr, &self.epoll);
        match self.pool.open(|token| Link::open(addr, epoll, token)) {
            Ok(()) => {}
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                self.record.out_of_descriptors += 1;
                if self.pool.open == 0 {
                    self.fail_first(Class::Unsent);
                }
                // The kernel's limit is the limit now.
                self.course.connections = self.pool.open.max(1);
            }
            Err(Errno::ADDRNOTAVAIL) => {
                self.record.out_of_ports += 1;
                self.fail_first(Class::Unsent);
            }
            Err(_) => self.fail_first(Class::Refused),
        }
    }

    /// The request that waits longest ends for want of a connection.
    fn fail_first(&mut self, class: Class) {
        while let Some(id) = self.waiting.pop_front() {
            if self.shots.get(id).is_some() {
                return self.finish(id, class);
            }
        }
    }

    /// Ends what has timed out, notes the outstanding, gives up when nothing can be won.
    fn look(&mut self, now: u64) {
        self.next_look = now + LOOK;
        let timeout = (self.course.timeout * SECOND) as u64;
        while let Some((id, due)) = self.shots.oldest() {
            if due + timeout > now {
                // Never later than it times out.
                self.next_look = self.next_look.min(due + timeout);
                break;
            }
            self.expire(id);
        }
        self.pump();
        if (self.window.0..self.window.1).contains(&now) {
            let at = (now - self.window.0) as f64 / SECOND;
            self.record.outstanding.push((at, self.shots.live()));
            self.decide(now, at);
        }
    }

    fn expire(&mut self, id: ShotId) {
        let place = self.shots.get(id).map_or(NOWHERE, |shot| shot.connection);
        if place != NOWHERE {
            self.end(place, id, Class::TimedOut);
        } else if self.pool.open >= self.course.connections {
            self.finish(id, Class::Unsent);
        } else {
            // It had a connection to wait for, which never came about and ends with it.
            self.pool.close_connecting();
            self.finish(id, Class::TimedOut);
        }
    }

    /// Ends the step when its outcome is certain.
    fn decide(&mut self, now: u64, at: f64) {
        let Some(rule) = &mut self.course.rule else { return };
        let record = &mut self.record;
        self.shots.mark(now, rule.limits, &mut record.beyond);
        let seen = Seen {
            due: record.counts.due() + self.shots.counted(),
            beyond: record.beyond,
            failed: record.counts.failed(),
            outstanding: &record.outstanding,
        };
        if let Some(outcome) = rule.decide(at, &seen) {
            record.decided = Some((outcome, at));
            self.next_due = u64::MAX;
            self.window.1 = now;
            if outcome == Outcome::Hopeless {
                self.last_call = now + (rule.drain * SECOND) as u64;
            }
        }
    }

    /// Gives every request that is still outstanding its class.
    fn close_books(&mut self) {
        while let Some((id, _)) = self.shots.oldest() {
            self.expire(id);
        }
        self.record.connections = self.pool.peak;
    }
}

fn nanos(due: Option<f64>) -> u64 {
    due.map_or(u64::MAX, |seconds| (seconds * SECOND) as u64)
}

fn timespec(nanos: u64) -> Timespec {
    Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as i64 }
}
