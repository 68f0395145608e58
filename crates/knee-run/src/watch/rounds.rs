//! The rounds that are made: looks, samples, and what is told of them. What it costs is bounded: the
//! dearer a look was, the longer until the next.

use super::Options;
use super::nanos;
use super::otlp::Exporter;
use super::recycle::Recycler;
use super::serve::Page;
use crate::log::say;
use crate::seen;
use crate::size::Size;
use knee_core::{Bytes, Origin, Settings, Sourced};
use knee_probe::limits::{self, Limits};
use knee_probe::machine;
use knee_probe::process::Process;
use knee_watch::prometheus::{Counts, page};
use knee_watch::trouble::{Detector, Trouble};
use knee_watch::{Found, Known, Sample, Wanted, Watched, between_looks, emf, find};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks at queues and requests in service, at least.
const LOOK: Duration = Duration::from_secs(1);
/// Between two readings of PSS, for which the kernel walks all memory, at least.
const WEIGH: Duration = Duration::from_secs(60);
/// Each of both may take a two-thousandth of a core.
const DEAR: u32 = 2000;
/// Samples after which services are taken to be there, and between two looks for others.
const SETTLED: u64 = 12;
/// Between two times of asking runtimes.
const HEAR: Duration = Duration::from_secs(1);

/// One service, and what is known of it from sample to sample.
struct Service {
    watched: Watched,
    detector: Detector,
    recycler: Recycler,
    /// Where it listened when it was looked at last how it tells of itself.
    looked: Vec<String>,
}

/// What is watched, and how.
pub struct Rounds {
    every: Duration,
    emf: bool,
    recycle: bool,
    limits: Limits,
    host: (u32, Bytes),
    started: Vec<i32>,
    page: Page,
    exporter: Option<Exporter>,
    services: Vec<Service>,
    counts: Counts,
    began: Instant,
}

impl Rounds {
    /// Of what these processes are and start.
    pub fn new(
        every: Duration,
        options: &Options,
        size: Option<&Size>,
        started: Vec<i32>,
        page: Page,
        exporter: Option<Exporter>,
    ) -> Rounds {
        let root = Path::new("/");
        let host = machine::read(root).unwrap_or_default();
        // The task's size as it was found at the start: it knows more than cgroups show.
        let mut limits = match size {
            Some(size) => Limits { cpu: Some(size.cpu.clone()), memory: size.memory.clone() },
            None => limits::read(root).unwrap_or_default(),
        };
        let whole = || Origin::Observed { by: "the host's memory".into() };
        let memory = (host.memory > 0).then(|| Sourced::new(Bytes(host.memory), whole()));
        limits.memory = limits.memory.or(memory);
        Rounds {
            every,
            emf: options.emf,
            recycle: options.recycle,
            limits,
            host: (host.cpus, Bytes(host.memory)),
            started,
            page,
            exporter,
            services: vec![],
            counts: Counts::default(),
            began: Instant::now(),
        }
    }

    /// Goes round without end.
    pub fn go_round(&mut self) {
        let mut weigh = Pace::new(WEIGH);
        let mut look = Pace::new(between_looks(self.every, LOOK));
        let mut hear = Pace::new(between_looks(self.every, HEAR));
        let mut due = Instant::now() + self.every;
        loop {
            let now = Instant::now();
            std::thread::sleep(LOOK.min(due.saturating_duration_since(now)));
            look.when_due(|| self.services.iter_mut().for_each(|s| s.watched.look()));
            hear.when_due(|| self.services.iter_mut().for_each(|s| s.watched.hear()));
            if Instant::now() < due {
                continue;
            }
            due = (due + self.every).max(Instant::now());
            weigh.when_due(|| self.services.iter_mut().for_each(|s| s.watched.weigh()));
            self.sample();
            self.meet();
            self.services.iter_mut().for_each(Service::listen);
        }
    }

    /// Services come and go: a shell starts one, a worker becomes a master. At first it is looked for
    /// them after each sample, later seldom as long as all live.
    fn meet(&mut self) {
        let taken = self.counts.samples;
        let all_live = self.services.iter().all(|s| s.watched.lives());
        if taken > SETTLED && !taken.is_multiple_of(SETTLED) && all_live {
            return;
        }
        self.services.retain(|s| s.watched.lives());
        let living = |pid: &i32| Process::new(*pid).stat().is_ok_and(|stat| !stat.is_dead());
        let pids: Vec<i32> = self.started.iter().copied().filter(living).collect();
        let Ok(found) = find(&Wanted::Processes(pids)) else { return };
        // A script that ends with `exec` becomes its service: the same process under another name.
        let is = |service: &Service, found: &Found| {
            service.watched.root() == found.root && service.watched.name() == found.name()
        };
        let same = self.services.len() == found.len();
        if same && self.services.iter().zip(&found).all(|(service, found)| is(service, found)) {
            return;
        }
        let roots: Vec<i32> = found.iter().map(|found| found.root).collect();
        let mut before = std::mem::take(&mut self.services);
        let watch = |found| {
            // That another comes or goes is no reason to forget what was seen of this one.
            let known = before.iter().position(|service| is(service, &found));
            let (detector, recycler) = known
                .map(|at| before.swap_remove(at))
                .map_or_else(Default::default, |service| (service.detector, service.recycler));
            let mut watched = Watched::new(self.known(found, &roots));
            watched.weigh();
            let looked = watched.listens();
            Service { watched, detector, recycler, looked }
        };
        self.services = found.into_iter().map(watch).collect();
    }

    fn known(&self, found: Found, others: &[i32]) -> Known {
        let settings =
            found.runtime.map_or_else(Settings::default, |r| seen::settings(r, found.root));
        let sources = found.runtime.map_or_else(Vec::new, |r| seen::sources(r, found.root));
        let (limits, host) = (self.limits.clone(), self.host);
        Known { found, settings, limits, host, sources, others: others.to_vec() }
    }

    fn sample(&mut self) {
        let at = self.began.elapsed().as_secs_f64();
        let mut samples = Vec::new();
        for Service { watched, detector, recycler, .. } in &mut self.services {
            let sample = watched.sample();
            let troubles = detector.see(at, &sample);
            for trouble in &troubles {
                self.counts.add(&trouble.service, trouble.kind);
                tell(trouble);
                recycler.note(watched, trouble);
            }
            if self.recycle && recycler.step(watched) {
                self.counts.recycled = self.counts.recycled.saturating_add(1);
            }
            if self.emf {
                write(&sample, troubles.len());
            }
            samples.push(sample);
        }
        self.counts.samples = self.counts.samples.saturating_add(1);
        if let Some(exporter) = &self.exporter {
            exporter.export(&samples, &self.counts);
        }
        self.page.put(page(&samples, &self.counts));
    }
}

impl Service {
    /// A program that listens only now may tell of itself from now on.
    fn listen(&mut self) {
        let at = self.watched.listens();
        if at == self.looked || self.watched.is_told() {
            return;
        }
        self.looked = at;
        if let Some(runtime) = self.watched.runtime() {
            self.watched.ask(seen::sources(runtime, self.watched.root()));
        }
    }
}

/// A line of JSON on standard error.
fn tell(trouble: &Trouble) {
    let mut line = json!({ "knee": "trouble" });
    if let (Some(line), Ok(serde_json::Value::Object(trouble))) =
        (line.as_object_mut(), serde_json::to_value(trouble))
    {
        line.extend(trouble);
    }
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A line of JSON on standard output. Nobody reads it any more: no reason to stop.
fn write(sample: &Sample, troubles: usize) {
    let line = emf::line(sample, nanos() / 1_000_000, u32::try_from(troubles).unwrap_or(u32::MAX));
    match serde_json::to_string(&line) {
        Ok(line) => drop(io::stdout().write_all((line + "\n").as_bytes())),
        Err(error) => say(format_args!("metrics for CloudWatch: {error}")),
    }
}

/// When something is due again: not before its cost is a two-thousandth of the time.
struct Pace {
    least: Duration,
    due: Instant,
}

impl Pace {
    fn new(least: Duration) -> Pace {
        Pace { least, due: Instant::now() }
    }

    fn when_due(&mut self, act: impl FnOnce()) {
        if Instant::now() < self.due {
            return;
        }
        let before = thread_cpu();
        act();
        let cost = thread_cpu().saturating_sub(before);
        self.due = Instant::now() + self.least.max(cost.saturating_mul(DEAR));
    }
}

/// CPU that this thread has used.
fn thread_cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}
