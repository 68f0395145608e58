//! The real program against real services, from the outside.

mod apply;
mod audit;
mod cli;
mod examples;
mod exits;
mod measure;
mod monitoring;
mod plan;
mod process;
mod profile;
mod report;
mod runs;
mod samples;
mod schema;
mod tune;
mod watch;
