//! Which resource gives out: the verdict on the step just above the capacity, or on what a running
//! service uses now, with the figures that say so.
//!
//! What lives here: rules over figures. What never does: measuring.

use crate::model::{Concurrency, Serial};
use crate::observe::{Capacity, Limit, Outcome, Resource, Step, Usage};
use crate::task::Task;

/// What came back of a load that is known.
#[derive(Clone, Copy, Debug)]
struct Answers {
    /// Answers that came back well, requests/s.
    rate: f64,
    /// Median latency, seconds.
    median: f64,
}

/// What the verdict is made from, besides the step.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Size of the task.
    pub task: Task,
    /// What the settings can do at once, where a model says.
    pub concurrency: Option<Concurrency>,
    /// Seconds that one request takes when alone, where it was calibrated.
    pub alone: Option<f64>,
    /// Soft limit of open files of the service.
    pub nofile: Option<u64>,
}

/// Share of a quota, core or pool from which it counts as used up: Poisson arrivals miss a
/// tail goal well before the mean reaches the brim.
const FULL: f64 = 0.85;
/// Share of the quota's periods that were cut short from which the quota is what stops.
const THROTTLED: f64 = 0.25;
/// The collector's share of a program's time from which it is worth naming.
const COLLECTING: f64 = 0.25;
/// An event loop's own word for how much of the time it was not waiting, from which it is full.
const BUSY_LOOP: f64 = 0.9;
/// Share of the workers busy in the mean from which a pool is full.
const BUSY_POOL: f64 = 0.9;
/// Throttling from which a runtime's own clocks tell of the quota too: they run on meanwhile.
const DISTURBED: f64 = 0.1;
/// Share of the connections to a server outside that wait for it from which all are in use: between
/// an answer and the next question a connection is with the program.
const BUSY_CONNECTIONS: f64 = 0.7;
/// Requests in service for each such connection from which some of them have none.
const MORE_THAN_FIT: f64 = 1.5;
/// The reading of requests in service, or workers that have one, as their connections show.
pub const BUSY_SLOTS: &str = "workers.busy";
/// A hit rate of OPcache below which it is part of the story.
const HITS: f64 = 0.95;

/// Names what gave out in a capacity search.
pub fn name(capacity: &Capacity, scene: &Scene) -> Limit {
    match above(capacity) {
        Some(step) => of_step(step, scene),
        None => Limit {
            resource: Resource::Unknown,
            evidence: "no rate was high enough to make anything give out".into(),
        },
    }
}

/// The step that shows what gives out: the lowest rate above the capacity that missed.
fn above(capacity: &Capacity) -> Option<&Step> {
    capacity
        .curve
        .iter()
        .filter(|s| s.outcome != Outcome::Held && s.offered > capacity.rate)
        .min_by(|a, b| a.offered.total_cmp(&b.offered))
        .or_else(|| capacity.curve.iter().rfind(|s| s.outcome != Outcome::Held))
}

/// Names what gave out in one step that missed the goal.
pub fn of_step(step: &Step, scene: &Scene) -> Limit {
    if let Some(reason) = step.validity.invalid.first() {
        return Limit { resource: Resource::Generator, evidence: reason.clone() };
    }
    let Some(usage) = &step.usage else {
        return Limit {
            resource: Resource::Unknown,
            evidence: "knee did not start the service and sees only its answers".into(),
        };
    };
    let answers = Answers { rate: step.throughput, median: step.latency.p50 };
    judge(usage, Some(&answers), scene)
}

/// Names what limits a service whose load and answers nobody counts, by what it uses alone.
pub fn of_usage(usage: &Usage, scene: &Scene) -> Limit {
    judge(usage, None, scene)
}

fn judge(usage: &Usage, answers: Option<&Answers>, scene: &Scene) -> Limit {
    let rules: [Rule; 13] = [
        memory,
        descriptors,
        connections,
        collector,
        quota,
        blocked_loop,
        one_core,
        full_pool,
        queue,
        waiting_workers,
        pool,
        unaccepted,
        backend,
    ];
    let named = rules.iter().find_map(|rule| rule(usage, answers, scene));
    let (resource, evidence) = named.unwrap_or_else(|| {
        (Resource::Unknown, format!("{} used, no resource is at its limit", cpu(usage, scene)))
    });
    Limit { resource, evidence }
}

type Rule = fn(&Usage, Option<&Answers>, &Scene) -> Option<(Resource, String)>;

fn memory(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    (usage.oom_kills > 0).then(|| {
        let text = format!(
            "{} processes killed at the task's limit of {}",
            usage.oom_kills, scene.task.memory
        );
        (Resource::Memory, text)
    })
}

/// The process's own limit counts: many programs raise it by themselves. nginx says itself when it
/// ran out, which a look now and then may miss.
fn descriptors(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    if let Some(rate) = reading(usage, "nginx.files.refused").filter(|rate| *rate > 0.0) {
        let text = format!("nginx logged {rate:.1} times a second that too many files are open");
        return Some((Resource::Descriptors, text));
    }
    let limit = usage.nofile.or(scene.nofile)?;
    (usage.descriptors as f64 >= 0.98 * limit as f64).then(|| {
        (Resource::Descriptors, format!("{} of {limit} descriptors open", usage.descriptors))
    })
}

/// nginx's own word: it drops connections and goes on, with all resources of the host left.
fn connections(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let rate = reading(usage, "nginx.connections.refused").filter(|rate| *rate > 0.0)?;
    let limit = reading(usage, "nginx.connections.limit")?;
    let text = format!(
        "nginx logged {rate:.1} times a second that {limit} worker_connections are not enough, while {}",
        cpu(usage, scene)
    );
    Some((Resource::Connections, text))
}

fn collector(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let share = gc_share(usage).filter(|s| *s > COLLECTING)?;
    let text = format!(
        "the collector took {:.0} % of the time that the program can run; {}",
        share * 100.0,
        cpu(usage, scene)
    );
    Some((Resource::GarbageCollection, text))
}

fn quota(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let used = usage.cpu / scene.task.cpu;
    (used >= FULL || (usage.throttled >= THROTTLED && used >= 0.6)).then(|| {
        let cut = usage.throttled * 100.0;
        let cause = opcache(usage).map_or(String::new(), |cause| format!("; {cause}"));
        let cpu = cpu(usage, scene);
        (Resource::CpuQuota, format!("{cpu}, stopped in {cut:.0} % of the periods{cause}"))
    })
}

/// Why PHP may spend its CPU on compiling the same files again.
fn opcache(usage: &Usage) -> Option<String> {
    if reading(usage, "opcache.enabled") == Some(0.0) {
        return Some("OPcache is off or does not let itself be asked".into());
    }
    let hits = reading(usage, "opcache.hit_rate").filter(|rate| *rate < HITS)?;
    Some(format!("only {:.0} % of PHP's files came from OPcache", hits * 100.0))
}

/// A loop that hardly ever waits for events, as it says itself: it computes, or it stands in a
/// call that waits for something else.
fn blocked_loop(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let busy = reading(usage, "node.eventloop.utilization").filter(|share| *share >= BUSY_LOOP)?;
    if usage.throttled >= DISTURBED {
        return None;
    }
    let delay = reading(usage, "node.eventloop.delay_p99")
        .map_or(String::new(), |ms| format!(", late by {ms:.0} ms at worst"));
    let how = if usage.busiest >= FULL { "computing" } else { "mostly in calls that block it" };
    let text = format!(
        "an event loop busy {:.0} % of the time{delay}, {how}: {:.2} of a core while {}",
        busy * 100.0,
        usage.busiest,
        cpu(usage, scene)
    );
    Some((Resource::EventLoop, text))
}

fn one_core(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let model = scene.concurrency?;
    let lanes = model.cores / f64::from(model.processes.max(1));
    let resource = match model.serial {
        Serial::Gil => Resource::Gil,
        Serial::EventLoop => Resource::EventLoop,
        // GOMAXPROCS threads, all computing.
        Serial::Threads => Resource::WorkerPool,
        Serial::Worker => return None,
    };
    (usage.busiest >= FULL * lanes).then(|| {
        let of = if lanes == 1.0 { "a core".into() } else { format!("{lanes} cores") };
        let text =
            format!("one process at {:.2} of {of} while {}", usage.busiest, cpu(usage, scene));
        (resource, text)
    })
}

fn queue(usage: &Usage, _: Option<&Answers>, _: &Scene) -> Option<(Resource, String)> {
    (usage.backlog > 0 && usage.accept_queue > usage.backlog).then(|| {
        let Usage { accept_queue, backlog, accept_at, .. } = usage;
        let text = format!("{accept_queue} connections wait at {accept_at}, {backlog} fit");
        (Resource::AcceptQueue, text)
    })
}

/// Workers that are all busy and mostly wait: each request holds its slot for much longer than
/// it takes alone, and not for want of CPU. More workers would only wait too.
fn waiting_workers(
    usage: &Usage,
    answers: Option<&Answers>,
    scene: &Scene,
) -> Option<(Resource, String)> {
    let slots = f64::from(scene.concurrency?.slots?);
    let (alone, idle) = (scene.alone?, usage.cpu / scene.task.cpu < 0.6);
    let busy = busy_workers(usage, slots).filter(|busy| *busy >= BUSY_POOL * slots)?;
    // By Little's law: time in service = requests in service / rate of answers.
    let held = busy / answers?.rate.max(1e-9);
    (idle && held > 2.0 * alone).then(|| {
        let text = format!(
            "{busy:.1} of {slots} workers busy, each request for {:.0} ms against {:.0} ms alone, while {}",
            held * 1000.0,
            alone * 1000.0,
            cpu(usage, scene)
        );
        (Resource::Backend, text)
    })
}

/// All connections to a server outside wait for its answers while more requests are in service than
/// there are connections: those wait for a connection, as the service opens no more. By Little's law
/// requests in service = rate of answers × latency.
fn full_pool(
    usage: &Usage,
    answers: Option<&Answers>,
    scene: &Scene,
) -> Option<(Resource, String)> {
    let (awaited, answers) = (usage.awaited.as_ref()?, answers?);
    let slots = scene.concurrency.and_then(|c| c.slots).map_or(f64::INFINITY, f64::from);
    let held = (answers.rate * answers.median).min(slots);
    let idle = usage.cpu / scene.task.cpu < 0.6;
    let full = awaited.open >= 1.0 && awaited.waiting >= BUSY_CONNECTIONS * awaited.open;
    (idle && full && held >= MORE_THAN_FIT * awaited.open + 1.0).then(|| {
        let text = format!(
            "{:.1} of {:.1} connections to {} wait for its answer while {held:.1} requests are in service and {}: \
             the service opens no more",
            awaited.waiting,
            awaited.open,
            awaited.at,
            cpu(usage, scene)
        );
        (Resource::Backend, text)
    })
}

/// Workers that are busy in the mean, as FPM says itself or as their connections show; all, where
/// as many connections wait to be accepted. None where nothing tells.
fn busy_workers(usage: &Usage, slots: f64) -> Option<f64> {
    let waiting = f64::from(usage.accept_queue) >= slots;
    // FPM counts requests whose client gave up as active for ever.
    reading(usage, "fpm.active_mean")
        .map(|active| active.min(slots))
        .or_else(|| reading(usage, BUSY_SLOTS))
        .or(waiting.then_some(slots))
}

/// By Little's law: requests in service = rate of answers × time that each holds a slot.
fn pool(usage: &Usage, answers: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let slots = f64::from(scene.concurrency?.slots?);
    let held = answers.zip(scene.alone).map(|(answers, alone)| answers.rate * alone);
    let waiting = usage.accept_queue;
    let busy = busy_workers(usage, slots);
    let full = busy.is_some_and(|busy| busy >= BUSY_POOL * slots);
    // Of a load that is known, what waits is more than the pool takes; else it may be a moment's.
    let over = held.is_some_and(|held| held >= 0.7 * slots) || (held.is_some() && waiting > 0);
    (over || full).then(|| {
        let cpu = cpu(usage, scene);
        let text = match held {
            Some(held) => {
                let status = reading(usage, "fpm.active_mean").map_or(String::new(), |active| {
                    format!("; FPM counts {active:.1} active in the mean")
                });
                format!(
                    "{held:.1} of {slots} slots held (answers/s × {:.0} ms alone){status}, {waiting} connections waiting, {cpu}",
                    scene.alone.unwrap_or_default() * 1000.0,
                )
            }
            None => {
                let busy = busy.map_or("some".into(), |busy| format!("{busy:.1}"));
                format!("{busy} of {slots} workers busy, {waiting} connections waiting, while {cpu}")
            }
        };
        (Resource::WorkerPool, text)
    })
}

/// Connections that wait to be accepted while CPU is left, where the number of slots is not known:
/// nobody was free to accept them. (An event loop that does not accept is blocked instead.)
fn unaccepted(usage: &Usage, _: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let loops = scene.concurrency.is_some_and(|c| c.slots.is_some() || c.serial != Serial::Worker);
    (usage.accept_queue > 0 && !loops).then(|| {
        let text = format!(
            "{} connections waited to be accepted while {} were used",
            usage.accept_queue,
            cpu(usage, scene)
        );
        (Resource::WorkerPool, text)
    })
}

fn backend(usage: &Usage, answers: Option<&Answers>, scene: &Scene) -> Option<(Resource, String)> {
    let median = answers?.median;
    let idle = usage.cpu / scene.task.cpu < 0.6;
    (idle && median > 2.0 * scene.alone?).then(|| {
        let text = format!(
            "median {:.0} ms against {:.0} ms alone while {}",
            median * 1000.0,
            scene.alone.unwrap_or_default() * 1000.0,
            cpu(usage, scene)
        );
        (Resource::Backend, text)
    })
}

fn cpu(usage: &Usage, scene: &Scene) -> String {
    format!("{:.2} of {} vCPU", usage.cpu, scene.task.cpu)
}

/// The collector's share of the time that the program can run, as the runtime says: of the time
/// of GOMAXPROCS threads in Go, of the busiest process's in Node.js.
pub fn gc_share(usage: &Usage) -> Option<f64> {
    usage.readings.iter().find(|r| r.name.ends_with("gc.cpu")).map(|r| r.value)
}

fn reading(usage: &Usage, name: &str) -> Option<f64> {
    usage.readings.iter().find(|r| r.name == name).map(|r| r.value)
}

#[cfg(test)]
mod tests;
