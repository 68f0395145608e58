//! One service that is looked at again and again, and what each interval shows.

use crate::find::Found;
use crate::history::History;
use crate::sample::{Busy, Sample, Unseen};
use crate::shape::{Shape, shape};
use crate::unseen::{Sight, unseen};
use crate::{Ears, Eyes, Source};
use knee_core::limit::{self, BUSY_SLOTS, Scene};
use knee_core::observe::{Limit, Reading, Resource, Usage};
use knee_core::runtimes::{Runtime, Surroundings};
use knee_core::{Bytes, Settings, Task};
use knee_probe::limits::{self, Limits};
use knee_probe::process::{self, Process};
use knee_probe::sockets::{Address, Listener, Sockets};
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Looks that are kept.
const LOOKS: u32 = 256;
/// Looks that an interval has at most: fewer than are kept, as its first one counts.
const MOST_LOOKS: u32 = 200;
/// Answers of runtimes that are kept.
const ANSWERS: usize = 1024;
/// Samples after which it is looked again who listens where, though no process came or went.
const AFRESH: u32 = 12;

/// What is known of a service before it is looked at.
pub struct Known {
    /// The service.
    pub found: Found,
    /// What it was set to, as far as it could be read.
    pub settings: Settings,
    /// What limits it.
    pub limits: Limits,
    /// The host's CPUs and memory.
    pub host: (u32, Bytes),
    /// Where its runtime tells of itself.
    pub sources: Vec<Source>,
    /// The first processes of other services, which may descend from this one.
    pub others: Vec<i32>,
}

/// A service under watch.
pub struct Watched {
    known: Known,
    name: String,
    eyes: Eyes,
    ears: Ears,
    told: bool,
    sockets: Sockets,
    family: Vec<i32>,
    shape: Shape,
    listeners: Vec<Listener>,
    whole_task: bool,
    /// Where the interval began.
    mark: (u64, u64, Instant),
    busy: Counted,
    connections: bool,
    samples: u32,
    /// None where it has to be looked for.
    unseen: Option<Vec<Unseen>>,
    history: History,
}

/// Requests in service, look by look.
#[derive(Clone, Copy, Default)]
struct Counted {
    looks: u32,
    sum: u64,
    most: u32,
}

/// How long to wait between two looks within an interval: that long at least, and so that what is
/// kept reaches back to its beginning.
pub fn between_looks(interval: Duration, least: Duration) -> Duration {
    least.max(interval / MOST_LOOKS)
}

impl Watched {
    /// Begins.
    pub fn new(known: Known) -> Watched {
        let root = known.found.root;
        let group = limits::group(Path::new("/"), &root.to_string());
        let whole_task = group.is_some();
        let others: Vec<i32> = known.others.iter().copied().filter(|pid| *pid != root).collect();
        let pids = Box::new(move || family(root, &others));
        let mut watched = Watched {
            name: known.found.name(),
            eyes: Eyes::new(group, pids, &known.sources, LOOKS as usize).seldom(),
            told: !known.sources.is_empty(),
            ears: Ears::new(known.sources.clone(), ANSWERS),
            sockets: Sockets::open(),
            family: vec![],
            shape: Shape::default(),
            listeners: vec![],
            whole_task,
            mark: (0, 0, Instant::now()),
            busy: Counted::default(),
            connections: true,
            samples: 0,
            unseen: None,
            history: History::default(),
            known,
        };
        let look = watched.eyes.look(true);
        watched.mark = (look, watched.ears.hear(true), Instant::now());
        watched.get_to_know();
        watched
    }

    /// Its first process.
    pub fn root(&self) -> i32 {
        self.known.found.root
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it runs.
    pub fn runtime(&self) -> Option<&'static Runtime> {
        self.known.found.runtime
    }

    /// Where it listens.
    pub fn listens(&self) -> Vec<String> {
        self.listeners.iter().map(|l| l.at.to_string()).collect()
    }

    /// Whether its runtime tells of itself.
    pub fn is_told(&self) -> bool {
        self.told
    }

    /// From now on it is asked there.
    pub fn ask(&mut self, sources: Vec<Source>) {
        self.told = !sources.is_empty();
        self.ears = Ears::new(sources.clone(), ANSWERS);
        self.ears.only(names(&self.family));
        self.known.sources = sources;
        self.mark.1 = self.ears.hear(true);
        self.unseen = None;
    }

    /// Whether its first process still lives.
    pub fn lives(&self) -> bool {
        Process::new(self.root()).stat().is_ok_and(|stat| !stat.is_dead())
    }

    /// The processes that serve.
    pub fn workers(&self) -> &[i32] {
        &self.shape.workers
    }

    /// A look within the interval: queues, requests in service, counters.
    pub fn look(&mut self) {
        self.eyes.look(false);
        self.count();
    }

    /// Asks the runtime once.
    pub fn hear(&mut self) {
        self.ears.hear(false);
    }

    /// Reads PSS anew at the next sample, which costs the service more than all else.
    pub fn weigh(&mut self) {
        self.eyes.weigh();
    }

    fn count(&mut self) {
        let Some(served) = self.in_service() else {
            self.connections = false;
            return;
        };
        let served = u32::try_from(served).unwrap_or(u32::MAX);
        self.busy.looks += 1;
        self.busy.sum += u64::from(served);
        self.busy.most = self.busy.most.max(served);
    }

    /// Requests in service, as the connections of its sockets show.
    fn in_service(&mut self) -> Option<usize> {
        let ports: HashSet<u16> = self.listeners.iter().filter_map(Listener::port).collect();
        let unix = |l: &Listener| match &l.at {
            Address::Unix(name) => Some(name.clone()),
            Address::Tcp(_) => None,
        };
        let names: HashSet<String> = self.listeners.iter().filter_map(unix).collect();
        let mut served = 0;
        if !ports.is_empty() {
            let all = self.sockets.connections(&ports)?;
            served += all.iter().filter(|c| c.is_in_service()).count();
        }
        if !names.is_empty() {
            served += self.sockets.accepted(&names)?;
        }
        Some(served)
    }

    /// Looks at who serves and where, when the family or its sockets have changed.
    fn get_to_know(&mut self) {
        let family = self.eyes.processes_seen().to_vec();
        let all = self.sockets.listening();
        let there = |before: &Listener| all.iter().any(|l| l.inode == before.inode);
        let known = !self.listeners.is_empty() && self.listeners.iter().all(there);
        self.samples = self.samples.wrapping_add(1);
        if family == self.family && known && !self.samples.is_multiple_of(AFRESH) {
            return;
        }
        self.unseen = None;
        let held = knee_probe::sockets::inodes(&family);
        let asked_over = |l: &Listener| {
            let at = l.at.to_string();
            self.known.sources.iter().any(|source| source.is_at(&at))
        };
        let managed = self.known.found.runtime.map_or(&[][..], |runtime| runtime.managed_at);
        let manages = |l: &Listener| match &l.at {
            Address::Unix(path) => managed.contains(&path.rsplit('/').next().unwrap_or_default()),
            Address::Tcp(_) => false,
        };
        let mine = |l: &Listener| held.contains(&l.inode) && !asked_over(l) && !manages(l);
        self.listeners = all.into_iter().filter(mine).collect();
        let own: HashSet<u64> = self.listeners.iter().map(|l| l.inode).collect();
        let Known { found, settings, host, .. } = &self.known;
        let (cpu, memory) = self.size();
        let around = Surroundings { visible_cpus: host.0, task_cpu: cpu, task_memory: memory.0 };
        self.shape = shape(found, &family, &own, settings, &around);
        self.ears.only(names(&family));
        self.family = family;
    }

    /// What it may use: its limits, else the host.
    fn size(&self) -> (f64, Bytes) {
        let Known { limits, host, .. } = &self.known;
        let cpu = limits.cpu.as_ref().map_or(f64::from(host.0.max(1)), |l| l.value);
        (cpu, limits.memory.as_ref().map_or(host.1, |l| l.value))
    }

    /// Ends the interval, says what it showed, and begins the next.
    pub fn sample(&mut self) -> Sample {
        self.count();
        let (look, heard, began) = self.mark;
        let seconds = began.elapsed().as_secs_f64();
        // The end of this interval and the beginning of the next.
        self.mark = (self.eyes.look(true), self.ears.hear(true), Instant::now());
        let mut usage = self.eyes.usage_since(look);
        usage.readings = self.ears.since(heard, seconds);
        let stall = self.ears.stall_since(heard);
        let busy = (self.busy.looks > 0).then(|| Busy {
            mean: self.busy.sum as f64 / f64::from(self.busy.looks),
            most: self.busy.most,
        });
        self.add_busy(&mut usage, busy);
        let cpu = self.eyes.own_cpu_since(look);
        let anonymous = anonymous(&self.family);
        self.history.add(anonymous, usage.descriptors, cpu);
        let unseen = self.unseen();
        let sample = self.tell(usage, busy, cpu, anonymous, seconds);
        self.busy = Counted::default();
        self.get_to_know();
        Sample { stall, unseen, ..sample }
    }

    /// Where slots are known, as many of them as requests are in service.
    fn add_busy(&self, usage: &mut Usage, busy: Option<Busy>) {
        let slots = self.shape.concurrency.and_then(|c| c.slots);
        if let (Some(busy), Some(slots)) = (busy, slots) {
            let value = busy.mean.min(f64::from(slots));
            usage.readings.push(Reading { name: BUSY_SLOTS.into(), value, unit: "".into() });
        }
    }

    fn tell(
        &self,
        usage: Usage,
        busy: Option<Busy>,
        cpu: f64,
        anonymous: Bytes,
        seconds: f64,
    ) -> Sample {
        let Known { found, limits, .. } = &self.known;
        Sample {
            name: self.name.clone(),
            runtime: found.runtime.map(|runtime| runtime.id),
            front: found.runtime.is_some_and(|runtime| runtime.front),
            pid: found.root,
            listens: self.listens(),
            seconds,
            model: self.shape.words.clone(),
            workers: self.shape.workers.len(),
            slots: self.shape.concurrency.and_then(|c| c.slots),
            busy,
            cpu,
            anonymous,
            limit: self.limit(&usage),
            whole_task: self.whole_task,
            usage,
            cpu_limit: limits.cpu.clone(),
            memory_limit: limits.memory.clone(),
            stall: None,
            trends: self.history.trends(),
            unseen: vec![],
        }
    }

    /// What cannot be seen; looked for anew when the family has changed.
    fn unseen(&mut self) -> Vec<Unseen> {
        let Known { found, limits, .. } = &self.known;
        let sight = Sight {
            found,
            family: &self.family,
            limits,
            connections: self.connections,
            told: self.told,
            silent: self.ears.unheard(),
        };
        self.unseen.get_or_insert_with(|| unseen(&sight)).clone()
    }

    fn limit(&self, usage: &Usage) -> Limit {
        let (cpu, memory) = self.size();
        let scene = Scene {
            task: Task { cpu, memory },
            concurrency: self.shape.concurrency,
            alone: None,
            nofile: None,
        };
        let limit = limit::of_usage(usage, &scene);
        match limit.resource {
            // Without a quota it is the host that is used up.
            Resource::CpuQuota if self.known.limits.cpu.is_none() => {
                Limit { resource: Resource::Host, ..limit }
            }
            _ => limit,
        }
    }
}

/// What processes call themselves: their numbers as they see them.
fn names(pids: &[i32]) -> HashSet<String> {
    let numbers = |pid: &i32| Process::new(*pid).numbers().unwrap_or_default();
    pids.iter().filter_map(|pid| Some(numbers(pid).last()?.to_string())).collect()
}

/// A process and what descends from it, without other services.
fn family(root: i32, others: &[i32]) -> Vec<i32> {
    let mut all = process::with_descendants(&[root]);
    if all.iter().any(|pid| others.contains(pid)) {
        let theirs = process::with_descendants(others);
        all.retain(|pid| !theirs.contains(pid));
    }
    all
}

/// Memory of processes that no file backs.
pub fn anonymous(pids: &[i32]) -> Bytes {
    let read = |pid: &i32| Process::new(*pid).anonymous().ok();
    Bytes(pids.iter().filter_map(read).map(|bytes| bytes.0).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This process, without a cgroup or anybody to ask.
    fn me() -> Watched {
        let root = std::process::id().cast_signed();
        Watched::new(Known {
            found: Found { root, runtime: None },
            settings: Settings::default(),
            limits: Limits::default(),
            host: (1, Bytes(0)),
            sources: vec![],
            others: vec![],
        })
    }

    #[test]
    fn cpu_is_seen_over_an_interval_that_has_as_many_looks_as_it_may() {
        let mut watched = me();
        let spin = Instant::now();
        while watched.eyes.own_cpu_since(0) == 0.0 && spin.elapsed() < Duration::from_secs(10) {
            (0..MOST_LOOKS).for_each(|_| watched.look());
            let sample = watched.sample();
            if sample.cpu > 0.0 {
                return;
            }
        }
        panic!("no CPU is seen");
    }

    #[test]
    fn no_interval_has_more_looks_than_are_kept() {
        let least = Duration::from_millis(100);
        assert_eq!(between_looks(Duration::from_secs(2), least), least);
        for seconds in [1, 20, 21, 60, 3600, 1_000_000] {
            let interval = Duration::from_secs(seconds);
            let looks = interval.as_secs_f64() / between_looks(interval, least).as_secs_f64();
            assert!(looks + 2.0 < f64::from(LOOKS), "{looks} in {seconds} s");
        }
    }
}
