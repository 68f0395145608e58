//! The detectors on simulated services: two hours of noisy healthy load without a false alarm, and
//! leaks found before a fifth of the head-room is gone. Seeded, so the same everywhere.

use super::{Detector, Kind, Trouble};
use crate::sample::{Busy, Sample};
use knee_core::observe::{Limit, Place, Reading, Resource, Stall, Usage};
use knee_core::{Bytes, Origin, Sourced};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const EVERY: f64 = 5.0;
const HOURS: f64 = 7200.0;
const LIMIT: f64 = 512.0 * 1048576.0;
const BASE: f64 = 120.0 * 1048576.0;
const NOFILE: u64 = 65_536;
const WORKERS: u32 = 4;

/// A healthy service with everything that looks like a leak for a while; all of it together moves
/// within a fifth of the head-room.
struct Noise {
    random: Xoshiro256PlusPlus,
    /// Caches that fill: share of the head-room, and how fast.
    warm: (f64, f64),
    /// A collected heap: share and period.
    saw: (f64, f64),
    /// Load that comes and goes.
    tide: (f64, f64),
    /// A step, when a cache is loaded.
    step: (f64, f64),
    /// Noise with a memory.
    wander: f64,
}

impl Noise {
    fn new(seed: u64) -> Noise {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut between = |low: f64, high: f64| low + (high - low) * unit(&mut random);
        let warm = (between(0.0, 0.08), between(20.0, 1500.0));
        let saw = (between(0.0, 0.04), between(20.0, 900.0));
        let tide = (between(0.0, 0.03), between(600.0, 7200.0));
        let step = (between(0.0, 0.05), between(0.0, HOURS));
        Noise { random, warm, saw, tide, step, wander: 0.0 }
    }

    /// Share of the head-room that is taken at a time.
    fn at(&mut self, t: f64) -> f64 {
        self.wander = 0.9 * self.wander + 0.006 * (unit(&mut self.random) - 0.5);
        let spike = if unit(&mut self.random) < 0.01 { 0.1 } else { 0.0 };
        self.warm.0 * (1.0 - (-t / self.warm.1).exp())
            + self.saw.0 * (t / self.saw.1).fract()
            + self.tide.0 * (1.0 - (t / self.tide.1 * std::f64::consts::TAU).cos()) / 2.0
            + if t > self.step.1 { self.step.0 } else { 0.0 }
            + self.wander
            + spike
    }
}

fn unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A sample with these shares of the head-room taken: memory, descriptors, goroutines, and the
/// event loop that late.
fn sample(memory: f64, descriptors: f64, goroutines: f64, late_ms: f64) -> Sample {
    let anonymous = Bytes((BASE + memory * (LIMIT - BASE)) as u64);
    let open = 100 + (descriptors * (NOFILE - 100) as f64) as u64;
    let reading = |name: &'static str, value| Reading { name: name.into(), value, unit: "".into() };
    let most = (LIMIT - BASE) / 4096.0;
    let usage = Usage {
        cpu: 0.4,
        memory: anonymous,
        processes: WORKERS,
        descriptors: open,
        nofile: Some(NOFILE),
        readings: vec![
            reading("go.goroutines", 50.0 + goroutines * most),
            reading("node.eventloop.delay_p50", late_ms),
            reading("node.eventloop.delay_p99", late_ms * 3.0),
        ],
        ..Usage::default()
    };
    let assumed = || Origin::Assumed { because: "simulated".into() };
    Sample {
        name: "simulated".into(),
        runtime: Some("node"),
        front: false,
        pid: 1,
        listens: vec![],
        seconds: EVERY,
        model: String::new(),
        workers: WORKERS as usize,
        slots: None,
        busy: Some(Busy { mean: 1.0, most: 2 }),
        cpu: 0.4,
        anonymous,
        usage,
        whole_task: true,
        cpu_limit: Some(Sourced::new(1.0, assumed())),
        memory_limit: Some(Sourced::new(Bytes(LIMIT as u64), assumed())),
        limit: Limit { resource: Resource::Unknown, evidence: String::new() },
        stall: None,
        trends: vec![],
        unseen: vec![],
    }
}

/// What a leak adds at a time, and when so many requests were served.
type Added<'a> = &'a dyn Fn(f64, f64) -> [f64; 3];

/// Requests each second in the mean, where the service counts them.
const RATE: f64 = 20.0;

/// Runs it, each quantity with noise of its own, and each with what a leak adds; what was said, and when.
/// Load comes and goes between a tenth and twice the mean; every other service counts its requests.
fn run(seed: u64, leak: Added) -> Vec<(f64, Trouble)> {
    let mut noise: Vec<Noise> = (0..4).map(|n| Noise::new(seed * 4 + n)).collect();
    let mut detector = Detector::default();
    let mut said = Vec::new();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5eed);
    let (tide, phase) = (600.0 + 6600.0 * unit(&mut random), unit(&mut random));
    let mut served = 0.0;
    for step in 0..(HOURS / EVERY) as u32 {
        let t = f64::from(step) * EVERY;
        let course = 1.05 + 0.95 * ((t / tide + phase) * std::f64::consts::TAU).sin();
        let requests = RATE * EVERY * course * (0.5 + unit(&mut random));
        served += requests;
        let added = leak(t, served);
        if added.iter().any(|share| *share > 0.9) {
            break;
        }
        let shares: Vec<f64> = noise.iter_mut().map(|noise| noise.at(t)).collect();
        let late = 2.0 + 60.0 * shares[3];
        let mut sample =
            sample(shares[0] + added[0], 0.3 * shares[1] + added[1], shares[2] + added[2], late);
        if seed.is_multiple_of(2) {
            let name = "node.requests".into();
            sample.usage.readings.push(Reading { name, value: requests, unit: "requests".into() });
        }
        said.extend(detector.see(t, &sample).into_iter().map(|trouble| (t, trouble)));
    }
    said
}

#[test]
fn two_healthy_hours_raise_no_alarm() {
    for seed in 0..300 {
        assert_eq!(run(seed, &|_, _| [0.0; 3]), [], "seed {seed}");
    }
}

#[test]
fn each_leak_is_found_before_a_fifth_of_the_head_room_is_gone() {
    // 50 kB of memory, a goroutine per 100, a descriptor per 50 requests: at 20 and at 2 requests/s.
    let room = LIMIT - BASE;
    for (per_second, seeds) in [(20.0, 40u64), (2.0, 40)] {
        let leaks: [(Kind, usize, f64); 3] = [
            (Kind::MemoryLeak, 0, 50e3 * per_second / room),
            (Kind::DescriptorLeak, 1, per_second / 50.0 / (NOFILE - 100) as f64),
            (Kind::GoroutineLeak, 2, per_second / 100.0 / (room / 4096.0)),
        ];
        for (kind, at, share) in leaks {
            // Too slow to take a fifth in two hours: nothing to find yet.
            if share * HOURS < 0.2 {
                continue;
            }
            for seed in 0..seeds {
                let said = run(seed, &|t, _| {
                    let mut added = [0.0; 3];
                    added[at] = share * t;
                    added
                });
                let found = said.iter().find(|(_, trouble)| trouble.kind == kind);
                let gone = found.map(|(t, _)| share * t);
                assert!(
                    gone.is_some_and(|gone| gone < 0.2),
                    "{kind:?} at {per_second}/s, seed {seed}: {gone:?} of the head-room gone"
                );
            }
        }
    }
}

#[test]
fn what_each_request_leaves_is_found_and_said_for_each_request() {
    // Of a process in the mean: what all leave together, of so many processes.
    let room = LIMIT - BASE;
    let mut all = Vec::new();
    for seed in (0..80u64).step_by(2) {
        let said = run(seed, &|_, served| [50e3 * served / room, 0.0, 0.0]);
        let found = said.iter().find(|(_, trouble)| trouble.kind == Kind::MemoryLeak);
        let (_, trouble) = found.unwrap_or_else(|| panic!("seed {seed}: {said:?}"));
        assert!(trouble.evidence.contains(" each request, z "), "{}", trouble.evidence);
        all.push(trouble.per_request.unwrap() / 1024.0);
    }
    // 48.8 KiB, in noise that is as large as what has leaked by then.
    all.sort_by(f64::total_cmp);
    assert!((42.0..56.0).contains(&all[all.len() / 2]), "{all:?}");
    assert!(all.iter().all(|kib| (24.0..98.0).contains(kib)), "{all:?}");
    let said = run(0, &|_, served| [0.0, served / 5.0 / (NOFILE - 100) as f64, 0.0]);
    let (_, told) = said.iter().find(|(_, t)| t.kind == Kind::DescriptorLeak).unwrap();
    // Of the fullest of four workers, which serves a quarter of the requests.
    assert!(told.evidence.contains(", about 1 descriptor each request,"), "{}", told.evidence);
}

#[test]
fn what_lasts_is_said_with_its_evidence() {
    let mut detector = Detector::default();
    let mut full = sample(0.0, 0.0, 0.0, 300.0);
    full.limit = Limit { resource: Resource::WorkerPool, evidence: "4.0 of 4 busy".into() };
    full.usage.throttled = 0.1;
    full.usage.descriptors = 60_000;
    let said: Vec<Vec<Kind>> = (0..4)
        .map(|n| detector.see(f64::from(n) * EVERY, &full).iter().map(|t| t.kind).collect())
        .collect();
    assert_eq!(said[0], [Kind::EventLoopBlocked]);
    assert_eq!(said[2], [Kind::PoolSaturated, Kind::DescriptorsNearLimit]);
    assert!(said[1].is_empty() && said[3].is_empty(), "{said:?}");
}

#[test]
fn a_loop_that_stands_still_is_told_once_for_each_place() {
    let mut detector = Detector::default();
    let mut said = Vec::new();
    let stalls = [None, Some("a.js"), Some("a.js"), Some("b.js"), Some("a.js"), Some("b.js")];
    for (n, file) in (0u32..).zip(stalls) {
        let mut sample = sample(0.0, 0.0, 0.0, 0.0);
        let place = file.map(|file| Place { file: file.into(), line: 3, function: "f".into() });
        let why = Some("it is looked for".into());
        sample.stall = Some(Stall { ms: 700.0, place, why });
        let at = if n < 5 { f64::from(n) * EVERY } else { 1000.0 };
        said.extend(detector.see(at, &sample).into_iter().map(|trouble| (n, trouble)));
    }
    let evidence: Vec<(u32, &str)> = said.iter().map(|(n, t)| (*n, t.evidence.as_str())).collect();
    let still = "the event loop stood still for 700 ms";
    let expected = [
        (0, format!("{still}, where is not known: it is looked for")),
        (1, format!("{still} at a.js:3 (f)")),
        (3, format!("{still} at b.js:3 (f)")),
        (5, format!("{still} at b.js:3 (f)")),
    ];
    let expected: Vec<(u32, &str)> = expected.iter().map(|(n, e)| (*n, e.as_str())).collect();
    assert_eq!(evidence, expected);
    assert_eq!(said[1].1.place.as_ref().unwrap().line, 3);
}

#[test]
fn an_opcache_that_misses_is_traced_to_its_cause() {
    let cause = |readings: &[(&'static str, f64)]| {
        let mut sample = sample(0.0, 0.0, 0.0, 0.0);
        let reading = |(name, value): &(&'static str, f64)| Reading {
            name: (*name).into(),
            value: *value,
            unit: "".into(),
        };
        sample.usage.readings = readings.iter().map(reading).collect();
        let mut detector = Detector::default();
        let said = (0..3).flat_map(|n| detector.see(f64::from(n), &sample)).next().unwrap();
        assert_eq!(said.kind, Kind::OpcacheMisses);
        said.evidence
    };
    let low = ("opcache.hit_rate", 0.6);
    let on = ("opcache.enabled", 1.0);
    let slots = [low, on, ("opcache.keys", 7.0), ("opcache.max_keys", 7.0)];
    assert!(cause(&slots).contains("60 % of PHP's files") && cause(&slots).contains("slots"));
    assert!(cause(&[low, on, ("opcache.oom_restarts", 1.0)]).contains("memory_consumption"));
    let free = ("opcache.memory.free", 5e6);
    assert!(cause(&[low, on, free, ("opcache.hash_restarts", 1.0)]).contains("restarted"));
    assert!(cause(&[low, on, free]).contains("validate_timestamps"));
    assert!(cause(&[low, ("opcache.enabled", 0.0)]).contains("off"));
}
