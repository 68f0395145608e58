//! Landscapes as real services show them: what each setting carries, with the traits that the
//! model of the search does not know.
//!
//! The traits were measured on the real runtimes: more event loops than CPUs lose up to a
//! third, threads under a GIL get in each other's way, more GOMAXPROCS than the quota cost a
//! program that allocates, a pool beyond the knee costs nothing but memory, and memory ends at
//! a cliff. What the search is told of CPU, waiting and memory is off by a calibration's error.

use crate::chance::Chance;
use knee_core::model::{Concurrency, Serial};
use knee_core::profile::{self, Class, Estimate, Measured, Profile, Shape, Version};
use knee_core::runtimes::{self, Heap, Surroundings};
use knee_core::service::{Part, Place, PlacedKnob, Service, ServiceContainer};
use knee_core::settings::{Effect, Range, Site};
use knee_core::{Bytes, Goal, Knob, Settings, Sourced, Task, Value};
use knee_plan::Demand;
use knee_plan::closed::erlang;
use knee_plan::{fit, forecast as plan};
use knee_tune::prior;
use knee_tune::space::{Candidate, Searched, candidates};
use knee_tune::strategy::{Memory, Problem};

/// Relative standard deviation of a measured capacity.
pub const NOISE: f64 = 0.04;
const MIB: f64 = (1 << 20) as f64;

/// A program that knee knows nothing of, with a knob that its user named.
const UNKNOWN: &str = "generic";
const WORKERS: &str = "WORKERS";

/// A service with a truth that the search does not know.
#[derive(Clone)]
pub struct Landscape {
    pub name: String,
    /// What the search is told.
    pub problem: Problem,
    /// What each candidate carries, requests/s; None where it does not fit.
    pub truth: Vec<Option<f64>>,
    /// What each candidate takes, bytes.
    pub memory: Vec<f64>,
    /// What the simulator is told; None where no model fits.
    pub model: Option<(Profile, plan::Place)>,
}

impl Landscape {
    /// The best of the exhaustive grid.
    pub fn best(&self) -> f64 {
        self.truth.iter().flatten().copied().fold(0.0, f64::max)
    }

    /// Gives every candidate the simulator's forecast.
    pub fn forecast(&mut self) {
        if let Some((profile, place)) = &self.model {
            prior::forecast(&mut self.problem.candidates, profile, *place, &self.problem.goal);
        }
    }

    pub fn index(&self, settings: &Settings) -> usize {
        self.problem.candidates.iter().position(|c| c.settings == *settings).unwrap()
    }
}

/// A runtime with today's settings.
struct Kind {
    name: &'static str,
    runtime: &'static str,
    today: &'static [(&'static str, i64)],
    class: Option<(&'static str, &'static str)>,
    /// Most that crowding costs per e-fold of processes (or threads) beyond the CPUs.
    crowding: f64,
    /// Memory of the task and of one process, MiB.
    memory: (u64, f64),
}

const LOOP: Option<(&str, &str)> = Some(("worker-class", "uvicorn_worker.UvicornWorker"));
const SYNC: Option<(&str, &str)> = Some(("worker-class", "sync"));
const DYNAMIC: Option<(&str, &str)> = Some(("pm", "dynamic"));

#[rustfmt::skip]
const KINDS: [Kind; 10] = [
    Kind { name: "gunicorn", runtime: "gunicorn", today: &[("workers", 5), ("threads", 1)], class: SYNC, crowding: 0.06, memory: (1024, 30.0) },
    Kind { name: "gunicorn, 1 worker", runtime: "gunicorn", today: &[("workers", 1), ("threads", 1)], class: SYNC, crowding: 0.06, memory: (1024, 30.0) },
    Kind { name: "gunicorn, heavy", runtime: "gunicorn", today: &[("workers", 3), ("threads", 1)], class: SYNC, crowding: 0.06, memory: (512, 70.0) },
    Kind { name: "uvicorn", runtime: "gunicorn", today: &[("workers", 5)], class: LOOP, crowding: 0.25, memory: (1024, 35.0) },
    Kind { name: "node", runtime: "node", today: &[("WEB_CONCURRENCY", 1)], class: None, crowding: 0.25, memory: (1024, 55.0) },
    Kind { name: "node, cluster of 4", runtime: "node", today: &[("WEB_CONCURRENCY", 4)], class: None, crowding: 0.25, memory: (1024, 55.0) },
    Kind { name: "go", runtime: "go", today: &[("GOMAXPROCS", 2), ("GOGC", 100), ("GOMEMLIMIT", 512)], class: None, crowding: 0.3, memory: (512, 20.0) },
    Kind { name: "php-fpm", runtime: "php-fpm", today: &[("pm.max_children", 5)], class: DYNAMIC, crowding: 0.04, memory: (1024, 10.0) },
    Kind { name: "unknown program", runtime: UNKNOWN, today: &[(WORKERS, 2)], class: None, crowding: 0.06, memory: (1024, 30.0) },
    Kind { name: "php-fpm, heavy", runtime: "php-fpm", today: &[("pm.max_children", 5)], class: DYNAMIC, crowding: 0.04, memory: (512, 34.0) },
];

/// CPU and waiting of one request, seconds.
const MIXES: [(&str, f64, f64); 3] =
    [("CPU-heavy", 0.016, 0.002), ("mixed", 0.0036, 0.020), ("wait-heavy", 0.0008, 0.050)];

/// Every runtime with every mix in tasks of 0.5 and 1 vCPU, each drawn anew by the seed.
pub fn all(seed: u64) -> Vec<Landscape> {
    let mut drawn = vec![];
    for (k, kind) in KINDS.iter().enumerate() {
        for (m, mix) in MIXES.iter().enumerate() {
            for (q, task_cpu) in [0.5, 1.0].into_iter().enumerate() {
                let number = seed * 1000 + (k * 6 + m * 2 + q) as u64;
                drawn.push(landscape(kind, *mix, task_cpu, &mut Chance::new(number)));
            }
        }
    }
    drawn
}

/// What a service is like that no model knows.
struct Traits {
    demand: Demand,
    crowding: f64,
    /// What each e-fold of threads in a process costs under the GIL.
    switching: f64,
    /// The collector's share of the CPU at GOGC=100, and the live heap in MiB.
    collector: (f64, f64),
    /// Everything that is wrong alike.
    luck: f64,
}

fn landscape(
    kind: &Kind,
    (mix, cpu, wait): (&str, f64, f64),
    task_cpu: f64,
    chance: &mut Chance,
) -> Landscape {
    let around = Surroundings { visible_cpus: 2, task_cpu, task_memory: kind.memory.0 << 20 };
    let allocates = kind.runtime == "go" && chance.uniform() < 0.5;
    let traits = Traits {
        demand: Demand {
            cpu: cpu * (0.4 * chance.normal()).exp(),
            wait: wait * (0.4 * chance.normal()).exp(),
        },
        crowding: kind.crowding * chance.uniform(),
        switching: 0.12 * chance.uniform(),
        collector: if allocates {
            (0.1 + 0.35 * chance.uniform(), 20.0 + 60.0 * chance.uniform())
        } else {
            (0.02, 5.0)
        },
        luck: (0.08 * chance.normal()).exp(),
    };
    let service = service(kind, &around);
    let live = traits.collector.1 * MIB;
    let heap = Heap { collector: traits.collector.0, live, ..Heap::default() };
    let searched = Searched { heap: allocates.then_some(heap), limits: false };
    let candidates = candidates(&service, &around, searched);
    let goal = Goal::default();
    let each = kind.memory.1 * MIB;
    let shared = 25.0 * MIB;
    let memory: Vec<f64> = candidates.iter().map(|c| shared + takes(c, each, &traits)).collect();
    let limit = 0.9 * around.task_memory as f64;
    let truth = candidates
        .iter()
        .zip(&memory)
        .map(|(c, bytes)| (*bytes <= limit).then(|| carries(c, &traits, &around, &goal)))
        .collect();
    let mut off = || (0.08 * chance.normal()).exp();
    let demand = Demand { cpu: traits.demand.cpu * off(), wait: traits.demand.wait * off() };
    let problem = Problem {
        demand: (kind.runtime != UNKNOWN).then_some(demand),
        task_cpu,
        goal,
        noise: NOISE,
        memory: Memory { limit, each: each * off(), shared: shared * off() },
        most: 8,
        candidates,
    };
    let name = format!("{}, {mix}, {task_cpu} vCPU", kind.name);
    let model = problem.demand.map(|demand| {
        let task = Task { cpu: task_cpu, memory: Bytes(around.task_memory) };
        (profile(kind, demand, &service, task, searched.heap), plan::Place::of(task, 2))
    });
    Landscape { name, problem, truth, memory, model }
}

fn service(kind: &Kind, around: &Surroundings) -> Service {
    let knob = |knob: Knob| {
        let set = kind.today.iter().find(|(name, _)| *name == knob.name).map(|(_, n)| (*n).into());
        let class = kind.class.filter(|(name, _)| *name == knob.name).map(|(_, v)| v.into());
        let default = || (runtimes::by_id(kind.runtime)?.default)(&knob.name, around);
        let value: Value = set.or(class).or_else(default).unwrap();
        let place = Place { site: knob.sites[0].clone(), file: None, seen_at: None };
        PlacedKnob { knob, current: Sourced::assumed(value, "a landscape"), place }
    };
    let known = runtimes::by_id(kind.runtime).map_or(vec![users_own()], |r| (r.knobs)());
    let part = Part {
        runtime: kind.runtime,
        recognised: Sourced::assumed(String::new(), "a landscape"),
        knobs: known.into_iter().map(knob).collect(),
    };
    let container = ServiceContainer {
        name: "app".into(),
        command: Sourced::assumed(vec![], "a landscape"),
        workdir: "/".into(),
        env: Default::default(),
        nofile: None,
        parts: vec![part],
    };
    Service {
        root: "/".into(),
        name: kind.name.into(),
        containers: vec![container],
        ..Service::default()
    }
}

fn users_own() -> Knob {
    Knob {
        name: WORKERS.into(),
        doc: "workers".into(),
        unit: "processes".into(),
        range: Range::Integers { min: 1, max: 32 },
        sites: vec![Site::Environment { name: WORKERS.into() }],
        effect: Effect::Unknown,
    }
}

/// What the candidate can do at once; the search does not know it of an unknown program.
fn concurrency(c: &Candidate) -> Concurrency {
    c.concurrency.unwrap_or_else(|| {
        let n = c.settings.int(WORKERS).unwrap() as u32;
        Concurrency { processes: n, slots: Some(n), cores: n.into(), serial: Serial::Worker }
    })
}

/// Bytes that grow with the setting.
fn takes(c: &Candidate, each: f64, traits: &Traits) -> f64 {
    let processes = f64::from(concurrency(c).processes);
    let heap = |gogc: i64| {
        let wanted = traits.collector.1 * (1.0 + gogc as f64 / 100.0);
        let limit = c.settings.int("GOMEMLIMIT").map_or(f64::INFINITY, |m| m as f64 - 20.0);
        wanted.min(limit).max(traits.collector.1 * 1.1) * MIB
    };
    processes * each + c.settings.int("GOGC").map_or(0.0, heap)
}

/// What a fit would make of what the search is told.
fn profile(
    kind: &Kind,
    demand: Demand,
    service: &Service,
    task: Task,
    heap: Option<Heap>,
) -> Profile {
    let value =
        |value: f64, error: f64| Estimate::assumed(value, error * value.abs(), "a landscape");
    let time = |mean: f64| profile::Demand { mean: value(mean, 0.08), shape: Shape::Constant };
    let runtime = runtimes::by_id(kind.runtime).unwrap();
    let today = service.current();
    let around = plan::Place::of(task, 2).surroundings();
    let network = (runtime.model)(&today, &around).unwrap();
    let (crowding, _) = fit::crowding(&network);
    Profile {
        version: Version,
        service: kind.name.into(),
        runtime: kind.runtime.into(),
        classes: vec![Class {
            name: "GET /".into(),
            weight: 1.0,
            cpu: time(demand.cpu),
            wait: time(demand.wait),
            blocking: profile::Demand::none(),
            offloaded: profile::Demand::none(),
            calls: 1,
        }],
        background: value(0.0, 0.0),
        contention: value(0.0, 0.0),
        crowding: value(crowding, 0.5),
        wake: value(0.0, 0.0),
        memory: profile::Memory {
            shared: value(25.0 * MIB, 0.1),
            per_process: value(kind.memory.1 * MIB, 0.1),
            per_request: value(0.0, 0.0),
        },
        start: value(0.0, 0.0),
        heap: heap.map(|heap| profile::Heap {
            per_request: value(100e3, 0.1),
            live: value(heap.live, 0.1),
            collector: value(heap.collector, 0.1),
        }),
        residual: profile::Residual::default(),
        measured: Some(Measured {
            run: "1".into(),
            task,
            visible_cpus: 2,
            settings: today,
            rates: (1.0, 100.0),
            processes: (network.processes, network.processes),
            at_once: None,
        }),
    }
}

/// The highest rate whose p99 is within the goal.
fn carries(c: &Candidate, traits: &Traits, around: &Surroundings, goal: &Goal) -> f64 {
    let concurrency = concurrency(c);
    let demand = Demand { cpu: cpu(c, traits, around), ..traits.demand };
    let cores = concurrency.cores.min(f64::from(around.visible_cpus));
    let (mut low, mut high) = (0.0, 2.0 * around.task_cpu / demand.cpu);
    for _ in 0..40 {
        let rate = (low + high) / 2.0;
        let p99 = latency(&concurrency, &demand, cores, around.task_cpu, rate);
        if p99 <= goal.latency.0 { low = rate } else { high = rate }
    }
    traits.luck * low
}

/// CPU of one request under these settings.
fn cpu(c: &Candidate, traits: &Traits, around: &Surroundings) -> f64 {
    let Concurrency { processes, slots, cores, serial } = concurrency(c);
    let runnable = if serial == Serial::Threads { cores } else { f64::from(processes) };
    let crowd = (runnable / around.task_cpu.max(1.0)).ln().max(0.0);
    let threads = slots.map_or(1.0, |s| f64::from(s) / f64::from(processes));
    let switching = if serial == Serial::Gil { threads.ln() } else { 0.0 };
    let (share, live) = traits.collector;
    let collector = c.settings.int("GOGC").map_or(1.0, |gogc| {
        let limit = c.settings.int("GOMEMLIMIT").map_or(f64::INFINITY, |m| m as f64 - 20.0);
        // The limit collects earlier than GOGC asks, up to half of the CPU.
        let growth = (gogc as f64 / 100.0).min((limit / live - 1.0).max(0.02));
        (1.0 - share + share / growth).min(2.0)
    });
    traits.demand.cpu
        * collector
        * (1.0 + traits.crowding * crowd)
        * (1.0 + traits.switching * switching)
}

/// 99th percentile of the latency at a rate: processor sharing under a quota, and a queue for
/// the slots that is shorter than that of exponential times.
fn latency(c: &Concurrency, demand: &Demand, cores: f64, task_cpu: f64, rate: f64) -> f64 {
    let busy = rate * demand.cpu / cores.min(task_cpu);
    if busy >= 1.0 {
        return f64::INFINITY;
    }
    let computing = 3.5 * demand.cpu / (1.0 - busy);
    let stall = 0.1 * (1.0 - task_cpu / cores.max(task_cpu)) * busy.powi(2);
    let holding = demand.wait + demand.cpu / (1.0 - busy * 0.9);
    let queued = |slots| 0.6 * erlang::queueing_quantile(slots, rate, holding, 0.99);
    demand.wait + computing + stall + c.slots.map_or(0.0, queued)
}
