//! `knee watch`: what is saturated right now, in services that run.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::signals::Signals;
use crate::watch::document::document;
use crate::watch::known::known;
use crate::watch::{live, profile, text};
use clap::Args;
use knee_core::observe::Resource;
use knee_core::{Seconds, Task};
use knee_watch::{Found, Sample, Wanted, Watched, between_looks, find};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks within an interval, at least.
const LOOK: Duration = Duration::from_millis(100);

/// Show what limits a running service now
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee watch                           everything here that is recognised
  knee watch --port 8000               who listens there
  knee watch --pid 4711 --task 0.5,1GB
  knee watch --once --json             one interval, for a script
  knee watch --port 8000 --profile 10s where its CPU goes, as a flame graph

It only reads: nothing is started, stopped or changed. What it cannot see it says, with
the privilege or setting that would show it. With --once it ends with 0 when nothing is at
its limit and with 1 when something is. --profile opens the inspector of a Node.js process,
at 127.0.0.1 and as long as it looks, and asks a Go process at its own net/http/pprof.")]
pub struct Flags {
    /// Watch this process and what descends from it; may be repeated
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Vec<i32>,
    /// Watch who listens on this TCP port; may be repeated
    #[arg(long, value_name = "PORT", conflicts_with = "pid")]
    port: Vec<u16>,
    /// Length of an interval, 100 ms at least
    #[arg(long, value_name = "TIME", default_value = "2s")]
    interval: Seconds,
    /// Size of the task, where it cannot be seen: CPU,MEMORY
    #[arg(long, value_name = "CPU,MEMORY")]
    task: Option<Task>,
    /// One interval, then end
    #[arg(long)]
    once: bool,
    /// Print a JSON document for each interval; its schema is docs/schema/watch-1.json
    #[arg(long)]
    json: bool,
    /// Take a CPU profile of the busiest process of each Node.js and Go service, for 1 s to 300 s, then end
    #[arg(long, value_name = "TIME", conflicts_with_all = ["once", "json", "interval", "task"])]
    profile: Option<Seconds>,
    /// The profile's flame graph, else SERVICE-PID.svg in this folder
    #[arg(long, value_name = "FILE", requires = "profile")]
    svg: Option<PathBuf>,
}

/// Watches until it is told to stop.
pub fn run(flags: &Flags) -> Result<Exit, Failure> {
    let interval = interval(flags.interval)?;
    let signals = Signals::listen()?;
    let found = wanted(flags)?;
    if let Some(length) = flags.profile {
        let asked = profile::Asked { length, file: flags.svg.as_deref() };
        return profile::run(&asked, found, &signals);
    }
    let mut services = begin(found, flags);
    let mut screen = live::Screen::new(!flags.once && !flags.json);
    loop {
        look(&mut services, interval, &signals);
        if let Some(exit) = signals.exit() {
            return Ok(exit);
        }
        services.retain(Watched::lives);
        let samples: Vec<Sample> = services
            .iter_mut()
            .map(|service| {
                service.weigh();
                service.sample()
            })
            .collect();
        if samples.is_empty() {
            return Err(Failure::new(Exit::Nothing, "what was watched has ended"));
        }
        match (flags.json, &mut screen) {
            (true, _) => out::data(&document(&samples)?)?,
            (false, screen) => screen.show(&text::lines(&samples, out::width(), flags.once))?,
        }
        if flags.once {
            return Ok(exit(&samples));
        }
    }
}

fn interval(asked: Seconds) -> Result<Duration, Failure> {
    let least = LOOK.as_secs_f64();
    let interval = Duration::try_from_secs_f64(asked.0).ok().filter(|_| asked.0 >= least);
    interval.ok_or_else(|| {
        Failure::new(Exit::Refused, format!("--interval {asked}: 100 ms is the least"))
    })
}

/// The services that are asked for: one at least.
fn wanted(flags: &Flags) -> Result<Vec<Found>, Failure> {
    let wanted = match (&flags.pid[..], &flags.port[..]) {
        ([], []) => Wanted::All,
        ([], ports) => Wanted::Ports(ports.to_vec()),
        (pids, _) => Wanted::Processes(pids.to_vec()),
    };
    let missing = |what: String| {
        Failure::new(Exit::Nothing, what)
            .remedy("start the service; in a sidecar share the task's processes (pidMode: task)")
    };
    let found = find(&wanted).map_err(|m| missing(m.to_string()))?;
    if found.is_empty() {
        return Err(missing("no service that knee recognises runs here".into()));
    }
    Ok(found)
}

fn begin(found: Vec<Found>, flags: &Flags) -> Vec<Watched> {
    let roots: Vec<i32> = found.iter().map(|found| found.root).collect();
    let begin = |found| Watched::new(known(found, &roots, flags.task));
    found.into_iter().map(begin).collect()
}

/// Looks until the interval is over or somebody asks to stop.
fn look(services: &mut [Watched], interval: Duration, signals: &Signals) {
    let until = Instant::now() + interval;
    for turn in 1u32.. {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || signals.stop().load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(left.min(between_looks(interval, LOOK)));
        for service in services.iter_mut() {
            service.look();
            // A status page costs a pool some tenths of a millisecond.
            if turn.is_multiple_of(5) {
                service.hear();
            }
        }
    }
}

fn exit(samples: &[Sample]) -> Exit {
    let limited = |sample: &Sample| sample.limit.resource != Resource::Unknown;
    if samples.iter().any(limited) { Exit::Unsatisfied } else { Exit::Satisfied }
}
