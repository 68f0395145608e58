//! One line on standard error for each thing that a reader of the container's log should know.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes a line in one piece, so that it does not mix with the service's. That nobody reads it
/// is no reason to stop.
pub fn say(line: Arguments) {
    let _ = io::stderr().write_all(format!("knee-run: {line}\n").as_bytes());
}
