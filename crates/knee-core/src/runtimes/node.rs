//! Node.js: one event loop per process.
//!
//! Sources: <https://nodejs.org/api/cli.html>, <https://nodejs.org/api/perf_hooks.html>,
//! <https://docs.libuv.org/en/v1.x/threadpool.html>.

use super::figure::{Among, Figure, Over};
use super::{
    Choice, DecodeError, Evidence, Injection, Room, Runtime, Surroundings, Told, bare, base,
    from_to, member, plain, same, uncollected, words,
};
use crate::model::{Network, Spread};
use crate::observe::{Place, Stall};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// Node.js, one process or a cluster that reads WEB_CONCURRENCY.
pub static RUNTIME: Runtime = Runtime {
    id: "node",
    title: "Node.js",
    front: false,
    queue: false,
    recognise,
    knobs,
    default,
    settle: Settings::clone,
    suits: |_, _| true,
    model,
    heap: uncollected,
    collect: same,
    choose,
    stop: 15,
    reload: None,
    recycle: None,
    inject,
    decode,
    stall,
    config: None,
    read: plain,
    write: bare,
    asked: &["WEB_CONCURRENCY"],
    along: &[],
    subcommands: &[],
    managed_at: &[],
};

const PRELOAD: &str = "/run/knee/node.cjs";
/// What the preload loads once the loop has stood still, from beside it.
const WHERE: &str = "/run/knee/node-where.cjs";
const FOLDER: &str = "/run/knee/node";

fn recognise(evidence: &Evidence) -> Option<String> {
    let starter = ["node", "nodejs", "npm", "npx", "yarn", "pnpm"];
    starter
        .contains(&base(evidence.program))
        .then(|| format!("the command runs {}", base(evidence.program)))
}

/// The threads that libuv keeps for what would block the loop.
pub(super) const THREADS: &str = "UV_THREADPOOL_SIZE";

pub(super) fn knobs() -> Vec<Knob> {
    let environment = |name: &'static str| Site::Environment { name: name.into() };
    vec![
        Knob {
            name: "WEB_CONCURRENCY".into(),
            doc: "processes of a cluster, where the program reads it".into(),
            unit: "processes".into(),
            range: from_to(1, 16),
            sites: vec![environment("WEB_CONCURRENCY")],
            effect: Effect::Concurrency,
        },
        Knob {
            name: THREADS.into(),
            doc: "threads for file system, name look-up, compression and cryptography".into(),
            unit: "threads".into(),
            range: from_to(1, 1024),
            sites: vec![environment(THREADS)],
            effect: Effect::Limit,
        },
        Knob {
            name: "max-old-space-size".into(),
            doc: "most memory of V8's old generation".into(),
            unit: "MiB".into(),
            range: from_to(64, 16384),
            sites: vec![
                Site::Flag { long: "--max-old-space-size".into(), short: None },
                Site::EnvironmentFlag {
                    name: "NODE_OPTIONS".into(),
                    long: "--max-old-space-size".into(),
                },
            ],
            effect: Effect::Memory,
        },
    ]
}

/// V8's own heap limit is about half of the memory that the process sees, 4 GiB at most.
pub(super) fn default(knob: &str, around: &Surroundings) -> Option<Value> {
    Some(match knob {
        "WEB_CONCURRENCY" => 1.into(),
        THREADS => 4.into(),
        "max-old-space-size" => Value::Int(((around.task_memory >> 21) as i64).clamp(64, 4096)),
        _ => return None,
    })
}

/// The primary deals connections out in turn
/// (<https://nodejs.org/api/cluster.html#clusterschedulingpolicy>); 511 connections wait
/// (<https://nodejs.org/api/net.html#serverlisten>).
fn model(settings: &Settings, _: &Surroundings) -> Option<Network> {
    let count = |knob, missing| settings.int(knob).unwrap_or(missing).clamp(1, 10_000) as u32;
    let (processes, helpers) = (count("WEB_CONCURRENCY", 1), count(THREADS, 4));
    Some(Network::event_loops(processes, Spread::InTurn, helpers, 511))
}

/// What a process takes beside the old generation: code, buffers, the young generation; an assumption.
const BESIDE: f64 = 96.0;
/// libuv's own number of threads.
const HELPERS: i64 = 4;

/// An event loop per whole CPU. A heap limit, as V8 takes the host's memory for its own where the
/// task's limit cannot be seen; libuv's threads only where there is CPU for more than its 4.
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    let mut choices = Vec::new();
    let open = |knob: &str| !set.0.contains_key(knob);
    let processes = set.int("WEB_CONCURRENCY").unwrap_or(room.loops()).max(1);
    if open("WEB_CONCURRENCY") {
        let because = format!("an event loop for each whole CPU, CPU being {}", room.cpu);
        choices.push(Choice { knob: "WEB_CONCURRENCY", value: processes.into(), because });
    }
    if open(THREADS) && room.lanes() > HELPERS {
        let because = format!("a thread for each CPU, CPU being {}", room.cpu);
        choices.push(Choice { knob: THREADS, value: room.lanes().into(), because });
    }
    if let Some(memory) = room.memory
        && open("max-old-space-size")
    {
        let each = memory.as_mib() / processes as f64;
        let heap = (each * 0.7).min(each - BESIDE).max(64.0) as i64;
        let because = format!(
            "70 % of {memory} for each of {processes}, and {BESIDE} MiB left beside it at least"
        );
        choices.push(Choice { knob: "max-old-space-size", value: heap.into(), because });
    }
    choices
}

fn inject() -> Option<Injection> {
    let options = Site::Environment { name: "NODE_OPTIONS".into() };
    let folder = Site::Environment { name: "KNEE_STATUS".into() };
    Some(Injection {
        entries: vec![(options, format!("--require {PRELOAD}")), (folder, FOLDER.into())],
        log: None,
        files: vec![
            (PRELOAD, include_str!("node_preload.cjs")),
            (WHERE, include_str!("node_where.cjs")),
        ],
        answers: vec![Told::Folder(FOLDER)],
    })
}

/// What the preload writes, a flat object; `null` where it has nothing to say.
fn decode(answer: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    let broken = |problem: &str| DecodeError { runtime: "node", problem: problem.into() };
    let text = std::str::from_utf8(answer).map_err(|_| broken("not UTF-8"))?;
    let figures = [
        ("delay_p50_ms", "node.eventloop.delay_p50", "ms", Over::Mean, Among::Most),
        ("delay_p99_ms", "node.eventloop.delay_p99", "ms", Over::Most, Among::Most),
        ("utilization", "node.eventloop.utilization", "", Over::Mean, Among::Most),
        ("heap_used", "node.heap.used", "B", Over::Most, Among::Sum),
        ("heap_limit", "node.heap.limit", "B", Over::Last, Among::Sum),
        ("gc", "node.gc.cpu", "", Over::Mean, Among::Most),
        ("requests", "node.requests", "requests", Over::Growth, Among::Sum),
    ];
    let figure = |(key, name, unit, over, among)| {
        Some(Figure { name, unit, value: member(text, key)?, over, among })
    };
    let figures: Vec<Figure> = figures.into_iter().filter_map(figure).collect();
    if figures.is_empty() { Err(broken("no field that the preload writes")) } else { Ok(figures) }
}

/// The longest stall of late, from the same object: where it was, or why that is not known.
fn stall(answer: &[u8]) -> Option<Stall> {
    let text = std::str::from_utf8(answer).ok()?;
    let line = member(text, "stall_line").filter(|line| *line >= 0.0);
    let place = || {
        Some(Place {
            file: words(text, "stall_file")?.into(),
            line: line? as u32,
            function: words(text, "stall_function")?.into(),
        })
    };
    let why = words(text, "stall_why").map(Into::into);
    Some(Stall { ms: member(text, "stall_ms")?, place: place(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_preload_writes() {
        let written = br#"{"delay_p50_ms":0.2,"delay_p99_ms":12.5,"utilization":0.97,"heap_used":4710984,"heap_limit":null,"gc":0.01}"#;
        let figures = decode(written).unwrap();
        let values: Vec<f64> = figures.iter().map(|f| f.value).collect();
        assert_eq!(values, [0.2, 12.5, 0.97, 4710984.0, 0.01]);
        assert!(decode(b"{}").is_err());
    }

    #[test]
    fn a_stall_with_its_place_or_the_reason_why_not() {
        let place = Place { file: "src/a.js".into(), line: 12, function: "get orders".into() };
        let written = br#"{"gc":0,"stall_ms":912.5,"stall_file":"src/a.js","stall_line":12,"stall_function":"get orders","stall_why":null}"#;
        assert_eq!(stall(written), Some(Stall { ms: 912.5, place: Some(place), why: None }));
        let first = br#"{"stall_ms":600,"stall_why":"it is looked for from now on"}"#;
        let why = Some("it is looked for from now on".to_string());
        assert_eq!(stall(first), Some(Stall { ms: 600.0, place: None, why }));
        assert_eq!(stall(br#"{"stall_ms":null,"gc":0}"#), None);
        let escaped = br#"{"stall_ms":1,"stall_line":1,"stall_file":"a\"b","stall_function":"f"}"#;
        assert_eq!(stall(escaped).unwrap().place, None, "the preload writes no escapes");
    }
}
