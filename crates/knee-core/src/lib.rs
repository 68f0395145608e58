//! The words and the knowledge of knee.
//!
//! What lives here: units, the task, knobs and settings, runtimes, and the nouns of a
//! measurement and of a run. What never does: input or output, a clock, `async`.

pub mod event;
pub mod goal;
pub mod launch;
pub mod limit;
pub mod model;
pub mod observe;
pub mod profile;
pub mod runtimes;
pub mod service;
pub mod settings;
pub mod sourced;
pub mod task;
pub mod units;
pub mod workload;

pub use goal::Goal;
pub use service::Service;
pub use settings::{Knob, Settings, Value};
pub use sourced::{Origin, Sourced};
pub use task::Task;
pub use units::{Bytes, Seconds};
