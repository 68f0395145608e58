//! The generator as others see it: a target, requests, steps of load.

use crate::MeasureError;
use crate::ceiling;
use crate::engine::{Course, Engine};
use crate::message::Messages;
use crate::pacer::Pace;
use crate::record::Record;
use crate::solo;
use crate::thread::{Effort, Punctual, raise_descriptors};
use crate::validity::{Conduct, judge};
use crate::verdict::{self, Rule};
use knee_core::observe::{Outcome, Step};
use knee_core::workload::Request;
use knee_core::{Goal, Seconds};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

/// Where load goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Address and port.
    pub addr: SocketAddr,
    /// What the Host header field says, unless a request says otherwise.
    pub host: String,
}

/// How load is made.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorOptions {
    /// A request without a complete answer this long after it was *due* has failed, seconds.
    pub timeout: f64,
    /// Most connections open at once.
    pub max_connections: usize,
    /// The same seed makes the same load, step by step.
    pub seed: u64,
    /// Whether a status of 4xx is a good answer: for a target that answers so when idle.
    pub client_errors_ok: bool,
    /// Whether an address beyond loopback is meant.
    pub allow_host: bool,
}

impl Default for GeneratorOptions {
    fn default() -> Self {
        GeneratorOptions {
            timeout: 10.0,
            max_connections: 4096,
            seed: 1,
            client_errors_ok: false,
            allow_host: false,
        }
    }
}

/// The generator's own limit on this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Requests/s that it made against a server that does nothing.
    pub rate: f64,
    /// How late it turned to a request at half that rate, median, seconds.
    pub lateness: f64,
}

/// What the target said to one request sent alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Which of the requests was sent.
    pub request: usize,
    /// Status, or what went wrong.
    pub status: Result<u16, String>,
    /// From the beginning of the connection to the end of the answer, seconds.
    pub seconds: f64,
}

/// Makes open-loop load on the thread that calls it.
pub struct Generator {
    target: Target,
    messages: Messages,
    options: GeneratorOptions,
    /// Fewer connections than asked for, because of the limit of open files.
    clamped: bool,
    ceiling: Option<f64>,
    /// Of the last step.
    record: Option<Record>,
    /// Steps made so far: each has arrivals of its own, or one odd burst would stand in all.
    steps: u64,
}

impl Generator {
    /// Prepares the requests. Raises this process's soft limit of open files to the hard one.
    ///
    /// Fails when the address is not a loopback one and was not allowed, when a request is
    /// no HTTP message, or when a file with a body cannot be read.
    pub fn new(
        target: Target,
        requests: Vec<Request>,
        mut options: GeneratorOptions,
    ) -> Result<Self, MeasureError> {
        if !(target.addr.ip().to_canonical().is_loopback() || options.allow_host) {
            return Err(MeasureError::NotLoopback(target.addr));
        }
        // Room for files that the rest of the process needs.
        let descriptors = raise_descriptors().saturating_sub(128).max(1);
        let most = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let clamped = options.max_connections > most;
        options.max_connections = options.max_connections.clamp(1, most);
        let messages = Messages::new(&requests, &target.host, options.seed)?;
        Ok(Generator { target, messages, options, clamped, ceiling: None, record: None, steps: 0 })
    }

    /// Offers `pace` for `warm_up` and then `seconds` seconds and waits for the answers.
    ///
    /// Only requests due in the measured part count. The step ends early when its outcome is
    /// certain: the goal can no longer be held, or is held with ease for more than half of it.
    pub fn step(
        &mut self,
        pace: &Pace,
        seconds: f64,
        warm_up: f64,
        goal: &Goal,
        stop: &AtomicBool,
    ) -> Result<Step, MeasureError> {
        pace.check()?;
        let timeout = self.options.timeout.max(2.0 * goal.latency.0);
        let rule = Rule::new(goal, pace.count(warm_up, warm_up + seconds), seconds);
        self.steps += 1;
        let course = Course {
            pace,
            warm_up,
            seconds,
            seed: self.options.seed.wrapping_add(self.steps),
            timeout,
            connections: self.options.max_connections,
            client_errors_ok: self.options.client_errors_ok,
            rule: Some(rule),
        };
        let _punctual = Punctual::begin();
        let effort = Effort::begin();
        let record = Engine::new(self.target.addr, &mut self.messages, course)?.run(stop)?;
        let spent = effort.spent();
        let offered = pace.mean_rate(warm_up, warm_up + seconds);
        let mut step = summary(&record, offered, seconds, goal, timeout);
        let conduct = Conduct {
            record: &record,
            spent,
            offered,
            connections: self.options.max_connections,
            clamped: self.clamped,
            ceiling: self.ceiling,
        };
        step.validity = judge(&conduct, goal, step.outcome);
        self.record = Some(record);
        Ok(step)
    }

    /// How late the last step's requests were turned to, at a quantile, seconds; 0 before the first
    /// step.
    pub fn lateness(&self, quantile: f64) -> f64 {
        self.record.as_ref().map_or(0.0, |record| record.lateness(quantile))
    }

    /// Sends each request once, alone, and says what came back. Before any load: a target that
    /// answers 404 or garbage is better named than measured.
    ///
    /// # Errors
    /// [`MeasureError::Stopped`] when `stop` said so.
    pub fn ask(&self, stop: &AtomicBool) -> Result<Vec<Reply>, MeasureError> {
        let ask = |index: u32| {
            let message = self.messages.get(index);
            let (status, seconds) =
                solo::ask(self.target.addr, message, self.options.timeout, stop)?;
            Ok(Reply { request: message.request, status, seconds })
        };
        self.messages.one_of_each().into_iter().map(ask).collect()
    }

    /// Finds this generator's own ceiling against a server of its own that does nothing, so
    /// that a rate beyond it is told apart from a slow service. Takes about a second.
    pub fn calibrate(&mut self, stop: &AtomicBool) -> Result<Ceiling, MeasureError> {
        let ceiling = ceiling::find(self.options.seed, stop)?;
        self.ceiling = Some(ceiling.rate);
        Ok(ceiling)
    }
}

/// What a step's record says under a goal.
pub(crate) fn summary(
    record: &Record,
    offered: f64,
    seconds: f64,
    goal: &Goal,
    timeout: f64,
) -> Step {
    let seconds = record.decided.map_or(seconds, |(_, at)| at);
    let counts = record.counts;
    let latency = record.latency(goal.quantile, timeout);
    let held = goal.holds(Seconds(latency.goal), counts.failed_share());
    let outcome = match record.decided {
        Some((Outcome::Hopeless, _)) => Outcome::Hopeless,
        _ => verdict::at_end(goal, offered, held, &record.outstanding),
    };
    Step {
        offered,
        seconds,
        throughput: record.answered as f64 / seconds,
        counts,
        latency,
        outcome,
        usage: None,
        validity: Default::default(),
    }
}
