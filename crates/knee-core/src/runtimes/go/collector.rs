//! What Go's collector takes, as a model: when it comes, and what a collection costs on one thread
//! and on several.

use crate::model::{Collector, Full, Intake, Network, Process, Serial, Spread};
use crate::observe::Usage;
use crate::runtimes::{Cost, Heap, Surroundings};
use crate::settings::Settings;

const MIB: f64 = (1 << 20) as f64;
/// Growth of a heap that nothing but a limit of memory has collected.
const ENDLESS: f64 = 1e6;
/// Most that the collector uses over the program itself at a memory limit: it is kept to half of the
/// CPU (<https://go.dev/doc/gc-guide#Memory_limit>).
const MOST_COLLECTOR: f64 = 1.0;
/// Share of the CPU from which a collector is worth a model, and the most that is believed.
const COLLECTS: f64 = 0.05;
const MOST_COLLECTED: f64 = 0.7;

// Set from the grid of examples/go with the mixed requests at 0.5 vCPU, Go 1.27 on a virtual machine of two
// CPUs: CPU per request against collections per request, GOGC from 25 to 1600.

/// CPU of a collection on several threads that gctrace does not count: threads that are woken on
/// other CPUs and look for work; seconds.
const UNTOLD: f64 = 1.1e-3;
/// CPU that a collection takes more on several threads than on one, seconds, and the least share of it
/// that one thread takes.
const HANDED: f64 = 1.35e-3;
const LEAST_ALONE: f64 = 0.3;
/// The same of a request.
const HANDING: f64 = 0.25e-3;

/// One process; a goroutine that computes is interrupted after 10 ms
/// (<https://go.dev/doc/go1.14#runtime>, `forcePreemptNS` in `runtime/proc.go`). The queue of
/// the listening socket is as long as net.core.somaxconn says.
pub fn model(settings: &Settings, around: &Surroundings) -> Option<Network> {
    let visible = i64::from(around.visible_cpus.max(1));
    let lanes = settings.int("GOMAXPROCS").unwrap_or(visible).clamp(1, visible) as u32;
    Some(Network {
        processes: 1,
        process: Process { slots: None, queue: 0, lanes, turn: Some(0.010), helpers: 0 },
        intake: Intake { backlog: 4096, full: Full::Dropped, spread: Spread::Woken, herd: false },
        serial: Serial::Threads,
        crowding: 0.0,
        handing: if lanes > 1 { HANDING } else { 0.0 },
        recycling: None,
        // As much as the task has is no limit: the kernel kills at that.
        collector: Some(pace(settings, around.task_memory as f64)),
    })
}

/// When it collects; a limit of `most` bytes or more is none. `GOGC=off` leaves the limit alone.
fn pace(settings: &Settings, most: f64) -> Collector {
    let growth = match settings.text("GOGC") {
        Some(super::OFF) => ENDLESS,
        _ => settings.int("GOGC").unwrap_or(100).max(1) as f64 / 100.0,
    };
    let limit = settings.int("GOMEMLIMIT").map(|mib| mib.max(1) as f64 * MIB);
    Collector { growth, limit: limit.filter(|limit| *limit < most) }
}

/// From gctrace at low load, where the quota stretches none of its times. Threads that had nothing
/// else to do mark too; under a quota that is CPU like any other.
pub fn heap(usage: &Usage, lanes: f64) -> Option<Heap> {
    let reading = |name: &str| usage.readings.iter().find(|r| r.name == name).map(|r| r.value);
    let (live, goal) = (reading("go.heap.live")? * MIB, reading("go.heap.goal")? * MIB);
    let cycles = reading("go.gc.cycles").filter(|cycles| *cycles > 0.0)?;
    let told = (reading("go.gc.cpu")? + reading("go.gc.idle").unwrap_or(0.0)) * lanes / cycles;
    let cycle = told + if lanes > 1.0 { UNTOLD } else { 0.0 };
    let collector = (cycle * cycles / usage.cpu.max(1e-3)).min(MOST_COLLECTED);
    let allocated = cycles * (goal - live).max(0.0);
    (collector > COLLECTS && allocated > 0.0).then_some(Heap { collector, live, cycle, allocated })
}

/// A collection comes when the heap has grown by GOGC per cent of what is alive, or when it
/// reaches GOMEMLIMIT: the collector's CPU is inverse to that growth
/// (<https://go.dev/doc/gc-guide#GOGC>). On one thread a collection takes less.
pub fn collect(today: &Settings, then: &Settings, heap: Heap) -> Cost {
    let paces = [today, then].map(|settings| pace(settings, f64::INFINITY));
    let [before, after] = paces.map(|pace| pace.room(heap.live));
    let [alone, along] = [today, then].map(|settings| settings.int("GOMAXPROCS") == Some(1));
    let program = 1.0 - heap.collector;
    let collector = heap.collector * before / after * handed(heap.cycle, alone, along);
    let most = if paces[1].limits(heap.live) { program * MOST_COLLECTOR } else { f64::INFINITY };
    Cost { cpu: program + collector.min(most), memory: after - before }
}

/// CPU of a collection over today's `cycle` seconds, where today or then it is `alone` on one thread.
fn handed(cycle: f64, alone: bool, along: bool) -> f64 {
    match (alone, along) {
        (false, true) => (1.0 - HANDED / cycle.max(1e-9)).max(LEAST_ALONE),
        (true, false) => (1.0 + HANDED / cycle.max(1e-9)).min(1.0 / LEAST_ALONE),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Reading;

    fn set(threads: i64, gogc: i64, limit: i64) -> Settings {
        let set = Settings::default().with("GOMAXPROCS", threads);
        set.with("GOGC", gogc).with("GOMEMLIMIT", limit)
    }

    #[test]
    fn twice_the_growth_halves_the_collectors_work() {
        let heap = Heap { collector: 0.4, live: 40.0 * MIB, ..Heap::default() };
        let cost = collect(&set(2, 100, 1024), &set(2, 200, 1024), heap);
        assert!((cost.cpu - (0.6 + 0.2)).abs() < 1e-9, "{cost:?}");
        assert_eq!(cost.memory, 40.0 * MIB);
        let kept = collect(&set(2, 100, 1024), &set(2, 1600, 120), heap);
        assert_eq!(kept.memory, 40.0 * MIB, "the limit comes first");
        let same = collect(&set(2, 100, 1024), &set(2, 100, 1024), heap);
        assert_eq!(same, Cost::default());
    }

    #[test]
    fn a_small_heap_is_collected_at_gos_least_size() {
        let heap = Heap { collector: 0.4, live: MIB, ..Heap::default() };
        let cost = collect(&set(2, 100, 1024), &set(2, 400, 1024), heap);
        assert!((cost.cpu - (0.6 + 0.4 * 3.0 / 15.0)).abs() < 1e-9, "{cost:?}");
        let off = collect(&set(2, 100, 1024), &set(2, 100, 1024).with("GOGC", "off"), heap);
        assert!((off.cpu - (0.6 + 0.4 * 3.0 / 1023.0)).abs() < 1e-9, "up to the limit: {off:?}");
    }

    #[test]
    fn one_thread_collects_a_small_heap_for_less() {
        let small = Heap { collector: 0.4, live: MIB, cycle: 1.5e-3, ..Heap::default() };
        let on = |threads, heap| collect(&set(2, 100, 1024), &set(threads, 100, 1024), heap).cpu;
        assert!((on(1, small) - (0.6 + 0.4 * 0.3)).abs() < 1e-9);
        assert_eq!(on(8, small), 1.0);
        let large = Heap { live: 100.0 * MIB, cycle: 0.1, ..small };
        assert!((on(1, large) - 0.9946).abs() < 1e-9, "{}", on(1, large));
    }

    #[test]
    fn a_live_heap_at_its_limit_takes_half_of_the_cpu_at_most() {
        let heap = Heap { collector: 0.3, live: 100.0 * MIB, ..Heap::default() };
        let cost = collect(&set(2, 100, 1024), &set(2, 100, 101), heap);
        assert!((cost.cpu - 1.4).abs() < 1e-9, "{cost:?}");
    }

    #[test]
    fn the_collectors_work_counts_what_idle_threads_did() {
        let said =
            |name: &str, value| Reading { name: name.to_string().into(), value, unit: "".into() };
        let readings = vec![
            said("go.gc.cpu", 0.015),
            said("go.gc.idle", 0.005),
            said("go.gc.cycles", 40.0),
            said("go.heap.live", 1.0),
            said("go.heap.goal", 4.0),
        ];
        let usage = Usage { cpu: 0.14, readings, ..Usage::default() };
        let heap = heap(&usage, 2.0).unwrap();
        // (15 + 5) ms of two threads in 40 collections, and what gctrace leaves out of each.
        assert!((heap.cycle - 2.1e-3).abs() < 1e-12 && (heap.collector - 0.6).abs() < 1e-9);
        assert_eq!((heap.live, heap.allocated), (MIB, 120.0 * MIB));
        assert_eq!(super::heap(&Usage { cpu: 2.0, ..usage }, 2.0), None, "3 % are no matter");
    }
}
