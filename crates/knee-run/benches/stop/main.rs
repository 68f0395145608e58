//! Requests lost at a stop under load: the example services behind a load balancer (haproxy)
//! which routes on for 3 s after the stop signal, bare and started by knee-run.
//!
//! `cargo bench -p knee-run --bench stop -- [SERVICE ...] [--stops N] [--at-once 4]`; without arguments all
//! services, 50 stops of each kind, which takes half an hour. Lost is what did not end as a whole
//! answer with a status below 400, counted by knee's open-loop generator and by oha side by side.
//! A kind `no stop`, a fifth as often, shows what the set-up itself loses. Several stops are made
//! at once, each with a balancer and services of its own: what is counted is no time.

#[path = "../../../../examples/backend/process.rs"]
mod backend;
mod balancer;
mod load;
mod service;

use balancer::Balancer;
use load::Lost;
use service::{Kind, Service};
use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// Stops of each service of each kind.
const STOPS: usize = 50;
/// Stops at once.
const AT_ONCE: usize = 4;
/// Stops for each one of the kind without.
const CONTROLS: usize = 5;
/// From the beginning of load to the stop signal.
const BEFORE: Duration = Duration::from_secs(1);
/// How long the load balancer routes on after it.
const ROUTED: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benchmarks too: load is not meant there.
    if !words.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    match Chosen::of(&words).and_then(|chosen| benchmark(&chosen)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stop: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Chosen {
    services: Vec<Service>,
    stops: usize,
    at_once: usize,
}

impl Chosen {
    fn of(words: &[String]) -> Result<Chosen, Failure> {
        let mut chosen = Chosen { services: vec![], stops: STOPS, at_once: AT_ONCE };
        let mut words = words.iter().filter(|word| *word != "--bench");
        while let Some(word) = words.next() {
            let mut number =
                || Ok::<usize, Failure>(words.next().ok_or("a number is missing")?.parse()?);
            match word.as_str() {
                "--stops" => chosen.stops = number()?,
                "--at-once" => chosen.at_once = number()?.max(1),
                name => chosen.services.push(Service::named(name)?),
            }
        }
        if chosen.services.is_empty() {
            chosen.services = Service::ALL.to_vec();
        }
        Ok(chosen)
    }
}

fn benchmark(chosen: &Chosen) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    // Whoever FPM and nginx run as has to reach what lies below.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    let _backend = backend::Backend::start()?;
    println!("| service | kind | stops | sent | lost | most at one stop | oha: sent | lost |");
    println!("|---|---|---|---|---|---|---|---|");
    for service in &chosen.services {
        for (kind, stops, sum) in stops(service, chosen, scratch.path())? {
            println!("| {service} | {kind} | {stops} | {sum} |");
        }
    }
    Ok(())
}

/// All stops of a service, several at once.
fn stops(
    service: &Service,
    chosen: &Chosen,
    scratch: &Path,
) -> Result<Vec<(Kind, usize, Sum)>, Failure> {
    // In turn, so that a slow minute of the machine hits every kind.
    let due = |(kind, round): &(Kind, usize)| *kind != Kind::NoStop || round % CONTROLS == 0;
    let all = (0..chosen.stops).flat_map(|round| Kind::ALL.map(|kind| (kind, round)));
    let queue: Mutex<VecDeque<(Kind, usize)>> = Mutex::new(all.filter(due).collect());
    let next = || queue.lock().map(|mut queue| queue.pop_front()).map_err(|e| e.to_string());
    let lane = |lane: usize| -> Result<Vec<(Kind, Lost)>, String> {
        let own = scratch.join(format!("{service}-{lane}"));
        let words = |error: Failure| error.to_string();
        fs::create_dir_all(&own).map_err(|error| error.to_string())?;
        service.prepare(&own).map_err(words)?;
        let mut seen = vec![];
        while let Some((kind, round)) = next()? {
            seen.push((kind, stop(service, kind, &own, round as u64).map_err(words)?));
        }
        Ok(seen)
    };
    let lane = &lane;
    let seen = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..chosen.at_once).map(|n| scope.spawn(move || lane(n))).collect();
        let ends = lanes.into_iter().map(|lane| lane.join().map_err(|_| "a lane panicked")?);
        ends.collect::<Result<Vec<_>, String>>()
    })?;
    let seen: Vec<(Kind, Lost)> = seen.into_iter().flatten().collect();
    let of = |kind: Kind| {
        let mut sum = Sum::default();
        let own: Vec<&Lost> =
            seen.iter().filter(|(k, _)| *k == kind).map(|(_, lost)| lost).collect();
        own.iter().for_each(|lost| sum.add(lost));
        (kind, own.len(), sum)
    };
    Ok(Kind::ALL.map(of).into())
}

/// Starts the service and a second one to take over, loads them, and stops the first.
fn stop(service: &Service, kind: Kind, scratch: &Path, seed: u64) -> Result<Lost, Failure> {
    let mut old = service.start(kind, scratch, "old")?;
    let new = service.start(Kind::Bare, scratch, "new")?;
    let balancer = Balancer::start(scratch, old.port, new.port)?;
    let load = load::begin(balancer.port, seed)?;
    std::thread::sleep(BEFORE);
    if kind != Kind::NoStop {
        old.signal();
        std::thread::sleep(ROUTED);
        balancer.drain_old()?;
    }
    load.end()
}

/// Of all stops of a kind.
#[derive(Default)]
struct Sum {
    all: Lost,
    worst: u64,
}

impl Sum {
    fn add(&mut self, lost: &Lost) {
        self.worst = self.worst.max(lost.lost);
        self.all.sent += lost.sent;
        self.all.lost += lost.lost;
        self.all.peer = match (self.all.peer, lost.peer) {
            (Some(a), Some(b)) => Some((a.0 + b.0, a.1 + b.1)),
            (sum, one) => sum.or(one),
        };
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} | {} | {} | ", self.all.sent, self.all.lost, self.worst)?;
        match self.all.peer {
            Some((sent, lost)) => write!(f, "{sent} | {lost}"),
            None => write!(f, "– | –"),
        }
    }
}
