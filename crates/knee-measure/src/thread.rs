//! The thread that makes the load: how precisely it wakes, what CPU it got and was denied.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{current_timer_slack, set_current_timer_slack};
use std::num::NonZeroU64;
use std::time::Instant;

/// While it lives, this thread's timers fire without the kernel's slack of 50 µs.
pub(crate) struct Punctual(Option<NonZeroU64>);

impl Punctual {
    pub fn begin() -> Self {
        let before = current_timer_slack().ok().and_then(NonZeroU64::new);
        // Refused only by unusual sandboxes; then lateness is measured and says so.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        Punctual(before)
    }
}

impl Drop for Punctual {
    fn drop(&mut self) {
        let _ = set_current_timer_slack(self.0);
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
