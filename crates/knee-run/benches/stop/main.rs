//! Requests lost at a stop under load: the example services behind a load balancer (haproxy)
//! which routes on for 3 s after the stop signal, bare and started by knee-run.
//!
//! `cargo bench -p knee-run --bench stop -- [SERVICE ...] [--stops N]`; without arguments all
//! services, 50 stops of each kind, which takes two hours. Lost is what did not end as a whole
//! answer with a status below 400, counted by knee's open-loop generator and by oha side by side.
//! A kind `no stop` shows what the set-up itself loses.

mod balancer;
mod load;
mod service;

use balancer::Balancer;
use load::Lost;
use service::{Kind, Service};
use std::process::ExitCode;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// Stops of each service of each kind.
const STOPS: usize = 50;
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
    match chosen(&words).and_then(|(services, stops)| benchmark(&services, stops)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(words: &[String]) -> Result<(Vec<Service>, usize), Failure> {
    let (mut services, mut stops) = (vec![], STOPS);
    let mut words = words.iter().filter(|word| *word != "--bench");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--stops" => stops = words.next().ok_or("--stops takes a number")?.parse()?,
            name => services.push(Service::named(name)?),
        }
    }
    if services.is_empty() {
        services = Service::ALL.to_vec();
    }
    Ok((services, stops))
}

fn benchmark(services: &[Service], stops: usize) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let _backend = service::backend()?;
    println!("| service | kind | stops | sent | lost | most at one stop | oha: sent | lost |");
    println!("|---|---|---|---|---|---|---|---|");
    for service in services {
        service.prepare(scratch.path())?;
        let mut sums = Kind::ALL.map(|kind| (kind, Sum::default()));
        for round in 0..stops {
            // In turn, so that a slow minute of the machine hits every kind.
            for (kind, sum) in &mut sums {
                sum.add(&stop(service, *kind, scratch.path(), round as u64)?);
            }
        }
        for (kind, sum) in &sums {
            println!("| {service} | {kind} | {stops} | {sum} |");
        }
    }
    Ok(())
}

/// Starts the service and a second one to take over, loads them, and stops the first.
fn stop(
    service: &Service,
    kind: Kind,
    scratch: &std::path::Path,
    seed: u64,
) -> Result<Lost, Failure> {
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
