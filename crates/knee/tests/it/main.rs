//! The real program against real services, from the outside.

mod cli;
mod examples;
mod measure;
mod process;
mod runs;
mod schema;
