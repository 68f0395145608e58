//! A discrete-event simulator of what runtimes really do under a task's limits.
//!
//! What lives here: stations and the requests that move between them. What never does: what a
//! runtime's settings mean (`knee_core::runtimes`), what a request takes (a profile).
//!
//! One seed gives one answer on any machine: nothing iterates over a hash, and logarithms come
//! from `libm`.

mod agenda;
mod cpu;
mod draw;
mod engine;
mod intake;
mod outcome;
mod process;
mod program;
mod request;

pub use cpu::Host;
pub(crate) use draw::Source;
pub use draw::quantile;
pub use outcome::{Busy, Failed, Outcome};
pub use program::Class;

use knee_core::model::Network;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The program under its settings.
    pub network: Network,
    /// The task's CPU.
    pub host: Host,
    /// What requests take; at least one class.
    pub classes: Vec<Class>,
    /// When they come.
    pub arrivals: Arrivals,
    /// What clients do when they wait for long.
    pub clients: Clients,
    /// Connections to the backend that this task has for itself; None where none is limited.
    pub connections: Option<u32>,
    /// CPU to start a process that replaces another, seconds.
    pub start: f64,
    /// CPU of a thread that wakes in vain, seconds: for a connection that another one takes, or to find
    /// the interpreter's lock still held.
    pub wake: f64,
    /// What its collector does, as its settings say; None where there is none.
    pub collector: Option<Cycle>,
}

/// When requests come.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent of each other, requests/s.
    Poisson(f64),
    /// Evenly spaced, requests/s.
    Constant(f64),
    /// At these times, seconds in ascending order; from the start again when they are used up.
    Recorded(Vec<f64>),
}

/// What clients do when they wait for long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clients {
    /// Seconds after which a client gives an attempt up. The service does not notice, and goes on.
    pub timeout: Option<f64>,
    /// Attempts after the first.
    pub retries: u8,
    /// Seconds between giving up and the next attempt.
    pub pause: f64,
}

impl Clients {
    /// They wait for as long as it takes.
    pub const PATIENT: Clients = Clients { timeout: None, retries: 0, pause: 0.0 };
}

/// Collections of a process, in steady state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycle {
    /// Bytes allocated from one collection to the next.
    pub every: f64,
    /// CPU of one collection, seconds.
    pub cpu: f64,
    /// Threads that collect at once.
    pub threads: u32,
}

/// How much is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Requests that are counted.
    pub requests: u64,
    /// Requests before them.
    pub warm_up: u64,
    /// One seed, one answer.
    pub seed: u64,
    /// Ends as overloaded when more requests than this are slower than so many seconds.
    pub give_up: Option<(f64, u64)>,
}

impl Run {
    /// So many requests are counted, and a tenth as many come before.
    pub fn of(requests: u64, seed: u64) -> Run {
        Run { requests, warm_up: requests / 10, seed, give_up: None }
    }
}

/// Simulates. More than two million requests in the system end it as overloaded.
pub fn simulate(scenario: &Scenario, run: &Run) -> Outcome {
    engine::Engine::new(scenario, run).run()
}
