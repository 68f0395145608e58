//! The verbs, one module each.

pub mod explain;
pub mod measure;
pub mod report;
