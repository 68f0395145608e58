//! How near the simulator's quota is to the kernel's: threads that compute and nothing else.
//!
//! `cargo bench -p knee-tune --bench stall -- [--seconds 28]`. In the laboratory's task this program starts itself
//! with 16 threads, which take jobs that are due at independent times and burn a fixed CPU time each, by the
//! thread's own clock. No network, no runtime, no generator: what a job takes longer is waiting for the CPU. The
//! simulator gets the same jobs at the same times, under 20 phases of the quota's period, which is not known.
//! A task without a quota tells what the machine's other work does to such jobs, which no model of a quota knows.

use knee_core::launch::{Container, Environment, Launch};
use knee_core::model::Network;
use knee_core::{Bytes, Task};
use knee_plan::sim::{Arrivals, Class, Clients, Host, Run, Scenario, simulate};
use knee_plan::statistics::median;
use knee_tune::lab::{Lab, LabOptions};
use rustix::time::{ClockId, clock_gettime};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const THREADS: u32 = 16;
const SECONDS: f64 = 28.0;
/// CPU of a job, seconds.
const JOBS: [f64; 2] = [0.002, 0.010];
/// Quotas, and the share of them that is asked for.
const QUOTAS: [f64; 2] = [0.5, 1.0];
const LOADS: [f64; 2] = [0.5, 0.8];
const PHASES: u32 = 20;
const PERIOD: f64 = 0.1;
const READY: Duration = Duration::from_secs(20);
const MEMORY: Bytes = Bytes::mib(1024);
/// The word of the environment by which the program knows that it is the one in the task.
const BURN: &str = "KNEE_STALL_BURN";
const GO: u8 = b'g';

fn main() -> ExitCode {
    if let Ok(asked) = std::env::var(BURN) {
        return told("in the task", burn(&asked));
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benchmarks too: load is not meant there.
    if !args.iter().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let seconds = args.iter().skip_while(|arg| *arg != "--seconds").nth(1);
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(SECONDS);
    told("stall", table(seconds))
}

fn told(what: &str, done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{what}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(seconds: f64) -> Result<(), Failure> {
    let lab = Lab::new(LabOptions::default())?;
    let cores = std::thread::available_parallelism()?.get() as u32;
    println!("| vCPU | CPU of a job | load | measured p99 | forecast, by phase | off |");
    println!("|---|---|---|---|---|---|");
    let mut off = vec![];
    for (quota, load) in QUOTAS.into_iter().flat_map(|q| LOADS.map(|l| (q, l))) {
        for job in JOBS {
            let rate = load * quota / job;
            let error = row(&lab, (quota, cores), job, load, (rate, seconds))?;
            off.push(error.abs());
        }
    }
    for job in JOBS {
        let rate = LOADS[0] * QUOTAS[0] / job;
        row(&lab, (f64::from(cores), cores), job, rate * job / f64::from(cores), (rate, seconds))?;
    }
    let middle = median(&off).unwrap_or_default();
    println!("\np99 under the quotas: {:.0} % off in the median", 100.0 * middle);
    Ok(())
}

/// A cell: forecast over measured, less 1.
fn row(
    lab: &Lab,
    (quota, cores): (f64, u32),
    job: f64,
    load: f64,
    (rate, seconds): (f64, f64),
) -> Result<f64, Failure> {
    let mut jobs = measure(lab, Task { cpu: quota, memory: MEMORY }, job, rate, seconds)?;
    let due: Vec<f64> = jobs.iter().map(|(due, _)| *due).collect();
    jobs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let measured = jobs[(0.99 * jobs.len() as f64) as usize].1;
    let host = Host { quota, ..Host::task(quota, cores) };
    let mut said: Vec<f64> =
        (0..PHASES).map(|phase| forecast(host, job, &due, f64::from(phase))).collect();
    said.sort_by(f64::total_cmp);
    let middle = median(&said).unwrap_or(f64::INFINITY);
    println!(
        "| {quota} | {:.0} ms | {:.0} % | {:.1} ms | {:.1} ms ({:.1} to {:.1}) | {:+.0} % |",
        1e3 * job,
        100.0 * load,
        1e3 * measured,
        1e3 * middle,
        1e3 * said[0],
        1e3 * said[said.len() - 1],
        100.0 * (middle / measured - 1.0)
    );
    Ok(middle / measured - 1.0)
}

fn forecast(host: Host, job: f64, due: &[f64], phase: f64) -> f64 {
    let shift = phase / f64::from(PHASES) * PERIOD;
    let scenario = Scenario {
        network: Network::workers(THREADS, 1 << 30),
        host,
        classes: vec![Class::constant(job, 0.0)],
        arrivals: Arrivals::Recorded(due.iter().map(|at| at + shift).collect()),
        clients: Clients::PATIENT,
        connections: None,
        start: 0.0,
        wake: 0.0,
        collector: None,
    };
    let run = Run { requests: due.len() as u64, warm_up: 0, seed: 1, give_up: None };
    simulate(&scenario, &run).quantile(0.99)
}

/// Jobs in a task: when each was due, seconds from the start, and how much later it was done.
fn measure(
    lab: &Lab,
    task: Task,
    job: f64,
    rate: f64,
    seconds: f64,
) -> Result<Vec<(f64, f64)>, Failure> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut env = Environment::default();
    env.set(BURN, format!("{port} {job} {rate} {seconds}"));
    let program = std::env::current_exe()?.display().to_string();
    let container = Container {
        name: "jobs".into(),
        argv: vec![program],
        workdir: "/".into(),
        env,
        nofile: None,
    };
    let running = lab.start(&Launch {
        task,
        containers: vec![container],
        binds: vec![],
        files: vec![],
        asks: vec![],
    })?;
    running.wait_ready(Some(port), None, READY, &|| false)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(&[GO])?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    running.stop()?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let jobs: Vec<(f64, f64)> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    if jobs.is_empty() { Err("the task answered nothing".into()) } else { Ok(jobs) }
}

/// What runs in the task: waits to be told, does the jobs, answers with what they took.
fn burn(asked: &str) -> Result<(), Failure> {
    let words: Vec<f64> = asked.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [port, job, rate, seconds] = words[..] else { return Err("four numbers".into()) };
    let listener = TcpListener::bind(("127.0.0.1", port as u16))?;
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut word = [0];
        // Whoever only looks whether the port is open says nothing.
        if stream.read(&mut word)? == 1 && word[0] == GO {
            let lines = work(job, &places(rate, seconds));
            return Ok(stream.write_all(lines.as_bytes())?);
        }
    }
}

/// Independent times at so many a second, the same in every run: a linear congruential generator with the
/// constants of Knuth's MMIX draws them.
fn places(rate: f64, seconds: f64) -> Vec<f64> {
    let (mut state, mut at, mut all) = (1u64, 0.0, vec![]);
    while at < seconds {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        at += -uniform.ln() / rate;
        all.push(at);
    }
    all
}

fn work(job: f64, due: &[f64]) -> String {
    let (began, next) = (Instant::now() + Duration::from_millis(200), AtomicUsize::new(0));
    let thread = || {
        let mut done = vec![];
        while let Some(at) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
            let due = began + Duration::from_secs_f64(*at);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let from = cpu();
            while cpu() - from < job {}
            done.push((*at, due.elapsed().as_secs_f64()));
        }
        done
    };
    let mut all: Vec<(f64, f64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    });
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.iter().map(|(at, took)| format!("{at} {took}\n")).collect()
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
