//! The verbs, one module each.

pub mod apply;
pub mod audit;
pub mod completions;
pub mod explain;
pub mod init;
pub mod measure;
pub mod plan;
pub mod report;
pub mod resume;
pub mod run;
pub mod tune;
pub mod watch;
