//! The start of the command: in a process group of its own, which is the terminal's foreground
//! group if this process's was, with the signal mask that this process inherited.

use super::signals::Signals;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A started command.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// Its process, and the number of its group.
    pub pid: i32,
    /// Whether it has the terminal of standard input.
    pub terminal: bool,
}

/// Starts it with these variables beside the inherited ones.
///
/// # Errors
/// What fork or exec said; [`crate::exit::not_started`] knows the code for it.
pub fn spawn(
    command: &[OsString],
    variables: &BTreeMap<String, String>,
    signals: &Signals,
) -> io::Result<Started> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    };
    let (mask, terminal) = (signals.inherited(), has_terminal());
    let mut command = Command::new(program);
    command.args(arguments).envs(variables);
    let prepare = move || {
        // SAFETY: all of these may be called between fork and exec. SIGTTOU is still held back,
        // so that taking the terminal does not stop this process.
        unsafe {
            libc::setpgid(0, 0);
            if terminal {
                libc::tcsetpgrp(libc::STDIN_FILENO, libc::getpid());
            }
            libc::sigprocmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    Ok(Started { pid: child.id().cast_signed(), terminal })
}

/// Whether standard input is a terminal whose foreground group this process belongs to: who runs
/// in the background must not take it.
pub fn has_terminal() -> bool {
    // SAFETY: plain calls.
    unsafe { libc::tcgetpgrp(libc::STDIN_FILENO) == libc::getpgrp() }
}

/// Gives the terminal to a process group.
pub fn give_terminal(group: i32) {
    // SAFETY: a plain call; SIGTTOU is held back.
    unsafe { libc::tcsetpgrp(libc::STDIN_FILENO, group) };
}
