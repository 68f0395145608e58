//! The words and the knowledge of knee.
//!
//! What lives here: units, the task and its sizes, and the other nouns that every crate
//! shares. What never does: input or output, a clock, `async`.

pub mod sourced;
pub mod task;
pub mod units;

pub use sourced::{Origin, Sourced};
pub use task::Task;
pub use units::{Bytes, Seconds};
