//! What may be tried, of each runtime.

use super::*;
use knee_core::Sourced;
use knee_core::service::{Part, Place, ServiceContainer};

const AROUND: Surroundings = Surroundings { visible_cpus: 2, task_cpu: 0.5, task_memory: 1 << 30 };

fn service(runtime: &'static str) -> Service {
    let knowledge = runtimes::by_id(runtime).unwrap();
    let placed = |knob: knee_core::Knob| {
        let value = (knowledge.default)(&knob.name, &AROUND)?;
        let place = Place { site: knob.sites[0].clone(), file: None, seen_at: None };
        Some(PlacedKnob { knob, current: Sourced::assumed(value, "a test"), place })
    };
    let part = Part {
        runtime,
        recognised: Sourced::assumed(String::new(), "a test"),
        knobs: (knowledge.knobs)().into_iter().filter_map(placed).collect(),
    };
    Service {
        root: "/".into(),
        name: "test".into(),
        containers: vec![ServiceContainer {
            name: "app".into(),
            command: Sourced::assumed(vec![], "a test"),
            workdir: "/".into(),
            env: Default::default(),
            nofile: None,
            parts: vec![part],
        }],
        ..Service::default()
    }
}

fn values(all: &[Candidate], knob: &str) -> BTreeSet<Value> {
    all.iter().map(|c| c.settings.0[knob].clone()).collect()
}

#[test]
fn todays_settings_come_first_and_none_comes_twice() {
    for runtime in runtimes::all() {
        let service = service(runtime.id);
        let all = candidates(&service, &AROUND, Searched::default());
        assert_eq!(all[0].settings, settle(&service, &service.current()), "{}", runtime.id);
        let distinct: BTreeSet<_> = all.iter().map(|c| &c.settings).collect();
        assert!(distinct.len() == all.len() && all.len() > 1, "{}", runtime.id);
        assert!(all.iter().all(|c| c.point.len() == all[0].point.len()), "{}", runtime.id);
    }
}

#[test]
fn a_wsgi_application_stays_one() {
    let all = candidates(&service("gunicorn"), &AROUND, Searched::default());
    assert_eq!(values(&all, "worker-class"), ["gthread".into(), "sync".into()].into());
    assert_eq!(values(&all, "backlog"), [2048.into()].into(), "a limit is not searched");
}

/// gunicorn whose user narrowed a knob's range.
fn narrowed(name: &str, range: Range) -> Service {
    let mut service = service("gunicorn");
    let mut knobs = service.containers[0].parts[0].knobs.iter_mut();
    knobs.find(|k| k.knob.name == name).unwrap().knob.range = range;
    service
}

#[test]
fn a_fixed_value_holds_in_every_trial_but_todays() {
    // The backlog is a limit and not searched; what its user said of it holds all the same.
    for (knob, value) in [("threads", 4), ("backlog", 512)] {
        let service = narrowed(knob, Range::Integers { min: value, max: value });
        let all = candidates(&service, &AROUND, Searched::default());
        assert!(all.len() > 1);
        assert_ne!(all[0].settings.int(knob), Some(value), "today's settings");
        for candidate in &all[1..] {
            assert_eq!(candidate.settings.int(knob), Some(value), "{candidate:?}");
        }
    }
}

#[test]
fn a_range_that_leaves_todays_value_out_leaves_it_to_the_baseline() {
    let service = narrowed("workers", Range::Integers { min: 2, max: 6 });
    let all = candidates(&service, &AROUND, Searched::default());
    assert_eq!(all[0].settings.int("workers"), Some(1), "today's settings");
    let others = values(&all[1..], "workers");
    assert_eq!(others, [2, 3, 4, 6].map(Value::Int).into());
    let class = narrowed("worker-class", Range::Choices(vec!["gthread".into()]));
    let all = candidates(&class, &AROUND, Searched::default());
    assert_eq!(all[0].settings.0["worker-class"], "sync".into());
    assert_eq!(values(&all[1..], "worker-class"), ["gthread".into()].into());
    let limit = narrowed("backlog", Range::Integers { min: 64, max: 512 });
    let all = candidates(&limit, &AROUND, Searched { heap: None, limits: true });
    assert_eq!(values(&all[1..], "backlog"), [512.into()].into());
}

#[test]
fn what_the_model_cannot_tell_apart_is_tried_once() {
    let all = candidates(&service("go"), &AROUND, Searched::default());
    assert_eq!(values(&all, "GOMAXPROCS"), [1.into(), 2.into()].into(), "of two CPUs");
    assert_eq!(all.len(), 2, "no collector, no heap to search");
}

#[test]
fn a_collector_that_works_hard_brings_its_knobs() {
    let heap = Heap { collector: 0.3, live: 50e6, ..Heap::default() };
    let searched = Searched { heap: Some(heap), limits: false };
    let all = candidates(&service("go"), &AROUND, searched);
    assert_eq!(values(&all, "GOMEMLIMIT"), ["off".into(), 921.into(), 460.into()].into());
    let rare = all.iter().find(|c| c.settings.int("GOGC") == Some(400)).unwrap();
    assert!(rare.cost.cpu < 0.8 && rare.cost.memory > 100e6, "{:?}", rare.cost);
}

#[test]
fn a_collector_that_is_off_is_beyond_all_that_may_be_tried() {
    let mut service = service("go");
    let knobs = &mut service.containers[0].parts[0].knobs;
    knobs.iter_mut().find(|k| k.knob.name == "GOGC").unwrap().current.value = "off".into();
    let heap = Heap { collector: 0.3, live: 50e6, ..Heap::default() };
    let all = candidates(&service, &AROUND, Searched { heap: Some(heap), limits: false });
    assert_eq!(all[0].settings.text("GOGC"), Some("off"));
    assert!(all[1..].iter().all(|c| c.settings.int("GOGC").is_some()));
    let most = all[1..].iter().filter_map(|c| c.settings.int("GOGC")).max();
    assert_eq!((most, all[0].amounts.len()), (Some(1600), all[1].amounts.len()));
    assert!(all[0].amounts.contains(&3200.0), "{:?}", all[0].amounts);
}

#[test]
fn what_guards_a_service_over_hours_is_kept() {
    let searched = Searched { heap: None, limits: true };
    for (id, knob) in [("gunicorn", "max-requests"), ("php-fpm", "pm.max_requests")] {
        let all = candidates(&service(id), &AROUND, searched);
        assert_eq!(values(&all, knob), [0.into()].into(), "{id}");
    }
}

#[test]
fn limits_are_widened_together() {
    let searched = Searched { heap: None, limits: true };
    let all = candidates(&service("nginx"), &AROUND, searched);
    assert_eq!(values(&all, "worker_connections"), [512.into(), 8192.into()].into());
}
