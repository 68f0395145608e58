//! What observing costs a service: its capacity and its CPU per request with and without.
//!
//! `cargo bench -p knee-tune --bench observer -- [--rounds 16] [gunicorn|node]`; both without a name. Each round starts
//! the example twice in the laboratory, once as it is and once told to tell of itself and watched as `knee tune` does,
//! in alternating order, and offers more than it can take. The request is the cheapest that the example has, so that
//! what is spent on each weighs most. Ratios are of the two in the same round: what the machine does to both is in neither.

use knee_core::launch::Launch;
use knee_core::runtimes;
use knee_core::settings::Site;
use knee_core::workload::Request;
use knee_core::{Bytes, Goal, Task};
use knee_files::Overrides;
use knee_measure::observer::Observer;
use knee_measure::{Generator, GeneratorOptions, Pace, Target};
use knee_tune::lab::{Lab, LabOptions, Running};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

const EXAMPLES: [&str; 2] = ["gunicorn", "node"];
const REQUEST: &str = "/health";
const TASK: Task = Task { cpu: 0.5, memory: Bytes::mib(1024) };
const ROUNDS: usize = 16;
const SECONDS: f64 = 4.0;
const WARM_UP: f64 = 2.0;
/// The pace of `knee tune`.
const LOOK: Duration = Duration::from_millis(100);
const READY: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 64;
/// How much more than it made before is offered, so that it is always behind.
const AHEAD: f64 = 1.2;

static NEVER: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benchmarks too: load is not meant there.
    if !args.iter().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    match benchmarks(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("observer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn benchmarks(args: &[String]) -> Result<(), Failure> {
    let rounds = args.iter().skip_while(|arg| *arg != "--rounds").nth(1);
    let rounds = rounds.map_or(Ok(ROUNDS), |n| n.parse())?;
    let named = |example: &&str| args.iter().any(|arg| arg == example);
    let chosen: Vec<_> = EXAMPLES.into_iter().filter(named).collect();
    let lab = Lab::new(LabOptions::default())?;
    println!(
        "| service | observed over not: capacity | CPU per request | the observer's own CPU |"
    );
    println!("|---|---|---|---|");
    for example in if chosen.is_empty() { EXAMPLES.to_vec() } else { chosen } {
        compare(&lab, example, rounds)?;
    }
    Ok(())
}

/// What a service did in one step.
struct Seen {
    /// Requests/s.
    rate: f64,
    /// CPU of its task for each, seconds.
    cpu: f64,
    /// CPU of the observer, cores.
    observer: f64,
}

fn compare(lab: &Lab, example: &str, rounds: usize) -> Result<(), Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let service = knee_files::discover(&folder, &Overrides::default())?.service;
    let telling = knee_files::launch(&service, &service.current(), TASK)?;
    let plain = silent(&telling)?;
    let port = service.port.as_ref().map(|port| port.value);
    let mut most = 0.0;
    let (mut capacity, mut cpu, mut own) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        let mut seen = |observed: bool| {
            let launch = if observed { &telling } else { &plain };
            let running = lab.start(launch)?;
            let port = running.wait_ready(port, Some(REQUEST), READY, &|| false)?;
            let seen = measure(&running, port, &mut most, observed);
            running.stop()?;
            seen
        };
        let (without, with) = match round % 2 {
            0 => (seen(false)?, seen(true)?),
            _ => {
                let with = seen(true)?;
                (seen(false)?, with)
            }
        };
        capacity.push(with.rate / without.rate);
        cpu.push(with.cpu / without.cpu);
        own.push(with.observer);
    }
    println!(
        "| {example}, {most:.0} requests/s at most | {} | {} | {} cores |",
        middle(capacity),
        middle(cpu),
        middle(own)
    );
    Ok(())
}

/// The same service without what makes it tell of itself.
fn silent(telling: &Launch) -> Result<Launch, Failure> {
    let mut plain = telling.clone();
    for ask in plain.asks.drain(..) {
        let injection = runtimes::by_id(ask.runtime).and_then(|runtime| (runtime.inject)());
        for (site, _) in injection.into_iter().flat_map(|injection| injection.entries) {
            let Site::Environment { name } = site else {
                return Err(format!("{}: is not silenced by its environment", ask.runtime).into());
            };
            plain.containers.iter_mut().for_each(|c| c.env.0.retain(|(n, _)| *n != name));
        }
    }
    Ok(plain)
}

fn measure(running: &Running, port: u16, most: &mut f64, observed: bool) -> Result<Seen, Failure> {
    let target = Target { addr: SocketAddr::from(([127, 0, 0, 1], port)), host: "bench".into() };
    let options = GeneratorOptions { max_connections: CONNECTIONS, ..Default::default() };
    let mut generator = Generator::new(target, vec![Request::get(REQUEST)], options)?;
    let goal: Goal = "p99<3600s".parse()?;
    let mut step = |rate: f64, seconds: f64| {
        let step = generator.step(&Pace::Constant { rate }, seconds, 0.0, &goal, &NEVER)?;
        match step.counts.failed() {
            0 => Ok(step),
            _ => Err(Failure::from(format!("requests failed: {:?}", step.counts))),
        }
    };
    if *most == 0.0 {
        let mut rate = 50.0;
        while *most >= 0.9 * rate || *most == 0.0 {
            rate *= 2.0;
            *most = step(rate, 1.0)?.throughput;
        }
    }
    step(*most, WARM_UP)?;
    let observer = observed.then(|| Observer::start(running.subject(), LOOK));
    let mark = observer.as_ref().map(Observer::mark);
    let task = running.subject().group.ok_or("the laboratory has no cgroup")?;
    let before = task.cpu()?.used;
    let step = step(AHEAD * *most, SECONDS)?;
    let used = task.cpu()?.used - before;
    if let (Some(observer), Some(mark)) = (&observer, mark) {
        observer.usage_since(mark);
    }
    *most = most.max(step.throughput);
    Ok(Seen {
        rate: step.throughput,
        cpu: used / step.counts.due() as f64,
        observer: observer.map_or(0.0, |o| o.cost().as_secs_f64()) / SECONDS,
    })
}

/// The median and the middle half.
fn middle(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    format!("{:.3} ({:.3} to {:.3})", at(0.5), at(0.25), at(0.75))
}
