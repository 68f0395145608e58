//! How long the threads of a service waited for a CPU: without that, others on the host may be as
//! busy as they like.

use crate::lab::Running;
use knee_probe::process::Process;
use std::collections::HashMap;
use std::time::Instant;

/// A look at all threads, to be compared with a later one.
pub struct Waits {
    at: Instant,
    /// Seconds that each has waited, by process and thread.
    threads: HashMap<(i32, i32), f64>,
    /// Seconds for which the quota stopped them, which count as waiting too.
    stopped: f64,
}

impl Waits {
    /// Looks; None where the kernel does not tell.
    pub fn look(running: &Running) -> Option<Waits> {
        let mut threads = HashMap::new();
        for pid in running.pids() {
            match Process::new(pid).waited() {
                Ok(all) => threads.extend(all.into_iter().map(|(thread, s)| ((pid, thread), s))),
                Err(error) if error.is_absent() && !Process::new(pid).lives() => {}
                Err(_) => return None,
            }
        }
        Some(Waits { at: Instant::now(), threads, stopped: running.stopped().unwrap_or(0.0) })
    }

    /// Threads that waited for a CPU since an earlier look, in the mean, those left out that the quota
    /// stopped. Of threads that wait together only one is left out, and so it is rather too much.
    pub fn since(&self, earlier: &Waits) -> f64 {
        let before = |id: &(i32, i32)| earlier.threads.get(id).copied().unwrap_or(0.0);
        let waited: f64 = self.threads.iter().map(|(id, s)| (s - before(id)).max(0.0)).sum();
        let stopped = (self.stopped - earlier.stopped).max(0.0);
        let seconds = (self.at - earlier.at).as_secs_f64();
        (waited - stopped).max(0.0) / seconds.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_the_quota_stops_is_no_waiting_for_others() {
        let begin = Instant::now();
        let look = |seconds, threads: &[((i32, i32), f64)], stopped| Waits {
            at: begin + Duration::from_secs(seconds),
            threads: threads.iter().copied().collect(),
            stopped,
        };
        let first = look(0, &[((1, 1), 5.0), ((1, 2), 1.0)], 3.0);
        let later = look(4, &[((1, 1), 6.0), ((1, 2), 2.0), ((9, 9), 0.5)], 3.5);
        assert!((later.since(&first) - 0.5).abs() < 1e-9, "{}", later.since(&first));
        let stopped = look(4, &[((1, 1), 5.5)], 9.0);
        assert_eq!(stopped.since(&first), 0.0);
    }
}
