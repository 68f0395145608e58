//! The simulator against queueing theory: twenty seeds, and the exact value has to lie inside
//! the 99 % interval of their mean (Student's t) for every quantile checked.

use knee_core::model::{Full, Intake, Network, Process, Serial, Spread};
use knee_core::profile::Shape;
use knee_plan::closed::mdc::Md1;
use knee_plan::closed::mmc::{Mmc, Mmck};
use knee_plan::closed::sharing;
use knee_plan::sim::{Arrivals, Class, Clients, Host, Outcome, Run, Scenario, simulate};

const SEEDS: u64 = 20;
/// 99.5 % quantile of Student's t for 19 degrees of freedom.
const STUDENT: f64 = 2.861;
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
const HOLDING: f64 = 0.010;

fn scenario(network: Network, host: Host, class: Class, rate: f64) -> Scenario {
    Scenario {
        network,
        host,
        classes: vec![class],
        arrivals: Arrivals::Poisson(rate),
        clients: Clients::PATIENT,
        connections: None,
        start: 0.0,
        wake: 0.0,
        collector: None,
    }
}

/// Servers that are kept without using CPU.
fn waiting(servers: u32, shape: Shape, rate: f64) -> Scenario {
    let class = Class::new((0.0, Shape::Constant), (HOLDING, shape));
    scenario(Network::workers(servers, 1 << 30), Host::task(1.0, 1), class, rate)
}

/// One process that computes on so many lanes, with as many cores of its own.
fn computing(lanes: u32, cores: u32, shape: Shape, rate: f64) -> Scenario {
    let network = Network {
        process: Process { slots: None, queue: 0, lanes, turn: None, helpers: 0 },
        intake: Intake { backlog: 0, full: Full::Dropped, spread: Spread::Woken, herd: false },
        serial: Serial::Threads,
        ..Network::workers(1, 0)
    };
    let class = Class::new((HOLDING, shape), (0.0, Shape::Constant));
    scenario(network, Host::task(f64::from(cores), cores), class, rate)
}

fn runs(scenario: &Scenario, requests: u64) -> Vec<Outcome> {
    let one = |seed| simulate(scenario, &Run { warm_up: requests / 5, ..Run::of(requests, seed) });
    (1..=SEEDS).map(one).collect()
}

/// Whether the exact value is inside the interval of what the seeds say.
fn inside(what: &str, said: &[f64], exact: f64) {
    let n = said.len() as f64;
    let mean = said.iter().sum::<f64>() / n;
    let variance = said.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    let half = STUDENT * (variance / n).sqrt();
    assert!((mean - exact).abs() <= half, "{what}: {mean} ± {half}, exactly {exact}");
}

fn quantiles(what: &str, outcomes: &[Outcome], exact: impl Fn(f64) -> f64) {
    for q in QUANTILES {
        let said: Vec<f64> = outcomes.iter().map(|o| o.quantile(q)).collect();
        inside(&format!("{what}, quantile {q}"), &said, exact(q));
    }
}

#[test]
fn m_m_1() {
    for load in [0.5, 0.8] {
        let rate = load / HOLDING;
        let right = Mmc { servers: 1, rate, holding: HOLDING };
        let workers = runs(&waiting(1, Shape::Exponential, rate), 200_000);
        quantiles(&format!("M/M/1 of a worker at {load}"), &workers, |q| right.quantile(q));
        let cpu = runs(&computing(1, 1, Shape::Exponential, rate), 200_000);
        quantiles(&format!("M/M/1 of a CPU at {load}"), &cpu, |q| right.quantile(q));
    }
}

#[test]
fn m_m_c() {
    for (servers, load) in [(2, 0.6), (8, 0.8)] {
        let rate = load * f64::from(servers) / HOLDING;
        let right = Mmc { servers, rate, holding: HOLDING };
        let workers = runs(&waiting(servers, Shape::Exponential, rate), 200_000);
        quantiles(&format!("M/M/{servers} of workers"), &workers, |q| right.quantile(q));
        let cpu = runs(&computing(servers, servers, Shape::Exponential, rate), 200_000);
        quantiles(&format!("M/M/{servers} of lanes"), &cpu, |q| right.quantile(q));
    }
}

#[test]
fn m_d_1() {
    // At 0.5 the median lies on the edge between waiting and not, where it is not one value.
    for load in [0.6, 0.8] {
        let right = Md1::new(load / HOLDING, HOLDING).unwrap();
        let workers = runs(&waiting(1, Shape::Constant, load / HOLDING), 200_000);
        quantiles(&format!("M/D/1 of a worker at {load}"), &workers, |q| right.quantile(q));
        let cpu = runs(&computing(1, 1, Shape::Constant, load / HOLDING), 200_000);
        quantiles(&format!("M/D/1 of a CPU at {load}"), &cpu, |q| right.quantile(q));
    }
}

#[test]
fn m_m_c_k() {
    for (servers, places, load) in [(1, 5, 0.9), (4, 12, 1.2)] {
        let rate = load * f64::from(servers) / HOLDING;
        let right = Mmck { queue: Mmc { servers, rate, holding: HOLDING }, places };
        let mut scenario = waiting(servers, Shape::Exponential, rate);
        // The kernel's queue holds one more than its backlog.
        scenario.network.intake = Intake {
            backlog: places - servers - 1,
            full: Full::Refused,
            spread: Spread::Free,
            herd: false,
        };
        let mut outcomes = runs(&scenario, 200_000);
        let refused: Vec<f64> = outcomes.iter().map(Outcome::failed_share).collect();
        inside("refused", &refused, right.refused());
        outcomes.iter_mut().for_each(|o| o.failed.refused = 0);
        quantiles(&format!("M/M/{servers}/{places}"), &outcomes, |q| right.quantile(q));
    }
}

/// As many lanes as there may be requests share one core.
fn sharing_one_core(shape: Shape, load: f64) -> Scenario {
    computing(1 << 30, 1, shape, load / HOLDING)
}

#[test]
fn m_m_1_ps() {
    for load in [0.5, 0.8] {
        let outcomes = runs(&sharing_one_core(Shape::Exponential, load), 200_000);
        quantiles(&format!("M/M/1-PS at {load}"), &outcomes, |q| {
            sharing::exponential_quantile(load / HOLDING, HOLDING, q)
        });
    }
}

#[test]
fn m_g_1_ps_does_not_depend_on_how_service_scatters() {
    // A tenth of the requests take 5.5 times as long as the others.
    let mixed = Shape::through(&[(0.0, 1.0), (0.9, 1.0), (0.900001, 5.5), (1.0, 5.5)]);
    let load = 0.8;
    for (name, shape) in [("constant", Shape::Constant), ("two kinds", mixed)] {
        let outcomes = runs(&sharing_one_core(shape, load), 200_000);
        let means: Vec<f64> = outcomes.iter().map(Outcome::mean).collect();
        inside(&format!("mean of {name}"), &means, sharing::mean(load, HOLDING));
        for n in [0, 1, 4, 12] {
            let found: Vec<f64> = outcomes.iter().map(|o| found_at_most(o, n)).collect();
            let exact: f64 = (0..=n).map(|k| sharing::present(load, k)).sum();
            inside(&format!("at most {n} present of {name}"), &found, exact);
        }
    }
}

fn found_at_most(outcome: &Outcome, n: u32) -> f64 {
    let all: u64 = outcome.found.iter().sum();
    outcome.found[..=n as usize].iter().sum::<u64>() as f64 / all as f64
}

#[test]
fn a_request_of_x_seconds_stays_x_over_the_idle_share() {
    let class = |cpu| Class { weight: 0.5, ..Class::constant(cpu, 0.0) };
    let mut scenario = sharing_one_core(Shape::Constant, 0.7);
    scenario.classes = vec![class(0.004), class(0.016)];
    let outcomes = runs(&scenario, 200_000);
    for (i, seconds) in [0.004, 0.016].into_iter().enumerate() {
        let said: Vec<f64> = outcomes.iter().map(|o| o.class_means[i]).collect();
        inside(&format!("class of {seconds} s"), &said, sharing::mean(0.7, seconds));
    }
}
