//! Open-loop load and observation on one clock.
//!
//! What lives here: the pacer that says when a request is due, the event loop that sends it
//! and keeps its latency from *due*, the search for the highest rate that holds a goal, and
//! the observer of the service meanwhile. What never does: a change of the target.
//!
//! A [`Generator`] runs on the thread that calls it and is synchronous outside.

mod answer;
mod ceiling;
pub mod curve;
mod engine;
mod error;
mod generator;
mod message;
pub mod observer;
mod pacer;
mod pool;
mod rates;
mod record;
mod search;
mod shots;
#[cfg(test)]
mod simulated;
mod solo;
mod thread;
mod transport;
mod validity;
mod verdict;

pub use error::MeasureError;
pub use generator::{Ceiling, Generator, GeneratorOptions, Reply, Target};
pub use pacer::{DueTimes, Pace};
pub use rates::measure_rates;
pub use search::{SearchOptions, Standing, check_rate, search_capacity, search_on, stand};
pub use thread::may_go_first;
