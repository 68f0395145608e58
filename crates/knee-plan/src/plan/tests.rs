use super::*;
use crate::forecast::Pattern;
use crate::sim::Clients;
use knee_core::observe::Resource;
use knee_core::profile::{Class, Demand, Estimate, Memory, Residual, Shape, Version};
use knee_core::{Bytes, Seconds};

/// A service of gunicorn's that is known to a tenth.
fn profile(cpu: f64, wait: f64) -> Profile {
    let time = |mean: f64| Demand {
        mean: Estimate::assumed(mean, 0.1 * mean, "test"),
        shape: Shape::Constant,
    };
    let none = || Estimate::assumed(0.0, 0.0, "test");
    Profile {
        version: Version,
        service: "orders".into(),
        runtime: "gunicorn".into(),
        classes: vec![Class {
            name: "GET /orders".into(),
            weight: 1.0,
            cpu: time(cpu),
            wait: time(wait),
            blocking: Demand::none(),
            offloaded: Demand::none(),
            calls: 1,
        }],
        background: none(),
        contention: none(),
        crowding: none(),
        wake: none(),
        memory: Memory {
            shared: Estimate::assumed(60e6, 6e6, "test"),
            per_process: Estimate::assumed(45e6, 4e6, "test"),
            per_request: none(),
        },
        start: none(),
        heap: None,
        residual: Residual::default(),
        measured: None,
    }
}

fn pools(_: &Surroundings) -> Vec<Settings> {
    [1i64, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
        .map(|n| Settings::default().with("workers", n))
        .to_vec()
}

fn planned(profile: &Profile, rate: f64, change: impl FnOnce(&mut Request<'_>)) -> Plan {
    let prices = Prices::shipped();
    let mut request = Request {
        profile,
        candidates: &pools,
        sizes: ["0.25,512MiB", "0.25,1GB", "0.5,1GB", "1,2GB", "2,4GB"]
            .map(|t| t.parse().unwrap())
            .to_vec(),
        rate,
        goal: Goal::default(),
        memory_free: 0.1,
        growth: Growth::default(),
        prices: &prices,
        at_least: 2,
        connections: None,
        traffic: Traffic::default(),
        speed: 1.0,
        effort: Effort { draws: 6, ..Effort::FULL },
    };
    change(&mut request);
    plan(&request)
}

#[test]
fn enough_tasks_hold_the_goal_and_the_cheapest_comes_first() {
    let plan = planned(&profile(0.008, 0.040), 200.0, |_| {});
    assert!(plan.impossible.is_none() && plan.choices.len() >= 4, "{plan:#?}");
    assert!(plan.choices.windows(2).all(|w| w[0].month.x86 <= w[1].month.x86));
    for choice in &plan.choices {
        let each = 200.0 / f64::from(choice.tasks);
        assert!(each <= choice.carries.rate.value * Growth::default().usable() + 1e-9);
        assert!(choice.load.goal.value <= 0.25, "{choice:#?}");
        assert!(choice.head_room > 0.2 && choice.tasks >= 2);
        assert!(choice.tasks_between.0 <= choice.tasks && choice.tasks <= choice.tasks_between.1);
        assert!(choice.month.arm < choice.month.x86 && choice.month.x86_spot < choice.month.arm);
        assert!(choice.load.memory.expected <= Bytes((choice.task.memory.0 as f64 * 0.9) as u64));
        assert!(choice.beyond[0].contains("assumed"));
    }
}

#[test]
fn the_first_small_size_has_no_room_for_workers_that_wait() {
    let plan = planned(&profile(0.001, 0.100), 50.0, |_| {});
    let workers = |task: &str| {
        let task: Task = task.parse().unwrap();
        plan.choices.iter().find(|c| c.task == task).unwrap().settings.int("workers").unwrap()
    };
    assert!(workers("0.25,512MiB") < workers("0.25,1GB"), "{plan:#?}");
    // 100 ms of waiting keep a pool busy while the CPU idles.
    let small = &plan.choices.iter().find(|c| c.task.memory == Bytes(512 << 20)).unwrap();
    assert_eq!(small.carries.binding, Resource::WorkerPool);
    assert_eq!(small.tracking.cpu_percent, None);
    assert!(small.tracking.because.contains("CPU is no signal"), "{}", small.tracking.because);
}

#[test]
fn a_busy_cpu_is_a_signal() {
    let plan = planned(&profile(0.020, 0.002), 50.0, |_| {});
    let choice = &plan.choices[0];
    let percent = choice.tracking.cpu_percent.unwrap();
    assert!((40.0..80.0).contains(&percent), "{choice:#?}");
    let rate = choice.tracking.requests_per_minute / 60.0;
    assert!((rate / choice.carries.rate.value / Growth::default().usable() - 1.0).abs() < 0.02);
}

#[test]
fn what_cannot_be_is_explained() {
    let slow = planned(&profile(0.005, 0.400), 10.0, |_| {}).impossible.unwrap();
    assert_eq!(slow.resource, Resource::Backend);
    assert!(slow.because.contains("405 ms") && slow.because.contains("250 ms"), "{slow:?}");
    assert!(slow.change.contains("waiting") && slow.change.contains("245 ms"), "{slow:?}");
    let heavy = planned(&profile(0.500, 0.001), 10.0, |_| {}).impossible.unwrap();
    assert_eq!(heavy.resource, Resource::CpuQuota);
    let mut large = profile(0.005, 0.020);
    large.memory.per_process.value = 5e9;
    let plan = planned(&large, 10.0, |_| {});
    assert_eq!(plan.impossible.unwrap().resource, Resource::Memory);
    assert!(plan.unfit.len() == 5 && plan.unfit[0].because.contains("takes at least"));
    let few = planned(&profile(0.001, 0.040), 500.0, |request| request.connections = Some(10));
    let few = few.impossible.unwrap();
    assert_eq!(few.resource, Resource::Backend);
    assert!(few.because.contains("250 requests/s") && few.change.contains("25 conn"), "{few:?}");
}

#[test]
fn what_a_request_alone_would_hold_is_not_explained_by_it() {
    // Enough connections in the mean, and a queue before them.
    let queue = planned(&profile(0.008, 0.040), 48.0, |request| request.connections = Some(2));
    let queue = queue.impossible.unwrap();
    assert_eq!(queue.resource, Resource::Backend);
    assert!(queue.because.contains("all tasks share (2)"), "{queue:?}");
    assert!(queue.change.contains("more than 2"), "{queue:?}");
    let slip = planned(&profile(0.008, 0.040), 1e12, |_| {});
    assert!(slip.choices.is_empty() && slip.unfit.len() == 5);
    assert!(slip.unfit[0].because.contains("a million tasks"), "{:?}", slip.unfit);
    let slip = slip.impossible.unwrap();
    assert!(slip.because.starts_with("1.000e12 requests/s take more than"), "{slip:?}");
}

#[test]
fn instances_are_filled() {
    let profile = profile(0.008, 0.040);
    let mut prices = Prices::shipped();
    prices.instances = vec!["m7g.large=2,8GiB,0.0816".parse().unwrap()];
    let plan = {
        let prices = prices.clone();
        let request = Request {
            profile: &profile,
            candidates: &pools,
            sizes: vec!["1,2GB".parse().unwrap()],
            rate: 300.0,
            goal: Goal { latency: Seconds(0.3), ..Goal::default() },
            memory_free: 0.1,
            growth: Growth::default(),
            prices: &prices,
            at_least: 2,
            connections: None,
            traffic: Traffic::default(),
            speed: 1.0,
            effort: Effort::DRAFT,
        };
        plan(&request)
    };
    let on = &plan.instances[0];
    assert_eq!(on.count, plan.choices[0].tasks.div_ceil(2));
    assert!((on.month - f64::from(on.count) * 0.0816 * 730.0).abs() < 1e-9);
}

#[test]
fn the_same_request_gives_the_same_plan() {
    let profile = profile(0.008, 0.040);
    let text = || serde_json::to_string(&planned(&profile, 100.0, |_| {})).unwrap();
    assert_eq!(text(), text());
}

#[test]
fn clients_that_try_again_make_an_overload_a_collapse() {
    let profile = profile(0.020, 0.002);
    let curve = |clients: Clients| {
        let traffic = Traffic { clients, ..Traffic::default() };
        let plan = planned(&profile, 40.0, |request| request.traffic = traffic);
        plan.curve.unwrap()
    };
    let patient = curve(Clients::PATIENT);
    let last = patient.points.last().unwrap();
    assert!(last.p99.is_infinite() && last.attempts == 1.0 && last.binding == Resource::CpuQuota);
    let hasty = curve(Clients { timeout: Some(0.5), retries: 3, pause: 0.1 });
    let at = |load: f64| {
        let carried = hasty.points[3].rate;
        hasty.points.iter().find(|p| (p.rate / carried - load).abs() < 1e-9).unwrap().clone()
    };
    let (calm, over) = (at(0.8), at(2.0));
    assert!(calm.errors < 0.001 && calm.attempts < 1.05, "{calm:?}");
    // It computes answers that nobody waits for any more: more is asked, less is answered.
    assert!(over.attempts > 2.0 && over.answered < 0.5 * calm.answered, "{over:?} {calm:?}");
}

#[test]
fn even_arrivals_carry_more_than_independent_ones() {
    let profile = profile(0.020, 0.002);
    let carried = |arrivals: Pattern| {
        let traffic = Traffic { arrivals, ..Traffic::default() };
        let plan = planned(&profile, 40.0, |request| {
            request.traffic = traffic;
            request.sizes = vec!["1,2GB".parse().unwrap()];
        });
        plan.choices[0].carries.rate.value
    };
    let rush = (0..3000).map(|i| f64::from(i % 300) * 0.002 + f64::from(i / 300) * 10.0).collect();
    let (even, poisson) = (carried(Pattern::Constant), carried(Pattern::Poisson));
    let rushes = carried(Pattern::Recorded(rush));
    assert!(even > 1.03 * poisson && rushes < 0.5 * poisson, "{even} {poisson} {rushes}");
}
