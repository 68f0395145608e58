use super::*;
use crate::observe::{Awaited, Counts, Latency, Reading, Validity};
use crate::units::Bytes;

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
    let full = readings(&[("nginx.connections.refused", 12.0), ("nginx.connections.limit", 64.0)]);
    let loops = scene(Serial::EventLoop, None);
    let pool = scene(Serial::Worker, Some(4));
    let stranger = Scene { concurrency: None, alone: None, ..loops };
    let cases = [
        (Usage { oom_kills: 1, ..idle.clone() }, loops, Resource::Memory),
        (Usage { descriptors: 1020, ..idle.clone() }, loops, Resource::Descriptors),
        (Usage { readings: full, ..idle.clone() }, loops, Resource::Connections),
        (Usage { readings: gc, ..one_core.clone() }, loops, Resource::GarbageCollection),
        (Usage { cpu: 1.9, throttled: 0.7, ..idle.clone() }, loops, Resource::CpuQuota),
        (one_core.clone(), loops, Resource::EventLoop),
        (one_core, scene(Serial::Gil, Some(8)), Resource::Gil),
        (Usage { accept_queue: 12, backlog: 10, ..idle.clone() }, pool, Resource::AcceptQueue),
        (idle.clone(), pool, Resource::WorkerPool),
        (Usage { accept_queue: 3, backlog: 10, ..idle.clone() }, stranger, Resource::WorkerPool),
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
    let told = |all| Usage { cpu: 0.4, busiest: 0.3, readings: readings(all), ..Usage::default() };
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
    let counts_too_many = told(&[("fpm.active_mean", 74.0)]);
    assert_eq!(named(120.0, counts_too_many, pool), Resource::WorkerPool);
    let free = told(&[("fpm.active_mean", 1.0)]);
    assert_eq!(named(40.0, free, pool), Resource::Backend, "slow, and workers are free");
    let own = Usage { descriptors: 1020, nofile: Some(65_536), ..told(&[]) };
    assert_ne!(named(10.0, own, loops), Resource::Descriptors, "it raised its limit");
}

#[test]
fn a_pool_of_connections_that_is_full_is_named() {
    let seen = |open, waiting| Usage {
        cpu: 0.4,
        busiest: 0.3,
        awaited: Some(Awaited { at: "10.0.0.1:5432".into(), open, waiting }),
        ..Usage::default()
    };
    let said = |usage: Usage, scene: Scene| of_step(&step(40.0, usage), &scene);
    // 40 answers/s × 300 ms: 12 in service.
    let limit = said(seen(4.0, 3.8), scene(Serial::EventLoop, None));
    assert_eq!(limit.resource, Resource::Backend);
    let words = "3.8 of 4.0 connections to 10.0.0.1:5432 wait for its answer while 12.0 requests are in service";
    assert!(limit.evidence.starts_with(words), "{}", limit.evidence);
    for usage in [seen(4.0, 1.0), seen(12.0, 11.0), seen(0.0, 0.0)] {
        let limit = said(usage, scene(Serial::EventLoop, None));
        assert!(!limit.evidence.contains("connections to"), "{}", limit.evidence);
    }
    let each_its_own = said(seen(4.0, 4.0), scene(Serial::Worker, Some(4)));
    assert!(!each_its_own.evidence.contains("connections to"), "{}", each_its_own.evidence);
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

#[test]
fn without_a_known_load_what_is_used_says_it() {
    let limit = |usage: &Usage, scene| of_usage(usage, &scene);
    let pool = Scene { alone: None, ..scene(Serial::Worker, Some(4)) };
    let busy = |n| Usage { cpu: 0.4, readings: readings(&[(BUSY_SLOTS, n)]), ..Usage::default() };
    let full = limit(&busy(4.0), pool);
    assert_eq!(full.resource, Resource::WorkerPool);
    assert_eq!(full.evidence, "4.0 of 4 workers busy, 0 connections waiting, while 0.40 of 2 vCPU");
    assert_eq!(limit(&busy(1.0), pool).resource, Resource::Unknown);
    let throttled = Usage { cpu: 1.9, throttled: 0.5, ..Usage::default() };
    assert_eq!(limit(&throttled, pool).resource, Resource::CpuQuota);
}
