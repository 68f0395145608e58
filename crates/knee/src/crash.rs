//! A panic is knee's own fault: it is told in a few lines, everything is undone while the stack
//! unwinds, and knee ends with 70.

use crate::exit::Exit;
use crate::failure::Failure;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

/// Replaces Rust's own message, which speaks to knee's developers only.
pub fn explain_panics() {
    set_hook(Box::new(|panic| {
        let _ = anstream::stderr().write_all(message(panic).as_bytes());
    }));
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or(String::new(), |at| format!(" at {at}"));
    let mut text = format!(
        "error: knee {} has a fault{place}: {what}\n\
         help: what was started is being undone; please report these lines with the command and, \
         if there is one, the run's folder below .knee/runs\n",
        env!("CARGO_PKG_VERSION")
    );
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        text += &format!("{backtrace}\n");
    }
    text
}

/// Runs a verb; a panic unwinds to here.
pub fn guard(verb: impl FnOnce() -> Result<Exit, Failure>) -> Exit {
    match catch_unwind(AssertUnwindSafe(verb)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => failure.report(),
        Err(_) => Exit::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_apart_from_a_failure() {
        assert_eq!(guard(|| Ok(Exit::Unsatisfied)), Exit::Unsatisfied);
        assert_eq!(guard(|| Err(Failure::Closed)), Exit::Satisfied);
        assert_eq!(guard(|| Err(Failure::new(Exit::Nothing, "none"))), Exit::Nothing);
        assert_eq!(guard(|| panic!("for the test")), Exit::Fault);
    }
}
