//! Ctrl-C, SIGTERM and SIGHUP ask a run to end; it undoes everything and then ends. A second
//! one changes nothing: leaving at once would leave processes and cgroups behind.

use crate::exit::Exit;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the outside asked of this process.
#[derive(Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Signals> {
        let signals = Signals::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = signal.unsigned_abs() as usize;
            flag::register_usize(signal, signals.which.clone(), number)?;
            flag::register(signal, signals.stop.clone())?;
        }
        Ok(signals)
    }

    /// Set once somebody asked to stop.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// How knee ends when a signal came; None when none did.
    pub fn exit(&self) -> Option<Exit> {
        match i32::try_from(self.which.load(Ordering::Relaxed)) {
            Ok(SIGINT) => Some(Exit::Interrupted),
            Ok(SIGTERM) => Some(Exit::Terminated),
            Ok(SIGHUP) => Some(Exit::HungUp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_sets_the_flag_and_names_the_exit() {
        let signals = Signals::listen().unwrap();
        assert_eq!(signals.exit(), None);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(signals.stop().load(Ordering::Relaxed));
        assert_eq!(signals.exit(), Some(Exit::Terminated));
        signal_hook::low_level::raise(SIGINT).unwrap();
        assert_eq!(signals.exit(), Some(Exit::Interrupted));
    }
}
