//! Whole runs with a real service in a real task, and every way in which one ends. Whatever the
//! way, nothing is left over. Needs root; says so when it is not.

#[path = "../lab/support.rs"]
#[expect(dead_code, reason = "the laboratory's own tests use the rest")]
mod support;

mod failures;
mod interrupted;
mod kinds;
mod subject;
