//! Which resource gave out: the verdict on the step just above the capacity, with the
//! figures that say so.
//!
//! What lives here: rules over figures. What never does: measuring.

use knee_core::model::{Concurrency, Serial};
use knee_core::observe::{Capacity, Limit, Outcome, Resource, Step, Usage};
use knee_core::task::Task;

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
    let rules: [Rule; 11] = [
        memory,
        descriptors,
        collector,
        quota,
        blocked_loop,
        one_core,
        queue,
        waiting_workers,
        pool,
        unaccepted,
        backend,
    ];
    let named = rules.iter().find_map(|rule| rule(step, usage, scene));
    let (resource, evidence) = named.unwrap_or_else(|| {
        (Resource::Unknown, format!("{} used, no resource is at its limit", cpu(usage, scene)))
    });
    Limit { resource, evidence }
}

type Rule = fn(&Step, &Usage, &Scene) -> Option<(Resource, String)>;

fn memory(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    (usage.oom_kills > 0).then(|| {
        let text = format!(
            "{} processes killed at the task's limit of {}",
            usage.oom_kills, scene.task.memory
        );
        (Resource::Memory, text)
    })
}

/// The process's own limit counts: many programs raise it by themselves.
fn descriptors(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let limit = usage.nofile.or(scene.nofile)?;
    (usage.descriptors as f64 >= 0.98 * limit as f64).then(|| {
        (Resource::Descriptors, format!("{} of {limit} descriptors open", usage.descriptors))
    })
}

fn collector(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let share = gc_share(usage).filter(|s| *s > COLLECTING)?;
    let text = format!(
        "the collector took {:.0} % of the time that the program can run; {}",
        share * 100.0,
        cpu(usage, scene)
    );
    Some((Resource::GarbageCollection, text))
}

fn quota(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
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
fn blocked_loop(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
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

fn one_core(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
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

fn queue(_: &Step, usage: &Usage, _: &Scene) -> Option<(Resource, String)> {
    (usage.backlog > 0 && usage.accept_queue > usage.backlog).then(|| {
        let Usage { accept_queue, backlog, accept_at, .. } = usage;
        let text = format!("{accept_queue} connections wait at {accept_at}, {backlog} fit");
        (Resource::AcceptQueue, text)
    })
}

/// Workers that are all busy and mostly wait: each request holds its slot for much longer than
/// it takes alone, and not for want of CPU. More workers would only wait too.
fn waiting_workers(step: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let slots = f64::from(scene.concurrency?.slots?);
    let (alone, idle) = (scene.alone?, usage.cpu / scene.task.cpu < 0.6);
    let busy = busy_workers(usage, slots).filter(|busy| *busy >= BUSY_POOL * slots)?;
    // By Little's law: time in service = requests in service / rate of answers.
    let held = busy / step.throughput.max(1e-9);
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

/// Workers that are busy in the mean, as FPM says itself; all, where as many connections wait to
/// be accepted. None where neither tells.
fn busy_workers(usage: &Usage, slots: f64) -> Option<f64> {
    let waiting = f64::from(usage.accept_queue) >= slots;
    reading(usage, "fpm.active_mean").or(waiting.then_some(slots))
}

/// By Little's law: requests in service = rate of answers × time that each holds a slot.
fn pool(step: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let slots = f64::from(scene.concurrency?.slots?);
    let held = step.throughput * scene.alone?;
    let waiting = usage.accept_queue;
    let busy = busy_workers(usage, slots);
    let full = busy.is_some_and(|busy| busy >= BUSY_POOL * slots);
    (held >= 0.7 * slots || full || waiting > 0).then(|| {
        let status = reading(usage, "fpm.active_mean").map_or(String::new(), |active| {
            format!("; FPM counts {active:.1} active in the mean")
        });
        let text = format!(
            "{held:.1} of {slots} slots held (answers/s × {:.0} ms alone){status}, {waiting} connections waiting, {}",
            scene.alone.unwrap_or_default() * 1000.0,
            cpu(usage, scene)
        );
        (Resource::WorkerPool, text)
    })
}

/// Connections that wait to be accepted while CPU is left, where the number of slots is not known:
/// nobody was free to accept them. (An event loop that does not accept is blocked instead.)
fn unaccepted(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
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

fn backend(step: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let idle = usage.cpu / scene.task.cpu < 0.6;
    (idle && step.latency.p50 > 2.0 * scene.alone?).then(|| {
        let text = format!(
            "median {:.0} ms against {:.0} ms alone while {}",
            step.latency.p50 * 1000.0,
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
mod tests {
    use super::*;
    use knee_core::observe::{Counts, Latency, Reading, Validity};
    use knee_core::units::Bytes;

    fn scene(serial: Serial, slots: Option<u32>) -> Scene {
        Scene {
            task: Task { cpu: 2.0, memory: Bytes(1 << 30) },
            concurrency: Some(Concurrency { processes: 1, slots, cores: 1.0, serial }),
            alone: Some(0.025),
            nofile: Some(1024),
        }
    }

    fn step(throughput: f64, usage: Usage) -> Step {
        Step {
            offered: throughput * 1.1,
            seconds: 3.0,
            throughput,
            counts: Counts::default(),
            latency: Latency { p50: 0.3, ..Latency::default() },
            outcome: Outcome::Missed,
            usage: Some(usage),
            validity: Validity::default(),
        }
    }

    fn named(throughput: f64, usage: Usage, scene: Scene) -> Resource {
        let step = step(throughput, usage);
        let capacity = Capacity {
            rate: throughput * 0.9,
            spread: None,
            at: None,
            curve: vec![step],
            limited_by: Limit { resource: Resource::Unknown, evidence: String::new() },
            validity: Validity::default(),
        };
        name(&capacity, &scene).resource
    }

    #[test]
    fn each_resource_is_named_by_its_own_figures() {
        let idle = Usage { cpu: 0.4, busiest: 0.3, ..Usage::default() };
        let one_core = Usage { cpu: 1.0, busiest: 0.97, ..Usage::default() };
        let gc = vec![Reading { name: "go.gc.cpu".into(), value: 0.4, unit: "".into() }];
        let loops = scene(Serial::EventLoop, None);
        let pool = scene(Serial::Worker, Some(4));
        let stranger = Scene { concurrency: None, alone: None, ..loops };
        let cases = [
            (Usage { oom_kills: 1, ..idle.clone() }, loops, Resource::Memory),
            (Usage { descriptors: 1020, ..idle.clone() }, loops, Resource::Descriptors),
            (Usage { readings: gc, ..one_core.clone() }, loops, Resource::GarbageCollection),
            (Usage { cpu: 1.9, throttled: 0.7, ..idle.clone() }, loops, Resource::CpuQuota),
            (one_core.clone(), loops, Resource::EventLoop),
            (one_core, scene(Serial::Gil, Some(8)), Resource::Gil),
            (Usage { accept_queue: 12, backlog: 10, ..idle.clone() }, pool, Resource::AcceptQueue),
            (idle.clone(), pool, Resource::WorkerPool),
            (
                Usage { accept_queue: 3, backlog: 10, ..idle.clone() },
                stranger,
                Resource::WorkerPool,
            ),
            (idle, loops, Resource::Backend),
        ];
        for (usage, scene, expected) in cases {
            assert_eq!(named(150.0, usage.clone(), scene), expected, "{usage:?}");
        }
    }

    fn readings(all: &[(&'static str, f64)]) -> Vec<Reading> {
        let reading = |(name, value): &(&'static str, f64)| Reading {
            name: (*name).into(),
            value: *value,
            unit: "".into(),
        };
        all.iter().map(reading).collect()
    }

    #[test]
    fn a_runtimes_own_word_counts() {
        let told =
            |all| Usage { cpu: 0.4, busiest: 0.3, readings: readings(all), ..Usage::default() };
        let (loops, pool) = (scene(Serial::EventLoop, None), scene(Serial::Worker, Some(4)));
        let blocked =
            told(&[("node.eventloop.utilization", 0.97), ("node.eventloop.delay_p99", 480.0)]);
        let limit = of_step(&step(10.0, blocked.clone()), &loops);
        assert_eq!(limit.resource, Resource::EventLoop);
        let said = "an event loop busy 97 % of the time, late by 480 ms at worst, mostly in calls that block it";
        assert!(limit.evidence.starts_with(said), "{}", limit.evidence);
        let throttled = Usage { throttled: 0.2, ..blocked };
        assert_eq!(named(10.0, throttled, loops), Resource::Backend, "its clock ran on meanwhile");
        // 4 workers, 40 requests/s: 100 ms each, against 25 ms alone.
        let waiting = told(&[("fpm.active_mean", 4.0)]);
        assert_eq!(named(40.0, waiting.clone(), pool), Resource::Backend);
        assert_eq!(named(120.0, waiting, pool), Resource::WorkerPool);
        let free = told(&[("fpm.active_mean", 1.0)]);
        assert_eq!(named(40.0, free, pool), Resource::Backend, "slow, and workers are free");
        let own = Usage { descriptors: 1020, nofile: Some(65_536), ..told(&[]) };
        assert_ne!(named(10.0, own, loops), Resource::Descriptors, "it raised its limit");
    }

    #[test]
    fn a_cold_opcache_is_part_of_the_story() {
        let pool = scene(Serial::Worker, Some(4));
        let evidence = |all| {
            let usage = Usage { cpu: 1.9, readings: readings(all), ..Usage::default() };
            of_step(&step(40.0, usage), &pool).evidence
        };
        assert!(evidence(&[("opcache.enabled", 0.0)]).contains("OPcache is off"));
        assert!(evidence(&[("opcache.hit_rate", 0.5)]).contains("only 50 % of PHP's files"));
        assert!(!evidence(&[("opcache.hit_rate", 0.999)]).contains("OPcache"));
    }

    #[test]
    fn few_threads_of_go_are_a_pool_that_is_full() {
        let mut two = scene(Serial::Threads, None);
        two.concurrency = two.concurrency.map(|c| Concurrency { cores: 2.0, ..c });
        two.task.cpu = 4.0;
        let usage = Usage { cpu: 1.9, busiest: 1.9, ..Usage::default() };
        let limit = of_step(&step(40.0, usage), &two);
        assert_eq!(limit.resource, Resource::WorkerPool);
        assert_eq!(limit.evidence, "one process at 1.90 of 2 cores while 1.90 of 4 vCPU");
    }

    #[test]
    fn without_figures_it_says_so() {
        let mut alone = step(10.0, Usage::default());
        alone.usage = None;
        assert_eq!(of_step(&alone, &scene(Serial::Gil, None)).resource, Resource::Unknown);
        let fast = Usage { cpu: 0.1, ..Usage::default() };
        let mut quick = step(10.0, fast);
        quick.latency.p50 = 0.02;
        assert_eq!(of_step(&quick, &scene(Serial::EventLoop, None)).resource, Resource::Unknown);
    }

    #[test]
    fn a_late_generator_never_blames_the_server() {
        let mut late = step(150.0, Usage { cpu: 2.0, throttled: 1.0, ..Usage::default() });
        late.validity.invalid.push("the generator was late".into());
        assert_eq!(of_step(&late, &scene(Serial::Gil, None)).resource, Resource::Generator);
    }
}
