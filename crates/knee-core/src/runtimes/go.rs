//! Go: goroutines on GOMAXPROCS threads, a collector paced by GOGC and GOMEMLIMIT.
//!
//! Sources: <https://pkg.go.dev/runtime>, <https://go.dev/doc/gc-guide>.

use super::figure::{Among, Figure, Over};
use super::{
    Choice, Cost, DecodeError, Evidence, Heap, Injection, Room, Runtime, Surroundings, Told,
    from_to,
};
use crate::model::{Collector, Full, Intake, Network, Process, Serial, Spread};
use crate::observe::Usage;
use crate::settings::{Effect, Knob, Settings, Site, Value};
use crate::units::Bytes;

/// A program built with Go.
pub static RUNTIME: Runtime = Runtime {
    id: "go",
    title: "Go",
    front: false,
    recognise,
    knobs,
    default,
    settle: Settings::clone,
    suits: |_, _| true,
    model,
    heap,
    collect,
    choose,
    stop: 15,
    reload: None,
    recycle: None,
    inject,
    decode,
    stall: |_| None,
    config: None,
    read,
    write,
    asked: &[],
    along: &[],
};

/// A program of its own beside a go.mod; an interpreter or a shell is none.
fn recognise(evidence: &Evidence) -> Option<String> {
    let foreign = ["sh", "bash", "dash", "python", "python3", "node", "php", "ruby", "java"];
    let own = !foreign.contains(&evidence.program) && !evidence.program.is_empty();
    (own && (evidence.file)("go.mod").is_some()).then(|| "go.mod".into())
}

fn knobs() -> Vec<Knob> {
    let knob = |name: &'static str, doc: &'static str, unit: &'static str, range, effect| Knob {
        name: name.into(),
        doc: doc.into(),
        unit: unit.into(),
        range,
        sites: vec![Site::Environment { name: name.into() }],
        effect,
    };
    vec![
        knob(
            "GOMAXPROCS",
            "threads that run goroutines at once",
            "threads",
            from_to(1, 64),
            Effect::Concurrency,
        ),
        knob(
            "GOGC",
            "growth of the heap until the next collection",
            "%",
            from_to(25, 1600),
            Effect::Memory,
        ),
        knob(
            "GOMEMLIMIT",
            "memory at which the collector works harder",
            "MiB",
            from_to(32, 122_880),
            Effect::Memory,
        ),
    ]
}

/// GOMAXPROCS: what the process sees, the host's CPUs on ECS, as the quota sits above the
/// container (<https://github.com/golang/go/issues/81180>). GOMEMLIMIT has no limit by
/// itself; the task's memory stands for that.
fn default(knob: &str, around: &Surroundings) -> Option<Value> {
    Some(match knob {
        "GOMAXPROCS" => i64::from(around.visible_cpus).into(),
        "GOGC" => 100.into(),
        "GOMEMLIMIT" => Value::Int((around.task_memory >> 20) as i64),
        _ => return None,
    })
}

/// `GOGC=off`, and GOMEMLIMIT in bytes or with a unit, down to whole MiB.
fn read(knob: &str, text: &str, _: &Surroundings) -> Option<Value> {
    match knob {
        "GOGC" | "GOMEMLIMIT" if text == "off" => Some("off".into()),
        "GOMEMLIMIT" => {
            let bytes: Bytes = text.parse().ok()?;
            Some(Value::Int((bytes.0 >> 20).try_into().ok()?))
        }
        _ => None,
    }
}

fn write(knob: &str, value: &Value) -> String {
    match (knob, value) {
        ("GOMEMLIMIT", Value::Int(mib)) => format!("{mib}MiB"),
        _ => value.to_string(),
    }
}

/// One process; a goroutine that computes is interrupted after 10 ms
/// (<https://go.dev/doc/go1.14#runtime>, `forcePreemptNS` in `runtime/proc.go`). The queue of
/// the listening socket is as long as net.core.somaxconn says.
fn model(settings: &Settings, around: &Surroundings) -> Option<Network> {
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
        Some("off") => OFF,
        _ => settings.int("GOGC").unwrap_or(100).max(1) as f64 / 100.0,
    };
    let limit = settings.int("GOMEMLIMIT").map(|mib| mib.max(1) as f64 * MIB);
    Collector { growth, limit: limit.filter(|limit| *limit < most) }
}

/// From gctrace at low load, where the quota stretches none of its times. Threads that had nothing
/// else to do mark too; under a quota that is CPU like any other.
fn heap(usage: &Usage, lanes: f64) -> Option<Heap> {
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
fn collect(today: &Settings, then: &Settings, heap: Heap) -> Cost {
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

/// GOMAXPROCS as Go would have it if it saw the task's quota, but without its minimum of 2
/// (<https://go.dev/doc/go1.25#container-aware-gomaxprocs>): more threads than CPU mean throttling
/// in the middle of a collection. GOMEMLIMIT leaves the 10 % that Go's guide advises
/// (<https://go.dev/doc/gc-guide#Suggested_uses>).
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    let mut choices = Vec::new();
    if !set.0.contains_key("GOMAXPROCS") {
        let because = format!("the {} CPU that there are, rounded up", room.cpu);
        choices.push(Choice { knob: "GOMAXPROCS", value: room.lanes().into(), because });
    }
    // Together with GOGC=off it would be the only thing that makes Go collect.
    if let Some(memory) = room.memory
        && !set.0.contains_key("GOMEMLIMIT")
        && set.text("GOGC") != Some("off")
    {
        let mib = (memory.as_mib() * 0.9).floor().max(1.0) as i64;
        let because = format!("90 % of {memory}");
        choices.push(Choice { knob: "GOMEMLIMIT", value: mib.into(), because });
    }
    choices.extend(growth(set, room));
    choices
}

/// Share of memory that a heap may grow to between two collections: what is alive may double, and
/// GOMEMLIMIT is above it.
const GROWN: f64 = 0.5;
/// GOGC beyond which collections are so rare that more of it gains nothing: a sixteenth of Go's own.
const RAREST: i64 = 1600;

/// With a measured heap, collections as rare as memory allows; where nothing guards it, none rarer.
fn growth(set: &Settings, room: &Room) -> Option<Choice> {
    let (memory, needs) = (room.memory?, room.needs.as_ref()?);
    let live = needs.live.filter(|live| live.0 > 0)?;
    let open = !set.0.contains_key("GOGC") && set.text("GOMEMLIMIT") != Some("off");
    let limit = set.int("GOMEMLIMIT").map_or(memory, |mib| Bytes::mib(mib.max(0) as u64));
    let room = GROWN * memory.0.min(limit.0) as f64 / live.0 as f64 - 1.0;
    let percent = ((room * 100.0) as i64).min(RAREST);
    let because = format!(
        "a heap of {live} that is alive grows within {} % of {} ({})",
        GROWN * 100.0,
        memory.min(limit),
        needs.source
    );
    (open && percent > 100).then(|| Choice { knob: "GOGC", value: percent.into(), because })
}

const MIB: f64 = (1 << 20) as f64;
/// Growth that stands for none that would ever end.
const OFF: f64 = 1e6;
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

fn inject() -> Option<Injection> {
    let debug = Site::Environment { name: "GODEBUG".into() };
    Some(Injection {
        entries: vec![(debug, "gctrace=1".into())],
        log: None,
        files: vec![],
        answers: vec![Told::Stderr],
    })
}

/// New lines of gctrace, among others:
/// `gc 7 @0.511s 3%: 0.01+1.2+0.02 ms clock, 0.02+0.3/1.1/0.4+0.04 ms cpu, 4->5->2 MB, 5 MB goal, ..., 2 P`.
///
/// The percentage there is one since the start of the program, so the interval's share comes
/// from the cycles' own times, as Go defines it: of what GOMAXPROCS threads could have used,
/// without what idle threads did. Go counts time, not CPU: while the quota stops the task, both
/// the collector's and the program's time go on.
/// Source: <https://pkg.go.dev/runtime#hdr-Environment_Variables>.
fn decode(answer: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    let text = String::from_utf8_lossy(answer);
    let traces: Vec<Trace> = text.lines().filter_map(trace).collect();
    // Nothing collected is nothing to tell.
    let Some(last) = traces.last() else { return Ok(vec![]) };
    let sum = |of: fn(&Trace) -> f64| traces.iter().map(of).sum();
    let most = |of: fn(&Trace) -> f64| traces.iter().map(of).fold(0.0, f64::max);
    let figure = |name, unit, value, over, among| Figure { name, unit, value, over, among };
    Ok(vec![
        figure("go.gc.cpu", "", sum(|t| t.working), Over::PerSecond, Among::Most),
        figure("go.gc.idle", "", sum(|t| t.idle), Over::PerSecond, Among::Most),
        figure("go.gc.cycles", "1/s", traces.len() as f64, Over::PerSecond, Among::Sum),
        figure("go.heap.live", "MB", most(|t| t.live), Over::Most, Among::Sum),
        figure("go.heap.goal", "MB", last.goal, Over::Last, Among::Sum),
    ])
}

/// One collection; times in seconds of each of GOMAXPROCS threads.
struct Trace {
    working: f64,
    idle: f64,
    live: f64,
    goal: f64,
}

fn trace(line: &str) -> Option<Trace> {
    let parts: Vec<&str> = line.strip_prefix("gc ")?.split(", ").collect();
    let ending = |end: &str| parts.iter().find_map(|part| part.strip_suffix(end));
    let numbers = |text: &str| -> Option<Vec<f64>> {
        let finite = |n: &f64| n.is_finite() && *n >= 0.0;
        text.split(['+', '/']).map(|n| n.parse().ok().filter(finite)).collect()
    };
    let [sweep, assist, background, idle, mark] = numbers(ending(" ms cpu")?)?[..] else {
        return None;
    };
    // `2 P`, and `2 P (forced)` after runtime.GC().
    let threads = parts.last()?.split_once(" P")?.0.parse::<f64>().ok().filter(|p| *p >= 1.0)?;
    let heap = parts.iter().find(|part| part.ends_with(" MB") && part.contains("->"))?;
    Some(Trace {
        working: (sweep + assist + background + mark) / 1e3 / threads,
        idle: idle / 1e3 / threads,
        live: heap.trim_end_matches(" MB").rsplit("->").next()?.parse().ok()?,
        goal: ending(" MB goal")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Reading;
    use crate::runtimes::Needs;
    use crate::runtimes::figure::{Said, fold};
    use crate::units::Seconds;

    const LOG: &str = "listening\n\
        gc 1 @0.017s 1%: 0.009+0.31+0.003 ms clock, 0.020+0.1/0.2/0.5+0.080 ms cpu, 3->3->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n\
        gc 2 @0.300s 12%: 0.009+0.31+0.003 ms clock, 0.100+20/180/40+0.300 ms cpu, 6->7->4 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)\n\
        gc 3 @0.3";

    #[test]
    fn what_is_set_is_never_chosen() {
        let room = Room { cpu: 0.25, memory: Some(Bytes::mib(512)), ..Room::default() };
        let chosen = |set: &Settings| {
            let all = choose(set, &room).into_iter();
            all.map(|c| format!("{}={}", c.knob, c.value)).collect::<Vec<_>>().join(" ")
        };
        let none = Settings::default();
        assert_eq!(chosen(&none), "GOMAXPROCS=1 GOMEMLIMIT=460");
        assert_eq!(chosen(&none.with("GOMAXPROCS", 4).with("GOGC", "off")), "");
    }

    fn set(threads: i64, gogc: i64, limit: i64) -> Settings {
        let set = Settings::default().with("GOMAXPROCS", threads);
        set.with("GOGC", gogc).with("GOMEMLIMIT", limit)
    }

    #[test]
    fn a_measured_heap_is_collected_as_rarely_as_memory_allows() {
        let gogc = |live: u64, set: &Settings| {
            let needs = Needs {
                cpu: Seconds(0.002),
                wait: Seconds(0.02),
                shared: Bytes(0),
                per_process: Bytes(0),
                live: Some(Bytes::mib(live)),
                source: "knee.lock".into(),
            };
            let memory = Some(Bytes::mib(512));
            let room = Room { cpu: 0.5, memory, needs: Some(needs), ..Room::default() };
            let all = choose(set, &room);
            all.iter().find(|c| c.knob == "GOGC").and_then(|c| c.value.as_int())
        };
        let none = Settings::default();
        assert_eq!(
            [3, 32, 64, 130].map(|live| gogc(live, &none)),
            [Some(1600), Some(700), Some(300), None]
        );
        assert_eq!(gogc(3, &none.with("GOGC", 100)), None);
        assert_eq!(gogc(3, &none.with("GOMEMLIMIT", "off")), None, "nothing guards it");
        assert_eq!(gogc(20, &none.with("GOMEMLIMIT", 100)), Some(150));
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

    #[test]
    fn the_share_of_an_interval_comes_from_its_own_cycles() {
        let figures = decode(LOG.as_bytes()).unwrap();
        let said = Said { process: 1, before: false, figures: &figures };
        let readings = fold(&[said], 0.5);
        let value = |name: &str| readings.iter().find(|r| r.name == name).unwrap().value;
        // (0.4 + 200.4) ms of 2 threads in half a second.
        assert!((value("go.gc.cpu") - 0.2008).abs() < 1e-9, "{readings:?}");
        assert!((value("go.gc.idle") - 0.0405).abs() < 1e-9, "{readings:?}");
        assert_eq!((value("go.heap.live"), value("go.heap.goal")), (4.0, 8.0));
        assert_eq!(value("go.gc.cycles"), 4.0);
        assert!(decode(b"listening\n").unwrap().is_empty());
    }
}
