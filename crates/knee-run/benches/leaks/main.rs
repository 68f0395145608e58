//! Leaks of real services, found by knee-run under load that comes and goes, and healthy services of which it says
//! nothing: fifty times as fast as life, by samples every 100 ms in place of 5 s.
//!
//! `cargo bench -p knee-run --bench leaks -- [SERVICE ...]`; all services without a name. First all healthy ones beside
//! each other for what stands for two hours, then each leak, three at once. It ends with 1 where one is not found before a fifth
//! of its head-room is gone, or something is told of a healthy one.

mod load;
mod service;

use serde_json::Value;
use service::{Leak, Running};
use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const SERVICES: [&str; 3] = ["gunicorn", "node", "go"];
/// Two hours, fifty times as fast.
const HEALTHY: Duration = Duration::from_secs(144);
/// Within that a leak has to be told.
const FOUND: Duration = Duration::from_secs(120);
/// Share of the head-room that may be gone by then, per cent.
const GONE: f64 = 20.0;
const AT_ONCE: usize = 3;

const MEMORY: Leak = Leak { what: "memory", amount: 50_000, kind: "memory_leak" };
const DESCRIPTOR: Leak = Leak { what: "descriptor", amount: 1, kind: "descriptor_leak" };
const GOROUTINE: Leak = Leak { what: "goroutine", amount: 10, kind: "goroutine_leak" };
const TIMER: Leak = Leak { what: "timer", amount: 12, kind: "event_loop_drift" };

/// Kinds that are a false alarm where nothing leaks.
const LEAKS: [&str; 5] =
    ["memory_leak", "descriptor_leak", "goroutine_leak", "event_loop_drift", "opcache_waste"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benchmarks too: load is not meant there.
    if !words.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    match chosen(&words).and_then(|services| benchmark(&services)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("leaks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(words: &[String]) -> Result<Vec<&'static str>, Failure> {
    let mut services = vec![];
    for word in words.iter().filter(|word| *word != "--bench") {
        let known = SERVICES.into_iter().find(|service| service == word);
        services
            .push(known.ok_or(format!("no service `{word}`; there are {}", SERVICES.join(", ")))?);
    }
    Ok(if services.is_empty() { SERVICES.into() } else { services })
}

/// One run.
type Case = (&'static str, Option<Leak>);

fn benchmark(services: &[&'static str]) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    service::prepare(folder.path())?;
    println!("| service | left by each request | told | after | of the head-room | requests |");
    println!("|---|---|---|---|---|---|");
    let healthy: Vec<Case> = services.iter().map(|service| (*service, None)).collect();
    let leaking = services.iter().flat_map(|service| {
        let own: &[Leak] = match *service {
            "node" => &[MEMORY, DESCRIPTOR, TIMER],
            "go" => &[MEMORY, DESCRIPTOR, GOROUTINE],
            _ => &[MEMORY, DESCRIPTOR],
        };
        own.iter().map(|leak| (*service, Some(*leak)))
    });
    let quiet = all(healthy, folder.path())?;
    Ok(all(leaking.collect(), folder.path())? && quiet)
}

/// Some of them at once; whether all went as it has to.
fn all(cases: Vec<Case>, folder: &Path) -> Result<bool, Failure> {
    let queue = Mutex::new(VecDeque::from(cases));
    let next = || queue.lock().map_err(|e| e.to_string()).map(|mut queue| queue.pop_front());
    let lane = || -> Result<bool, String> {
        let mut good = true;
        while let Some((service, leak)) = next()? {
            good &= one(service, leak, folder).map_err(|error| error.to_string())?;
        }
        Ok(good)
    };
    let ends = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(lane)).collect();
        let ends = lanes.into_iter().map(|lane| lane.join().map_err(|_| "a lane panicked")?);
        ends.collect::<Result<Vec<bool>, String>>()
    })?;
    Ok(ends.into_iter().all(|good| good))
}

/// Runs it under load until the leak is told or the time is over, and prints its line.
fn one(service: &'static str, leak: Option<Leak>, folder: &Path) -> Result<bool, Failure> {
    let running = Running::start(service, leak, folder)?;
    let (stop, began) = (AtomicBool::new(false), Instant::now());
    let until = began + leak.map_or(HEALTHY, |_| FOUND);
    let wanted = |event: &Value| match leak {
        Some(leak) => event["kind"] == leak.kind,
        None => LEAKS.iter().any(|kind| event["kind"] == *kind),
    };
    let (answered, told) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load::on(running.port, service.len() as u64, &stop));
        let told = first(&running, until, &wanted);
        let after = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        (load.join().unwrap_or(0), told.map(|event| (event, after)))
    });
    let left = leak.map_or("nothing".into(), |leak| format!("{} × {}", leak.amount, leak.what));
    let Some((event, after)) = told else {
        println!("| {service} | {left} | – | – | – | {answered} |");
        return Ok(leak.is_none());
    };
    let kind = event["kind"].as_str().unwrap_or_default();
    let gone = gone(&event);
    let shown = gone.map_or("–".into(), |gone| format!("{gone:.0} %"));
    let after = after.as_secs();
    println!("| {service} | {left} | {kind} | {after} s | {shown} | {answered} |");
    Ok(leak.is_some() && gone.is_some_and(|gone| gone < GONE))
}

fn first(running: &Running, until: Instant, wanted: &dyn Fn(&Value) -> bool) -> Option<Value> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match running.told.recv_timeout(left) {
            Ok(event) if wanted(&event) => return Some(event),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// Share of its head-room that a trouble says is gone, per cent.
fn gone(event: &Value) -> Option<f64> {
    let (before, _) = event["evidence"].as_str()?.split_once(" % of its head-room")?;
    before.rsplit(' ').next()?.parse().ok()
}
