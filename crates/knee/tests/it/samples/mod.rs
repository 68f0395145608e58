//! Logs of runs as `knee tune` writes them, for tests of what renders them. The capacities are
//! found by the real search, the limits named by the real rules, on a service that is a queueing
//! formula: what a renderer is given is as consistent as a measurement, and the same every time.

mod formula;
mod read;
mod runs;

pub use runs::{Sample, all};
