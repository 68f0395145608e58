//! How fast the simulator is: events per second of CPU on one core, and against Ciw on the same
//! model in the same run.
//!
//! Times are CPU times, which what else the machine does disturbs least. The simulator and Ciw
//! take turns; the spread over the rounds is printed.

use knee_core::model::Network;
use knee_core::profile::{self, Demand, Estimate, Memory, Profile, Residual, Shape, Version};
use knee_core::runtimes::Surroundings;
use knee_core::{Goal, Settings, Task};
use knee_plan::closed::mmc::Mmc;
use knee_plan::forecast::{Effort, Traffic};
use knee_plan::plan::{Growth, Request, plan};
use knee_plan::prices::Prices;
use knee_plan::sim::{Arrivals, Class, Clients, Host, Run, Scenario, simulate};
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROUNDS: u64 = 7;
const REQUESTS: u64 = 2_000_000;
const CIW_CUSTOMERS: u64 = 20_000;
const CIW: &str = "ciw==3.2.7";
const MODEL: Mmc = Mmc { servers: 8, rate: 640.0, holding: 0.010 };

fn main() {
    // `cargo test` runs benchmarks too, to see that they do.
    let benchmark = std::env::args().any(|a| a == "--bench");
    let python = if benchmark { ciw() } else { None };
    let (rounds, requests) = if benchmark { (ROUNDS, REQUESTS) } else { (1, 10_000) };
    let (mut own, mut ciw, mut ratios) = (vec![], vec![], vec![]);
    for seed in 1..=rounds {
        let rate = events_per_second(requests, seed);
        own.push(rate / 1e6);
        if let Some(python) = &python {
            let other = ciw_events_per_second(python, seed);
            ciw.push(other / 1e3);
            ratios.push(rate / other);
        }
    }
    let mut plans: Vec<f64> = (1..=rounds.min(3)).map(full_plan).collect();
    say("M/M/8, million events/s on one core", &mut own, 1);
    if let Some(python) = &python {
        say(&format!("M/M/8, thousand events/s of Ciw under {}", version(python)), &mut ciw, 0);
        say("M/M/8, times as many events/s as Ciw", &mut ratios, 0);
    }
    say("a plan of every Fargate size for 2,000 requests/s, CPU seconds", &mut plans, 2);
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn events_per_second(requests: u64, seed: u64) -> f64 {
    let scenario = Scenario {
        network: Network::workers(MODEL.servers, 1 << 30),
        host: Host::task(1.0, 1),
        classes: vec![Class::new((0.0, Shape::Constant), (MODEL.holding, Shape::Exponential))],
        arrivals: Arrivals::Poisson(MODEL.rate),
        clients: Clients::PATIENT,
        connections: None,
        start: 0.0,
        wake: 0.0,
        collector: None,
    };
    let began = cpu();
    let outcome = simulate(&scenario, &Run::of(requests, seed));
    let seconds = cpu() - began;
    right(outcome.mean());
    outcome.events as f64 / seconds
}

/// CPU seconds of a plan over all Fargate sizes and 144 settings of gunicorn.
fn full_plan(seed: u64) -> f64 {
    let profile = profile();
    let prices = Prices::shipped();
    let request = Request {
        profile: &profile,
        candidates: &candidates,
        sizes: Task::fargate_sizes(),
        rate: 2_000.0,
        goal: Goal::default(),
        memory_free: 0.1,
        growth: Growth::default(),
        prices: &prices,
        at_least: 2,
        connections: None,
        traffic: Traffic::default(),
        speed: 1.0,
        effort: Effort { seed, ..Effort::FULL },
    };
    let began = cpu();
    let plan = plan(&request);
    let seconds = cpu() - began;
    assert!(plan.choices.len() + plan.unfit.len() == request.sizes.len());
    assert!(plan.choices[0].tasks_between.0 > 2, "{:?}", plan.choices[0]);
    seconds
}

fn candidates(_: &Surroundings) -> Vec<Settings> {
    let ladder = [1i64, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
    let one = |class: &'static str, workers: i64, threads: i64| {
        let settings = Settings::default().with("worker-class", class);
        settings.with("workers", workers).with("threads", threads)
    };
    let sync = ladder.into_iter().map(|n| one("sync", n, 1));
    let threads =
        ladder.into_iter().flat_map(|n| ladder[1..].iter().map(move |t| one("gthread", n, *t)));
    sync.chain(threads).collect()
}

/// A service of the kind that the examples are: 4 ms of CPU and 25 ms of waiting, each with a tail.
fn profile() -> Profile {
    let shape = Shape::through(&[(0.0, 0.7), (0.5, 0.95), (0.9, 1.3), (0.99, 2.5), (1.0, 6.0)]);
    let time = |mean: f64| Demand {
        mean: Estimate::assumed(mean, 0.05 * mean, "benchmark"),
        shape: shape.clone(),
    };
    let value = |value: f64| Estimate::assumed(value, 0.1 * value, "benchmark");
    Profile {
        version: Version,
        service: "orders".into(),
        runtime: "gunicorn".into(),
        classes: vec![profile::Class {
            name: "GET /orders".into(),
            weight: 1.0,
            cpu: time(0.004),
            wait: time(0.025),
            blocking: Demand::none(),
            offloaded: Demand::none(),
            calls: 1,
        }],
        background: value(0.005),
        contention: value(0.1),
        crowding: value(0.0),
        wake: value(0.0),
        memory: Memory { shared: value(60e6), per_process: value(45e6), per_request: value(0.0) },
        start: value(0.5),
        heap: None,
        residual: Residual::default(),
        measured: None,
    }
}

/// A benchmark of the wrong model is none.
fn right(mean: f64) {
    assert!((mean / MODEL.mean() - 1.0).abs() < 0.15, "{mean}, not {}", MODEL.mean());
}

fn ciw_events_per_second(python: &Path, seed: u64) -> f64 {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mm8.py");
    let out = Command::new(python)
        .arg(script)
        .args([CIW_CUSTOMERS.to_string(), seed.to_string()])
        .output()
        .expect("the interpreter of the environment starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [events, seconds, mean] = numbers[..] else {
        panic!("Ciw said `{text}`: {}", String::from_utf8_lossy(&out.stderr));
    };
    right(mean);
    events / seconds
}

/// The interpreter and how it was built, which is half of how fast Ciw is.
fn version(python: &Path) -> String {
    let ask = "import sys, sysconfig as c; o = c.get_config_var('CONFIG_ARGS') or ''; \
               print('Python', sys.version.split()[0], *(w for w in ('optimizations', 'lto', 'shared') if w in o))";
    let out = Command::new(python).args(["-c", ask]).output();
    out.map_or(String::new(), |out| String::from_utf8_lossy(&out.stdout).trim().to_string())
}

/// The interpreter of an environment below `target` that holds Ciw; None, with the reason on
/// standard error, where there is none and none can be made.
fn ciw() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ciw");
    let python = folder.join("bin/python");
    let done = |command: &mut Command| command.status().is_ok_and(|s| s.success());
    let there =
        done(Command::new(&python).args(["-c", "import ciw"]).stderr(std::process::Stdio::null()));
    let made = there
        || done(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && done(Command::new(&python).args(["-m", "pip", "install", "--quiet", CIW]));
    if !made {
        eprintln!("Ciw is not compared: `python3 -m venv` or `pip install {CIW}` failed");
    }
    made.then_some(python)
}

/// Median, and least and most over the rounds.
fn say(what: &str, values: &mut [f64], digits: usize) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    let middle = values[values.len() / 2];
    println!(
        "{what}: {middle:.digits$} ({least:.digits$} to {most:.digits$}, {} rounds)",
        values.len()
    );
}
