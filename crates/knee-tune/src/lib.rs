//! Experiments under a task's limits: the laboratory, the search, the journal. The only room with power tools.

pub mod journal;
pub mod lab;
pub mod limit;
pub mod space;
pub mod strategy;
