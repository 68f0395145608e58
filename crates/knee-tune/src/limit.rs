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
/// The collector's share of the CPU from which it is worth naming.
const COLLECTING: f64 = 0.25;

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
    let rules: [Rule; 8] = [memory, descriptors, collector, quota, one_core, queue, pool, backend];
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

fn descriptors(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let limit = scene.nofile.filter(|limit| usage.descriptors as f64 >= 0.98 * *limit as f64)?;
    Some((Resource::Descriptors, format!("{} of {limit} descriptors open", usage.descriptors)))
}

fn collector(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let share = gc_share(usage).filter(|s| *s > COLLECTING)?;
    let text =
        format!("the collector took {:.0} % of the CPU; {}", share * 100.0, cpu(usage, scene));
    Some((Resource::GarbageCollection, text))
}

fn quota(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let used = usage.cpu / scene.task.cpu;
    (used >= FULL || (usage.throttled >= THROTTLED && used >= 0.6)).then(|| {
        let cut = usage.throttled * 100.0;
        (Resource::CpuQuota, format!("{}, stopped in {cut:.0} % of the periods", cpu(usage, scene)))
    })
}

fn one_core(_: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let resource = match scene.concurrency?.serial {
        Serial::Gil => Resource::Gil,
        Serial::EventLoop => Resource::EventLoop,
        Serial::Worker | Serial::Threads => return None,
    };
    let busy = usage.busiest.min(scene.concurrency?.cores);
    (busy >= FULL).then(|| {
        let text =
            format!("one process at {:.2} of a core while {}", usage.busiest, cpu(usage, scene));
        (resource, text)
    })
}

fn queue(_: &Step, usage: &Usage, _: &Scene) -> Option<(Resource, String)> {
    (usage.backlog > 0 && usage.accept_queue > usage.backlog).then(|| {
        let text = format!("{} connections wait, {} fit", usage.accept_queue, usage.backlog);
        (Resource::AcceptQueue, text)
    })
}

/// By Little's law: requests in service = rate of answers × time that each holds a slot.
fn pool(step: &Step, usage: &Usage, scene: &Scene) -> Option<(Resource, String)> {
    let slots = f64::from(scene.concurrency?.slots?);
    let held = step.throughput * scene.alone?;
    let waiting = usage.accept_queue;
    (held >= 0.7 * slots || waiting > 0).then(|| {
        let text = format!(
            "{held:.1} of {slots} slots held (answers/s × {:.0} ms alone), {waiting} connections waiting, {}",
            scene.alone.unwrap_or_default() * 1000.0,
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

/// The collector's share of the service's CPU, as the runtime says.
pub fn gc_share(usage: &Usage) -> Option<f64> {
    usage.readings.iter().find(|r| r.name.ends_with("gc.cpu")).map(|r| r.value)
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
        let cases = [
            (Usage { oom_kills: 1, ..idle.clone() }, loops, Resource::Memory),
            (Usage { descriptors: 1020, ..idle.clone() }, loops, Resource::Descriptors),
            (Usage { readings: gc, ..one_core.clone() }, loops, Resource::GarbageCollection),
            (Usage { cpu: 1.9, throttled: 0.7, ..idle.clone() }, loops, Resource::CpuQuota),
            (one_core.clone(), loops, Resource::EventLoop),
            (one_core, scene(Serial::Gil, Some(8)), Resource::Gil),
            (Usage { accept_queue: 12, backlog: 10, ..idle.clone() }, pool, Resource::AcceptQueue),
            (idle.clone(), pool, Resource::WorkerPool),
            (idle, loops, Resource::Backend),
        ];
        for (usage, scene, expected) in cases {
            assert_eq!(named(150.0, usage.clone(), scene), expected, "{usage:?}");
        }
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
