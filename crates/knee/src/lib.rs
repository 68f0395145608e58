//! The door as a library, so that tests can reach what renders.

pub mod report;
