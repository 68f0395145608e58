use super::*;
use crate::forecast::{Effort, Span};
use crate::sim::{self, Arrivals, Clients, Host, Run, Scenario};
use knee_core::event::{KnobFact, Machine, Trial};
use knee_core::observe::{
    Bound, Capacity, Counts, Kind, Latency, Limit, Outcome, Resource, Usage, Validity,
};
use knee_core::workload::Request;
use knee_core::{Bytes, Goal, Seconds, Sourced, Value};

/// What the service under test takes, which the fit has to find out.
struct Truth {
    class: sim::Class,
    background: f64,
    contention: f64,
    quota: f64,
}

impl Truth {
    fn step(&self, workers: i64, rate: f64, seed: u64) -> Step {
        let seconds = 6.0;
        let network = knee_core::model::Network::workers(workers as u32, 2048);
        let cpu = self.class.cpu.0;
        let busy = (rate * cpu / self.quota).min(1.0);
        let mut class = self.class.clone();
        class.cpu.0 *= 1.0 + self.contention * busy;
        let scenario = Scenario {
            network,
            host: Host::task(self.quota - self.background, 2),
            classes: vec![class],
            arrivals: Arrivals::Poisson(rate),
            clients: Clients::PATIENT,
            connections: None,
            start: 0.0,
            wake: 0.0,
            collector: None,
        };
        let requests = (rate * seconds) as u64;
        let outcome = sim::simulate(&scenario, &Run::of(requests, seed));
        let at = |q| outcome.quantile(q);
        Step {
            offered: rate,
            seconds,
            throughput: requests as f64 / outcome.seconds,
            counts: Counts { ok: requests, ..Counts::default() },
            latency: Latency {
                mean: outcome.mean(),
                p10: at(0.1),
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: at(1.0),
                goal: at(0.99),
            },
            outcome: if at(0.99) <= 0.25 { Outcome::Held } else { Outcome::Missed },
            usage: Some(Usage {
                cpu: outcome.cpu + self.background,
                memory: Bytes(50_000_000 + 40_000_000 * workers as u64),
                pss: Bytes(40_000_000 * workers as u64),
                processes: workers as u32 + 1,
                ..Usage::default()
            }),
            validity: Validity::default(),
        }
    }

    /// A run that measured today's workers and others at rising rates.
    fn run(&self, today: i64, others: &[i64], rates: &[f64]) -> Vec<Event> {
        let light = self.step(today, rates[0], 1);
        let calibration = Calibration {
            cpu: Seconds((light.usage.as_ref().unwrap().cpu - self.background) / light.throughput),
            wait: Seconds(light.latency.p50 - self.class.cpu.0),
            per_worker: Bytes(40_000_000),
            shared: Bytes(50_000_000),
            rate: rates[0],
            settings: workers(today),
            light: Some(Box::new(light)),
            kinds: vec![],
        };
        let bound = Bound { resource: Resource::CpuQuota, rate: 1e3 };
        let mut events = vec![
            Event::Started(Box::new(self.started())),
            Event::Calibrated { calibration, bound },
        ];
        for (i, n) in std::iter::once(&today).chain(others).enumerate() {
            let steps = rates.iter().map(|rate| self.step(*n, *rate, i as u64 + 10));
            events.push(Event::Tried(Box::new(trial(i as u32 + 1, *n, steps.collect()))));
        }
        events
    }

    fn started(&self) -> Started {
        let task = knee_core::Task { cpu: self.quota, memory: Bytes(1 << 30) };
        Started {
            knee: "0".into(),
            at: 0,
            service: "orders".into(),
            facts: vec![],
            task: Sourced::assumed(task, "test"),
            goal: Sourced::assumed(Goal::default(), "test"),
            requests: vec![Request::get("/orders")],
            knobs: vec![KnobFact {
                name: "workers".into(),
                runtime: "gunicorn".into(),
                doc: String::new(),
                unit: String::new(),
                range: String::new(),
                current: Sourced::assumed(Value::Int(1), "test"),
            }],
            machine: Machine { cpus: 2, ..Machine::default() },
            confinement: String::new(),
            seed: 1,
            validity: Validity::default(),
        }
    }
}

fn workers(n: i64) -> Settings {
    Settings::default().with("workers", n).with("threads", 1).with("worker-class", "sync")
}

fn trial(number: u32, n: i64, curve: Vec<Step>) -> Trial {
    let limited_by = Limit { resource: Resource::Unknown, evidence: String::new() };
    let capacity = Capacity {
        rate: 0.0,
        spread: None,
        at: None,
        curve,
        limited_by,
        validity: Validity::default(),
    };
    Trial {
        number,
        settings: workers(n),
        bound: None,
        capacity: Some(capacity),
        abandoned: None,
        rejected: None,
        seconds: 1.0,
    }
}

#[test]
fn what_a_run_shows_is_found_out() {
    let shape = Shape::through(&[(0.0, 0.8), (0.5, 0.95), (0.9, 1.2), (1.0, 2.0)]);
    let truth = Truth {
        class: sim::Class::new((0.004, Shape::Constant), (0.025, shape)),
        background: 0.010,
        contention: 0.15,
        quota: 1.0,
    };
    let events = truth.run(5, &[2, 10], &[20.0, 60.0, 100.0, 140.0]);
    let profile = profile("3", &events).unwrap();
    let class = &profile.classes[0];
    let near = |e: &Estimate, right: f64, by: f64| {
        assert!((e.value - right).abs() <= by, "{e:?}, not {right} ± {by}");
        assert!(e.deviation > 0.0 && e.deviation < right, "{e:?}");
    };
    near(&class.cpu.mean, 0.004, 0.0002);
    near(&class.wait.mean, 0.025, 0.001);
    near(&profile.contention, 0.15, 0.05);
    near(&profile.background, 0.010, 0.003);
    near(&profile.memory.per_process, 40e6, 1e6);
    near(&profile.memory.shared, 50e6, 2e6);
    let measured = profile.measured.as_ref().unwrap();
    assert_eq!((measured.processes, measured.run.as_str()), ((2, 10), "3"));
    assert!(measured.rates.1 > 120.0, "{:?}", measured.rates);
}

#[test]
fn a_forecast_from_a_run_is_what_the_service_does() {
    let truth = Truth {
        class: sim::Class::new((0.004, Shape::Constant), (0.025, Shape::Exponential)),
        background: 0.0,
        contention: 0.0,
        quota: 0.5,
    };
    let profile = profile("1", &truth.run(5, &[], &[20.0, 50.0, 80.0])).unwrap();
    let place = Place::of(truth.started().task.value, 2);
    let effort = Effort { span: Span::Steady { requests: 20_000 }, draws: 20, ..Effort::FULL };
    for (n, rate) in [(3, 50.0), (5, 90.0), (16, 100.0)] {
        let case = Case::new(&profile, &workers(n), place).unwrap();
        let said = case.under(rate, &Goal::default(), &effort);
        let seen: Vec<f64> =
            (0..15).map(|seed| truth.step(n, rate, 100 + seed).latency.p90).collect();
        let right = crate::statistics::median(&seen).unwrap();
        let p90 = Goal { quantile: 0.9, ..Goal::default() };
        let forecast = case.under(rate, &p90, &effort).goal;
        assert!((forecast.value / right - 1.0).abs() < 0.15, "{n}: {forecast:?}, not {right}");
        assert!(said.p50.low <= said.p50.value && said.p50.value <= said.p50.high);
    }
}

#[test]
fn kinds_that_were_sent_by_themselves_are_told_apart() {
    let truth = |cpu, wait| Truth {
        class: sim::Class::new((cpu, Shape::Constant), (wait, Shape::Exponential)),
        background: 0.0,
        contention: 0.0,
        quota: 1.0,
    };
    let kind = |name: &str, weight, cpu, wait| Kind {
        name: name.into(),
        weight,
        light: truth(cpu, wait).step(8, 20.0, 5),
    };
    let kinds = vec![kind("GET /one", 3.0, 0.002, 0.050), kind("GET /all", 1.0, 0.010, 0.020)];
    // What the mix takes in the mean: (3 × 2 + 10) / 4 ms.
    let mut events = truth(0.004, 0.0425).run(8, &[], &[20.0, 60.0]);
    let told = |events: &[Event]| profile("1", events).unwrap().classes;
    assert_eq!(told(&events).len(), 1);
    if let Event::Calibrated { calibration, .. } = &mut events[1] {
        calibration.kinds = kinds;
    }
    let classes = told(&events);
    let names: Vec<(&str, f64)> = classes.iter().map(|c| (&*c.name, c.weight)).collect();
    assert_eq!(names, [("GET /one", 3.0), ("GET /all", 1.0)]);
    for (class, cpu, wait) in [(&classes[0], 0.002, 0.050), (&classes[1], 0.010, 0.020)] {
        assert!((class.cpu.mean.value / cpu - 1.0).abs() < 0.1, "{class:?}");
        assert!((class.wait.mean.value / wait - 1.0).abs() < 0.25, "{class:?}");
    }
    // One that hardly answered tells nothing, one that filled the task tells of its queue: the mix stays one.
    let spoilt = |spoil: fn(&mut Step)| {
        let mut events = events.clone();
        if let Event::Calibrated { calibration, .. } = &mut events[1] {
            spoil(&mut calibration.kinds[1].light);
        }
        told(&events).len()
    };
    assert_eq!(spoilt(|light| light.counts.ok = 3), 1);
    assert_eq!(spoilt(|light| light.usage.as_mut().unwrap().cpu = 0.95), 1);
    assert_eq!(spoilt(|light| light.usage.as_mut().unwrap().cpu = 0.3), 2);
}

#[test]
fn settings_are_forecast_from_a_run_without_them() {
    let truth = Truth {
        class: sim::Class::new((0.004, Shape::Constant), (0.025, Shape::Exponential)),
        background: 0.0,
        contention: 0.0,
        quota: 0.5,
    };
    let mut events = truth.run(5, &[2, 10], &[20.0, 50.0, 80.0]);
    let usual = Residual::default();
    // Nothing was carried: nothing is known but what is usual.
    assert_eq!(residual("1", &events).unwrap(), usual);
    let carry = |events: &mut [Event], factor: f64| {
        let place = Place::of(truth.started().task.value, 2);
        let fitted = profile("1", events).unwrap();
        for event in events {
            let Event::Tried(trial) = event else { continue };
            let case = Case::new(&fitted, &trial.settings, place).unwrap();
            let said = case.carries(&Goal::default(), &Effort::MEASURED).rate.value;
            trial.capacity.as_mut().unwrap().rate = factor * said;
        }
    };
    carry(&mut events, 1.0);
    let right = residual("1", &events).unwrap().capacity;
    carry(&mut events, 0.6);
    let wrong = residual("1", &events).unwrap().capacity;
    assert!(right.value.abs() < 0.03 && right.deviation < usual.capacity.deviation, "{right:?}");
    assert!(wrong.value < -0.15 && wrong.deviation > right.deviation, "{wrong:?}");
}

#[test]
fn a_run_is_checked_against_its_own_profile() {
    let truth = Truth {
        class: sim::Class::new((0.004, Shape::Constant), (0.025, Shape::Exponential)),
        background: 0.0,
        contention: 0.0,
        quota: 0.5,
    };
    let mut events = truth.run(8, &[16], &[20.0, 50.0, 80.0]);
    let profile = profile("1", &events).unwrap();
    for event in &mut events {
        if let Event::Tried(trial) = event {
            trial.capacity.as_mut().unwrap().rate = 90.0;
        }
    }
    let checks = check("1", &events, &profile).unwrap();
    assert_eq!(checks.len(), 2);
    for check in &checks {
        assert!(check.forecast > 80.0 && check.error().abs() < 0.4, "{check:?}");
        // The lowest rate sent too few requests to tell a tail.
        let loads: Vec<f64> = check.tails.iter().map(|t| (t.load * 90.0).round()).collect();
        assert_eq!(loads, [50.0, 80.0], "{check:?}");
        assert!(check.tails.iter().all(|tail| tail.error().abs() < 0.35), "{check:?}");
    }
}

#[test]
fn the_scalability_law_goes_through_what_many_settings_carried() {
    let truth = Truth {
        class: sim::Class::constant(0.004, 0.025),
        background: 0.0,
        contention: 0.0,
        quota: 1.0,
    };
    let profile = profile("1", &truth.run(4, &[], &[20.0, 50.0])).unwrap();
    let right = crate::closed::usl::Usl { rate: 30.0, contention: 0.08, crosstalk: 0.002 };
    let point = |n: i64| {
        let measured = right.throughput(n as f64);
        Check { settings: workers(n), measured, forecast: 1.1 * measured, tails: vec![] }
    };
    let checks: Vec<Check> = [1, 2, 4, 8, 16, 32].map(point).to_vec();
    let said = law(&profile, &checks).unwrap();
    assert_eq!((said.settings, said.between), (6, (1.0, 32.0)));
    assert!((said.contention - 0.08).abs() < 1e-6 && (said.crosstalk - 0.002).abs() < 1e-8);
    assert!((said.peak.unwrap() - (0.92f64 / 0.002).sqrt()).abs() < 0.01, "{said:?}");
    assert!(said.off < 1e-6 && (said.simulated - 0.1).abs() < 1e-9, "{said:?}");
    assert_eq!(law(&profile, &checks[..4]), None, "four points go through anything");
}

#[test]
fn a_run_that_says_too_little_is_refused() {
    let truth = Truth {
        class: sim::Class::constant(0.004, 0.025),
        background: 0.0,
        contention: 0.0,
        quota: 1.0,
    };
    let events = truth.run(5, &[], &[20.0]);
    assert_eq!(profile("1", &events[..1]), Err(FitError::NotCalibrated("1".into())));
    let mut old = events.clone();
    if let Event::Calibrated { calibration, .. } = &mut old[1] {
        calibration.light = None;
    }
    // The lowest rate stands for it, where one was measured.
    assert!(profile("1", &old).is_ok());
    old.truncate(2);
    assert_eq!(profile("1", &old), Err(FitError::NotCalibrated("1".into())));
    let mut foreign = events;
    if let Event::Started(started) = &mut foreign[0] {
        started.knobs.clear();
    }
    assert_eq!(profile("1", &foreign), Err(FitError::NoModel("1".into())));
}

#[test]
fn a_profile_survives_being_written() {
    let truth = Truth {
        class: sim::Class::new((0.004, Shape::Constant), (0.025, Shape::Exponential)),
        background: 0.0,
        contention: 0.0,
        quota: 1.0,
    };
    let profile = profile("1", &truth.run(5, &[], &[20.0, 50.0])).unwrap();
    let text = serde_json::to_string_pretty(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
    let unknown = text.replacen("\"runtime\"", "\"runtyme\"", 1);
    let error = serde_json::from_str::<Profile>(&unknown).unwrap_err().to_string();
    assert!(error.contains("unknown field `runtyme`") && error.contains("line"), "{error}");
}
