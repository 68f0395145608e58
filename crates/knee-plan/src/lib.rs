//! Queueing bounds, a forecast of capacity, and the statistics of few and noisy trials.
//!
//! What lives here: closed forms and small numerical methods. What never does: input or
//! output, a clock, randomness that is not passed in.

pub mod bounds;
pub mod erlang;
pub mod forecast;
pub mod gaussian;
pub mod statistics;

pub use bounds::{Demand, bound, ceiling};
pub use forecast::capacity;
