//! The load generator against peers and bounds named in the same run.
//!
//! `cargo bench -p knee-measure --bench generator -- [peak|stall|lateness|connections ...]`;
//! without arguments all four, which takes about five minutes. The generator has the first core
//! and its target the second, on an otherwise idle machine. Needs nginx and, to be compared with,
//! wrk and oha; `WRK2=<program>` adds wrk2 where there is one.

mod connections;
mod lateness;
mod nginx;
mod peak;
mod peers;
mod rounds;
mod server;
mod stall;

use knee_core::Goal;
use knee_core::workload::Request;
use knee_measure::{Generator, GeneratorOptions, MeasureError, Target};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

type Failure = Box<dyn std::error::Error>;

/// The core of whatever makes load, and that of what answers.
const CLIENT: usize = 0;
const TARGET: usize = 1;

static NEVER: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words[..] {
        // Parts of a benchmark that need a process of their own.
        ["serve", manner] => server::serve(manner),
        ["load", addr] => connections::load(addr),
        // `cargo test --all-targets` starts benchmarks too: load is not meant there.
        _ if !words.contains(&"--bench") => Ok(()),
        _ => benchmarks(words.into_iter().filter(|w| *w != "--bench").collect()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn benchmarks(mut chosen: Vec<&str>) -> Result<(), Failure> {
    if chosen.is_empty() {
        chosen = vec!["peak", "lateness", "stall", "connections"];
    }
    if std::thread::available_parallelism()?.get() < 2 {
        return Err("two CPUs are needed, one for the load and one for its target".into());
    }
    stay_on(CLIENT)?;
    for name in chosen {
        match name {
            "peak" => peak::run()?,
            "lateness" => lateness::run()?,
            "stall" => stall::run()?,
            "connections" => connections::run()?,
            other => return Err(format!("no benchmark `{other}`").into()),
        }
    }
    Ok(())
}

/// Keeps this thread, and what it starts, on one CPU.
fn stay_on(cpu: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

fn generator(addr: SocketAddr, connections: usize) -> Result<Generator, MeasureError> {
    let target = Target { addr, host: addr.to_string() };
    let options = GeneratorOptions { max_connections: connections, ..GeneratorOptions::default() };
    Generator::new(target, vec![Request::get("/")], options)
}

/// A goal that neither ends a step early nor lets a request time out.
fn no_goal() -> Goal {
    "p99<3600s".parse().expect("a goal as a user writes it")
}
