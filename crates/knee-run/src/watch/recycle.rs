//! Replaces the workers of a service that leaks, one at a time, where its runtime can do that without
//! losing a request ([`knee_core::runtimes::Runtime::recycle`]).

use crate::init::send;
use crate::log::say;
use knee_probe::process::Process;
use knee_watch::Watched;
use knee_watch::trouble::{Kind, Trouble};

/// Who is still to be replaced.
#[derive(Debug, Default)]
pub struct Recycler {
    /// The largest last.
    queue: Vec<i32>,
    /// Who was told to end.
    leaving: Option<i32>,
    /// Workers that there were.
    workers: usize,
}

impl Recycler {
    /// Takes note of trouble: of a leak all workers are to be replaced, as they run the same code.
    pub fn note(&mut self, watched: &Watched, trouble: &Trouble) {
        let leak = matches!(trouble.kind, Kind::MemoryLeak | Kind::DescriptorLeak);
        if !leak || !self.queue.is_empty() || self.leaving.is_some() {
            return;
        }
        let root = watched.root();
        let mut workers: Vec<i32> =
            watched.workers().iter().copied().filter(|pid| *pid != root).collect();
        workers.sort_by_key(|pid| Process::new(*pid).anonymous().map_or(0, |bytes| bytes.0));
        (self.workers, self.queue) = (workers.len(), workers);
    }

    /// Replaces the next one, when the one before has gone and another has taken its place; whether
    /// it did.
    pub fn step(&mut self, watched: &Watched) -> bool {
        let Some(signal) = watched.runtime().and_then(|runtime| runtime.recycle) else {
            self.queue.clear();
            return false;
        };
        if self.leaving.is_some_and(lives) || watched.workers().len() < self.workers {
            return false;
        }
        self.leaving = None;
        while let Some(pid) = self.queue.pop() {
            // Its number may be another's by now.
            if !watched.workers().contains(&pid) {
                continue;
            }
            say(format_args!(
                "worker {pid} of {} leaks: it finishes its request and is replaced",
                watched.name()
            ));
            send(pid, signal);
            self.leaving = Some(pid);
            return true;
        }
        false
    }
}

fn lives(pid: i32) -> bool {
    Process::new(pid).stat().is_ok_and(|stat| !stat.is_dead())
}
