//! Exit codes, as shells and `docker run` have them: the command's own where it ended by itself.

use std::io;

/// knee-run's own failure: bad usage, a process that cannot be made.
pub const OWN: u8 = 125;
/// The command is there and cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command is not there.
pub const NOT_FOUND: u8 = 127;

/// Of a command that a signal ended.
pub fn by_signal(signal: i32) -> u8 {
    u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)
}

/// Of a command that was never started.
pub fn not_started(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => NOT_FOUND,
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => OWN,
        _ => NOT_EXECUTABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_was_not_started_is_in_the_code() {
        let code = |errno| not_started(&io::Error::from_raw_os_error(errno));
        assert_eq!(code(libc::ENOENT), NOT_FOUND);
        assert_eq!((code(libc::EACCES), code(libc::ENOEXEC)), (NOT_EXECUTABLE, NOT_EXECUTABLE));
        assert_eq!((code(libc::EAGAIN), code(libc::ENOMEM)), (OWN, OWN));
        assert_eq!((by_signal(15), by_signal(64), by_signal(1000)), (143, 192, 255));
    }
}
