//! The thread that makes the load: its priority, how precisely it wakes, what CPU it got and was
//! denied.

use rustix::process::{
    Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit,
};
use rustix::thread::{current_timer_slack, set_current_timer_slack};
use std::num::NonZeroU64;
use std::time::Instant;

/// The highest priority of an ordinary thread, as a nice value (sched(7)).
const FIRST: i32 = -20;

/// Whether this process may raise the priority of its threads: CAP_SYS_NICE, or RLIMIT_NICE.
/// A service that shares the host's CPUs with a [`Generator`](crate::Generator) then needs no lower one.
pub fn may_go_first() -> bool {
    getpriority_process(None).is_ok_and(|nice| {
        nice <= FIRST || setpriority_process(None, nice - 1).is_ok_and(|()| back_to(nice))
    })
}

/// To a lower priority than now, which is always allowed.
fn back_to(nice: i32) -> bool {
    setpriority_process(None, nice).is_ok()
}

/// While it lives, this thread goes before others where that is allowed, and its timers fire
/// without the kernel's slack of 50 µs. (Linux gives each thread its own nice value: setpriority(2).)
pub(crate) struct Punctual {
    slack: Option<NonZeroU64>,
    nice: Option<i32>,
}

impl Punctual {
    pub fn begin() -> Self {
        let slack = current_timer_slack().ok().and_then(NonZeroU64::new);
        // Refused only by unusual sandboxes; then lateness is measured and says so.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let nice = getpriority_process(None).ok();
        let nice = nice.filter(|_| setpriority_process(None, FIRST).is_ok());
        Punctual { slack, nice }
    }
}

impl Drop for Punctual {
    fn drop(&mut self) {
        let _ = set_current_timer_slack(self.slack);
        if let Some(nice) = self.nice {
            back_to(nice);
        }
    }
}

/// Raises the soft limit of open files to the hard one; returns what may be open.
pub(crate) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// CPU of this thread since a moment.
pub(crate) struct Effort {
    wall: Instant,
    cpu: f64,
    denied: Option<f64>,
}

/// Shares of wall time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// On a CPU.
    pub cpu: f64,
    /// Ready to run and without a CPU; 0 where the kernel does not tell.
    pub denied: f64,
}

impl Effort {
    pub fn begin() -> Self {
        Effort { wall: Instant::now(), cpu: thread_cpu(), denied: run_queue_delay() }
    }

    pub fn spent(&self) -> Spent {
        let wall = self.wall.elapsed().as_secs_f64().max(1e-9);
        let denied = self.denied.zip(run_queue_delay()).map_or(0.0, |(from, to)| to - from);
        Spent { cpu: (thread_cpu() - self.cpu) / wall, denied: denied / wall }
    }
}

/// CPU that this thread has used, seconds.
pub(crate) fn thread_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds that this thread waited for a CPU: the second field of schedstat, ns
/// (Documentation/scheduler/sched-stats.rst).
fn run_queue_delay() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse::<f64>().ok().map(|ns| ns / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_first_where_it_may_and_is_as_before_afterwards() {
        let nice = || getpriority_process(None).unwrap();
        let before = nice();
        let punctual = Punctual::begin();
        assert_eq!(nice(), if may_go_first() { FIRST } else { before });
        drop(punctual);
        assert_eq!(nice(), before);
    }
}
