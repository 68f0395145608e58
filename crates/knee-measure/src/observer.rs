//! The observer of a service while it is under load: what it used between two moments, on the
//! clock that the generator uses.
//!
//! Three threads look from outside the task's cgroup. One reads the kernel: the cgroup's counters and
//! the accept queues every time (100 ms is a good pace), processes with their CPU and descriptors
//! once a second, PSS only when usage is asked for. One asks the runtimes four times a
//! second; what costs the service more, only at marks and when usage is asked for. One holds a
//! yardstick to each of the host's CPUs five times a second. What all that takes is counted: see
//! [`Observer::cost`].
//!
//! What never lives here: how it is looked (`knee-watch`), how anything is read (`knee-probe`) and
//! what a runtime means by its figures (`knee-core`).

mod yardstick;

use crate::thread::thread_cpu;
use knee_core::observe::Usage;
use knee_probe::cgroup::TaskGroup;
use knee_watch::{Ears, Eyes};
pub use knee_watch::{Place, Source};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use yardstick::Yardstick;

/// How often runtimes are asked: a status page costs FPM some tenths of a millisecond.
const ASK: Duration = Duration::from_millis(250);
/// Looks and answers that are kept: half an hour of looks at ten a second.
const KEPT: usize = 16_384;

/// What is observed.
pub struct Subject {
    /// The task's cgroup; None when it runs without one: then CPU is the sum of its processes',
    /// without those that came and went between two looks, and memory is their PSS.
    pub group: Option<TaskGroup>,
    /// The processes that live now.
    pub pids: Box<dyn Fn() -> Vec<i32> + Send>,
    /// What its runtimes say of themselves.
    pub sources: Vec<Source>,
}

/// A moment from which usage is counted.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Number of the look made then.
    look: u64,
    /// Answers heard until then.
    heard: u64,
    at: Instant,
}

/// Looks at a service again and again until it is dropped.
pub struct Observer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    eyes: Mutex<Eyes>,
    ears: Mutex<Ears>,
    yardstick: Mutex<Yardstick>,
    over: Mutex<bool>,
    bell: Condvar,
    /// CPU of all looking and asking, nanoseconds.
    cost: AtomicU64,
}

impl Observer {
    /// Begins to look, every `every`.
    pub fn start(subject: Subject, every: Duration) -> Observer {
        let Subject { group, pids, sources } = subject;
        let shared = Arc::new(Shared {
            eyes: Mutex::new(Eyes::new(group, pids, &sources, KEPT)),
            ears: Mutex::new(Ears::new(sources, KEPT)),
            yardstick: Mutex::new(Yardstick::new()),
            over: Mutex::new(false),
            bell: Condvar::new(),
            cost: AtomicU64::new(0),
        });
        let mut threads = Vec::new();
        let mut spawn = |name: &str, pace: Duration, act: fn(&Shared)| {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(name.into());
            // Without the thread there are still the looks at both ends of an interval.
            threads.extend(thread.spawn(move || shared.repeat(pace, act)).ok());
        };
        spawn("knee-eyes", every, |shared| _ = shared.look(false));
        spawn("knee-yardstick", yardstick::VISITS, |shared| {
            shared.counted(|| shared.yardstick().visit());
        });
        if !shared.ears().is_empty() {
            spawn("knee-ears", ASK, |shared| _ = shared.hear(false));
        }
        Observer { shared, threads }
    }

    /// Now: after a look at everything that is counted from here.
    pub fn mark(&self) -> Mark {
        let heard = self.shared.hear(true);
        let look = self.shared.look(true);
        Mark { look, heard, at: Instant::now() }
    }

    /// What was used from then until now. A mark that lies more than 16,384 looks back counts as
    /// if it lay there.
    ///
    /// Where the service has ended, what was seen of it before.
    pub fn usage_since(&self, mark: Mark) -> Usage {
        let mut usage = self.shared.counted(|| {
            let mut eyes = self.shared.eyes();
            eyes.look(true);
            eyes.weigh();
            eyes.usage_since(mark.look)
        });
        let seconds = mark.at.elapsed().as_secs_f64();
        self.shared.hear(true);
        usage.readings = self.shared.counted(|| self.shared.ears().since(mark.heard, seconds));
        usage.host_speed = self.shared.yardstick().since(mark.at);
        usage
    }

    /// CPU that observing has taken so far, of all threads. It is not the service's, but the same
    /// host's; what the service itself spends on answering is part of its own usage.
    pub fn cost(&self) -> Duration {
        Duration::from_nanos(self.shared.cost.load(Ordering::Relaxed))
    }

    /// The runtimes that have never answered, each with the reason, for people.
    pub fn unheard(&self) -> Vec<String> {
        self.shared.ears().unheard()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.bell.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn eyes(&self) -> MutexGuard<'_, Eyes> {
        self.eyes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ears(&self) -> MutexGuard<'_, Ears> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn yardstick(&self) -> MutexGuard<'_, Yardstick> {
        self.yardstick.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, at_an_end: bool) -> u64 {
        self.counted(|| self.eyes().look(at_an_end))
    }

    fn hear(&self, at_an_end: bool) -> u64 {
        self.counted(|| self.ears().hear(at_an_end))
    }

    fn counted<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = thread_cpu();
        let result = act();
        let spent = ((thread_cpu() - before) * 1e9) as u64;
        self.cost.fetch_add(spent, Ordering::Relaxed);
        result
    }

    /// Acts at each multiple of a pace, until the bell rings. A look that took longer than
    /// the pace is followed by the next at once, never by several.
    fn repeat(&self, pace: Duration, act: fn(&Shared)) {
        let mut due = Instant::now() + pace;
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(over);
                act(self);
                due = (due + pace).max(Instant::now());
                over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            } else {
                over = self.bell.wait_timeout(over, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}
