//! Signals as something to be read (signalfd(2)): no handler, so nothing happens in between, and
//! a storm of them is a few reads.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// How many are read at once, and how often until somebody acts on them: real-time signals queue up.
const BATCH: usize = 64;
const BATCHES: usize = 16;

/// All signals that come, from the moment on when this was made.
pub struct Signals {
    fd: OwnedFd,
    inherited: libc::sigset_t,
}

impl Signals {
    /// Holds back every signal and opens where they are read. A fault of this program itself ends it
    /// nevertheless: the kernel raises those by force (`force_sig` in `kernel/signal.c`).
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn hold() -> io::Result<Signals> {
        let mut held = MaybeUninit::uninit();
        let mut inherited = MaybeUninit::uninit();
        // SAFETY: sigfillset makes the first set, sigprocmask the second.
        let (held, inherited) = unsafe {
            libc::sigfillset(held.as_mut_ptr());
            let held = held.assume_init();
            // Whoever inherits SIGCHLD ignored is never told of a child's end.
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            if libc::sigprocmask(libc::SIG_SETMASK, &held, inherited.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            (held, inherited.assume_init())
        };
        // SAFETY: the set is made; the descriptor is nobody else's.
        let fd = unsafe { libc::signalfd(-1, &held, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(Signals { fd: unsafe { OwnedFd::from_raw_fd(fd) }, inherited })
    }

    /// The mask that this process was started with, which its child gets again.
    pub fn inherited(&self) -> libc::sigset_t {
        self.inherited
    }

    /// Waits until one comes or the time is over, and returns what has come; more may wait. SIGCHLD stands
    /// for any number of children.
    pub fn wait(&self, most: Option<Duration>) -> Vec<i32> {
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        // An interruption is like the end of the time: the caller looks again.
        let _ = poll(&mut fds, most.as_ref());
        let mut come = Vec::new();
        let size = size_of::<libc::signalfd_siginfo>();
        for _ in 0..BATCHES {
            // SAFETY: zeros are a siginfo; the kernel writes whole ones, and no more than fit.
            let (infos, length) = unsafe {
                let mut infos: [libc::signalfd_siginfo; BATCH] = std::mem::zeroed();
                let length = libc::read(
                    self.fd.as_raw_fd(),
                    infos.as_mut_ptr().cast(),
                    size.saturating_mul(BATCH),
                );
                (infos, length)
            };
            let count = usize::try_from(length).unwrap_or(0) / size;
            come.extend(infos.iter().take(count).filter_map(|i| i32::try_from(i.ssi_signo).ok()));
            if count < BATCH {
                break;
            }
        }
        come
    }
}
