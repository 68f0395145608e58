//! Experiments under a task's limits: the laboratory, the search, the journal. The only room with power tools.

mod belief;
pub mod calibrate;
mod host;
pub mod journal;
pub mod lab;
mod memory;
pub mod prior;
pub mod space;
pub mod stage;
pub mod strategy;
pub mod tune;
mod waiting;
