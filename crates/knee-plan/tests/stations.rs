//! Each station of the simulator against a case that can be worked out by hand.

use knee_core::model::{Full, Intake, Network, Process, Recycling, Serial, Spread};
use knee_core::profile::Shape;
use knee_plan::closed::mmc::Mmc;
use knee_plan::sim::{Arrivals, Class, Clients, Cycle, Host, Outcome, Run, Scenario, simulate};

fn scenario(network: Network, host: Host, class: Class, arrivals: Arrivals) -> Scenario {
    Scenario {
        network,
        host,
        classes: vec![class],
        arrivals,
        clients: Clients::PATIENT,
        connections: None,
        start: 0.0,
        wake: 0.0,
        collector: None,
    }
}

/// Simulates every recorded arrival once; what comes after them comes much later.
fn once(scenario: &Scenario) -> Outcome {
    let Arrivals::Recorded(times) = &scenario.arrivals else { panic!("not recorded") };
    let requests = times.len() as u64;
    let last = times.last().unwrap() + 1e3;
    let arrivals = Arrivals::Recorded(times.iter().copied().chain([last]).collect());
    let scenario = Scenario { arrivals, ..scenario.clone() };
    simulate(&scenario, &Run { requests, warm_up: 0, seed: 1, give_up: None })
}

fn latencies(scenario: &Scenario, right_ms: &[f64]) {
    let said: Vec<f64> = once(scenario).latencies.iter().map(|l| f64::from(*l) * 1e3).collect();
    let same = said.len() == right_ms.len()
        && said.iter().zip(right_ms).all(|(a, b)| (a - b).abs() < 1e-3 * b.max(1.0));
    assert!(same, "{said:?}, not {right_ms:?}");
}

fn loops(count: u32, spread: Spread) -> Network {
    Network::event_loops(count, spread, 4, 511)
}

#[test]
fn more_threads_than_the_quota_stall_to_the_end_of_the_period() {
    // Half a vCPU on two cores: 50 ms of CPU in each 100 ms.
    let host = Host::task(0.5, 2);
    let four = Arrivals::Recorded(vec![0.0; 4]);
    let class = Class::constant(0.040, 0.0);
    // Four threads share two cores: 12.5 ms each by 25 ms, when the budget is used up; again by
    // 125 and 225 ms; the last 2.5 ms of each end at 305 ms.
    latencies(&scenario(Network::workers(4, 10), host, class.clone(), four.clone()), &[305.0; 4]);
    // One worker does the four one after the other: 50 ms of CPU by 50 ms of each period, so the
    // 40th, 80th, 120th and 160th ms of CPU come at 40, 130, 220 and 310 ms.
    let one = Network::workers(1, 10);
    latencies(&scenario(one, host, class, four), &[40.0, 130.0, 220.0, 310.0]);
}

#[test]
fn waiting_uses_no_quota() {
    let class = Class::constant(0.040, 0.100);
    let three = Arrivals::Recorded(vec![0.0; 3]);
    // 20 ms on two cores shared by three is 30 ms and 60 ms of CPU: the budget of 200 ms lasts.
    // Then 100 ms of waiting, and 30 ms again.
    let quota = Host::task(2.0, 2);
    latencies(&scenario(Network::workers(3, 10), quota, class, three), &[160.0; 3]);
}

#[test]
fn one_blocking_call_delays_all_on_its_loop() {
    let blocking = Class { blocking: (0.050, Shape::Constant), ..Class::constant(0.002, 0.010) };
    let two = Arrivals::Recorded(vec![0.0, 0.001]);
    let host = Host::task(4.0, 4);
    // Each computes 1 ms, blocks for 50, waits 10, computes 1. The second starts when the first
    // stops blocking at 51 ms; while it blocks until 102 ms, the first cannot go on.
    latencies(
        &scenario(loops(1, Spread::Woken), host, blocking.clone(), two.clone()),
        &[103.0, 112.0],
    );
    // On a thread of its own it is a wait like any other.
    latencies(&scenario(Network::workers(2, 10), host, blocking, two), &[62.0, 62.0]);
}

#[test]
fn an_event_loop_runs_to_completion_and_a_gil_switches() {
    let mut two = scenario(
        loops(1, Spread::Woken),
        Host::task(4.0, 4),
        Class::constant(0.051, 0.0),
        Arrivals::Recorded(vec![0.0, 0.010]),
    );
    // On a loop one after the other.
    latencies(&two, &[51.0, 92.0]);
    // Under a GIL the second is let in 5 ms after it came, and then they take turns of 5 ms.
    two.network = Network {
        process: Process { slots: Some(8), queue: 100, lanes: 1, turn: Some(0.005), helpers: 0 },
        intake: Intake { backlog: 100, full: Full::Dropped, spread: Spread::Woken, herd: false },
        serial: Serial::Gil,
        ..Network::workers(1, 100)
    };
    // At 15 ms the first has 36 ms left, which end after eight turns of the other, at 91 ms; the
    // other's last 11 ms end at 102, 92 ms after it came.
    latencies(&two, &[91.0, 92.0]);
}

#[test]
fn helper_threads_work_beside_the_loop_four_at_a_time() {
    let class = Class { offloaded: (0.030, Shape::Constant), ..Class::constant(0.0, 0.0) };
    let five = Arrivals::Recorded(vec![0.0; 5]);
    let right = [30.0, 30.0, 30.0, 30.0, 60.0];
    latencies(&scenario(loops(1, Spread::Woken), Host::task(8.0, 8), class, five), &right);
}

#[test]
fn a_backend_with_few_connections_is_a_queue() {
    let class = Class::new((0.0, Shape::Constant), (0.010, Shape::Exponential));
    let mut many =
        scenario(loops(1, Spread::Woken), Host::task(1.0, 1), class, Arrivals::Poisson(320.0));
    many.connections = Some(4);
    let outcome = simulate(&many, &Run::of(400_000, 7));
    let right = Mmc { servers: 4, rate: 320.0, holding: 0.010 };
    assert!((outcome.mean() / right.mean() - 1.0).abs() < 0.02, "{}", outcome.mean());
    assert!((outcome.busy.backend - 0.8).abs() < 0.01, "{:?}", outcome.busy);
    assert_eq!(outcome.binding(&many.network), knee_core::observe::Resource::Backend);
}

#[test]
fn a_full_queue_drops_and_the_client_tries_again_after_a_second() {
    // One worker, one more than its backlog of 0 in the queue, the third comes back after 1 s.
    let class = Class::constant(0.0, 0.100);
    let three = Arrivals::Recorded(vec![0.0; 3]);
    let mut full = scenario(Network::workers(1, 0), Host::task(1.0, 1), class, three);
    latencies(&full, &[100.0, 200.0, 1100.0]);
    full.network.intake.full = Full::Refused;
    let outcome = once(&full);
    assert_eq!((outcome.latencies.len(), outcome.failed.refused), (2, 1));
}

#[test]
fn clients_that_try_again_make_a_small_overload_a_collapse() {
    let at = |retries| {
        let class = Class::new((0.0, Shape::Constant), (0.100, Shape::Exponential));
        let mut pool =
            scenario(Network::workers(8, 4096), Host::task(1.0, 1), class, Arrivals::Poisson(84.0));
        pool.clients = Clients { timeout: Some(1.0), retries, pause: 0.1 };
        simulate(&pool, &Run::of(20_000, 5)).failed_share()
    };
    let (patient, insistent) = (at(0), at(3));
    assert!(patient < 0.99 && insistent > patient + 0.005, "{patient} {insistent}");
}

#[test]
fn workers_that_are_replaced_together_stall_the_service() {
    let at = |jitter| {
        let network = Network {
            recycling: Some(Recycling { after: 500, jitter }),
            ..Network::workers(4, 4096)
        };
        let class = Class::constant(0.002, 0.010);
        let mut pool = scenario(network, Host::task(1.0, 2), class, Arrivals::Poisson(150.0));
        pool.start = 0.4;
        simulate(&pool, &Run::of(100_000, 3))
    };
    let (together, spread) = (at(0), at(500));
    assert!(together.recycled > 150 && spread.recycled > 100);
    let (worst, better) = (together.quantile(0.99), spread.quantile(0.99));
    assert!(worst > 2.0 * better, "{worst} {better}");
}

#[test]
fn connections_dealt_out_in_turn_are_spread_better_than_by_hash() {
    let at = |spread| {
        let class = Class::new((0.004, Shape::Exponential), (0.0, Shape::Constant));
        let network = loops(4, spread);
        let four = scenario(network, Host::task(4.0, 4), class, Arrivals::Poisson(500.0));
        simulate(&four, &Run::of(100_000, 11)).quantile(0.99)
    };
    let (in_turn, hashed) = (at(Spread::InTurn), at(Spread::Hashed));
    // What a single queue would reach, were requests not bound to a loop.
    let right = Mmc { servers: 4, rate: 500.0, holding: 0.004 }.quantile(0.99);
    assert!(in_turn > right, "{in_turn} {right}");
    assert!(hashed > in_turn, "{hashed} {in_turn}");
}

#[test]
fn a_collector_takes_its_share_of_the_cpu() {
    let network = Network {
        process: Process { slots: None, queue: 0, lanes: 2, turn: Some(0.010), helpers: 0 },
        serial: Serial::Threads,
        ..loops(1, Spread::Woken)
    };
    let class = Class { allocates: 1e6, ..Class::constant(0.004, 0.0) };
    let mut go = scenario(network, Host::task(2.0, 2), class, Arrivals::Poisson(200.0));
    go.collector = Some(Cycle { every: 10e6, cpu: 0.020, threads: 1 });
    let outcome = simulate(&go, &Run::of(50_000, 2));
    // A collection for every ten requests: 2 ms for each.
    assert!((outcome.cpu / 1.2 - 1.0).abs() < 0.02, "{}", outcome.cpu);
    assert!(outcome.collections.abs_diff(5_500) < 60, "{}", outcome.collections);
}

#[test]
fn recorded_arrivals_are_gone_through_again() {
    let times: Vec<f64> = (0..10).map(|i| f64::from(i) * 0.010).collect();
    let class = Class::constant(0.0, 0.005);
    let again =
        scenario(Network::workers(1, 10), Host::task(1.0, 1), class, Arrivals::Recorded(times));
    let outcome = simulate(&again, &Run::of(1000, 1));
    assert!(outcome.latencies.iter().all(|l| (l - 0.005).abs() < 1e-5));
    assert!((outcome.seconds - 10.0).abs() < 0.02, "{}", outcome.seconds);
}

#[test]
fn a_seed_gives_the_same_answer_on_any_machine() {
    let shape = Shape::through(&[(0.0, 1.0), (0.5, 2.0), (0.99, 9.0), (1.0, 20.0)]);
    let class = Class::new((0.005, shape), (0.020, Shape::Exponential));
    let pool =
        scenario(Network::workers(8, 100), Host::task(0.5, 2), class, Arrivals::Poisson(70.0));
    let outcome = simulate(&pool, &Run::of(20_000, 42));
    // FNV-1a over the bits of every latency, written down once.
    let hash = outcome.latencies.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, l| {
        (hash ^ u64::from(l.to_bits())).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(hash, 0x86fa_6a89_90b9_253e, "{hash:#x}");
}

#[test]
fn an_overload_is_given_up() {
    let class = Class::constant(0.0, 0.100);
    let pool =
        scenario(Network::workers(1, 1 << 30), Host::task(1.0, 1), class, Arrivals::Poisson(20.0));
    let run = Run { requests: 100_000, warm_up: 0, seed: 1, give_up: Some((0.5, 100)) };
    let outcome = simulate(&pool, &run);
    assert!(outcome.overloaded && outcome.events < 2_000, "{}", outcome.events);
}

#[test]
fn threads_that_wait_for_the_interpreters_lock_cost_cpu() {
    let threads = |wake: f64| {
        let process =
            Process { slots: Some(64), turn: Some(0.005), ..Network::workers(1, 64).process };
        let network = Network { process, serial: Serial::Gil, ..Network::workers(1, 64) };
        let class = Class::constant(0.020, 0.0);
        let arrivals = Arrivals::Poisson(40.0);
        let scenario = Scenario { wake, ..scenario(network, Host::task(2.0, 2), class, arrivals) };
        simulate(&scenario, &Run::of(20_000, 1)).cpu
    };
    // At 0.8 of the lock's time, a request waits for it for some 40 ms: eight turns.
    let (free, dear) = (threads(0.0), threads(50e-6));
    assert!((free - 0.8).abs() < 0.02, "{free}");
    assert!(dear > free + 0.005 && dear < free + 0.08, "{free} {dear}");
}

#[test]
fn a_full_process_closes_what_another_had_room_for() {
    let failed = |full: Full| {
        let one = loops(2, Spread::Woken);
        let process = Process { slots: Some(32), ..one.process };
        let network = Network { process, intake: Intake { full, backlog: 0, ..one.intake }, ..one };
        let at_once = Arrivals::Recorded(vec![0.0; 64]);
        let all = scenario(network, Host::task(2.0, 2), Class::constant(0.0, 0.020), at_once);
        let run = Run { requests: 64, warm_up: 0, seed: 1, give_up: None };
        simulate(&all, &run).failed.refused
    };
    // Dealt out by chance they do not fit, though there is room for all.
    assert!(failed(Full::Refused) == 0 && failed(Full::Closed) > 0, "{}", failed(Full::Closed));
}

#[test]
fn idle_workers_wake_in_vain_but_once_while_all_are_stopped() {
    let cpu = |workers: u32, rate: f64, quota: f64| {
        let pool = Network::workers(workers, 2048);
        let network = Network { intake: Intake { herd: true, ..pool.intake }, ..pool };
        let (host, class) = (Host::task(quota, 2), Class::constant(0.001, 0.020));
        let wakes = scenario(network, host, class, Arrivals::Poisson(rate));
        simulate(&Scenario { wake: 20e-6, ..wakes }, &Run::of(20_000, 1))
    };
    let each = |workers, rate, quota| cpu(workers, rate, quota).cpu / rate;
    // 63 of 64 wake for nothing where requests come one by one.
    let light = each(64, 5.0, 2.0);
    assert!((light - 0.001 - 63.0 * 20e-6).abs() < 1e-4, "{light}");
    // Paid for each request, that would end it at 220 requests/s. Busy workers do not wake.
    let busy = cpu(64, 400.0, 0.5);
    assert!(busy.quantile(0.99) < 0.25, "{}", busy.quantile(0.99));
    assert!((each(1, 5.0, 2.0) - 0.001).abs() < 1e-5);
}
