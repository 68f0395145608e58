//! What other settings, sizes and loads would do: bounds, closed forms, a simulator of each
//! runtime's concurrency, and the statistics of few and noisy trials.
//!
//! What lives here: formulas, the simulator, small numerical methods. What never does: input or
//! output, a clock, randomness without a seed, the platform's logarithm (see clippy.toml).

pub mod bounds;
pub mod closed;
pub mod fit;
pub mod forecast;
pub mod gaussian;
pub mod pairs;
pub mod plan;
pub mod prices;
pub mod sim;
pub mod statistics;

pub use bounds::{Demand, bound, ceiling};
pub use forecast::capacity;
