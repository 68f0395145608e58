//! Queueing bounds and statistics. No I/O.
