//! Go: goroutines on GOMAXPROCS threads, a collector paced by GOGC and GOMEMLIMIT.
//!
//! Sources: <https://pkg.go.dev/runtime>, <https://go.dev/doc/gc-guide>.

use super::{DecodeError, Evidence, Injection, Runtime, Surroundings, Told, from_to};
use crate::model::{Concurrency, Serial};
use crate::observe::Reading;
use crate::settings::{Effect, Knob, Settings, Site, Value};

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
    stop: 15,
    reload: None,
    inject,
    decode,
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

fn model(settings: &Settings, around: &Surroundings) -> Option<Concurrency> {
    let threads = settings.int("GOMAXPROCS").unwrap_or(i64::from(around.visible_cpus)).max(1);
    Some(Concurrency {
        processes: 1,
        slots: None,
        cores: (threads as f64).min(f64::from(around.visible_cpus.max(1))),
        serial: Serial::Threads,
    })
}

fn inject() -> Option<Injection> {
    let debug = Site::Environment { name: "GODEBUG".into() };
    Some(Injection {
        entries: vec![(debug, "gctrace=1".into())],
        files: vec![],
        answers: vec![Told::Stderr],
    })
}

/// Lines of gctrace: `gc 7 @0.511s 3%: 0.01+1.2+0.02 ms clock, ... 4->5->2 MB, 5 MB goal, ...`.
/// The last one counts; its percentage is the collector's share of the CPU since the start.
/// Source: <https://pkg.go.dev/runtime#hdr-Environment_Variables>.
fn decode(answer: &[u8]) -> Result<Vec<Reading>, DecodeError> {
    let text = String::from_utf8_lossy(answer);
    let traces: Vec<Trace> = text.lines().filter_map(trace).collect();
    let Some(last) = traces.last() else {
        // Nothing collected yet says that the collector takes no part.
        return Ok(vec![]);
    };
    let reading = |name: &'static str, value, unit: &'static str| Reading {
        name: name.into(),
        value,
        unit: unit.into(),
    };
    Ok(vec![
        reading("go.gc.cpu", last.share, ""),
        reading("go.heap.live", last.live, "MB"),
        reading("go.heap.goal", last.goal, "MB"),
        reading("go.gc.cycles", last.cycle, "times"),
    ])
}

struct Trace {
    cycle: f64,
    share: f64,
    live: f64,
    goal: f64,
}

fn trace(line: &str) -> Option<Trace> {
    let mut words = line.strip_prefix("gc ")?.split_whitespace();
    let cycle = words.next()?.parse().ok()?;
    let share: f64 = words.nth(1)?.strip_suffix("%:")?.parse().ok()?;
    let heap = line.split(", ").find(|part| part.ends_with(" MB") && part.contains("->"))?;
    let live = heap.trim_end_matches(" MB").rsplit("->").next()?.parse().ok()?;
    let goal = line.split(", ").find_map(|part| part.strip_suffix(" MB goal"))?.parse().ok()?;
    Some(Trace { cycle, share: share / 100.0, live, goal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_trace_counts() {
        let log = "listening\ngc 1 @0.017s 1%: 0.009+0.31+0.003 ms clock, 0.019+0.1/0.2/0+0.007 ms cpu, 3->3->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n\
                   gc 2 @0.300s 12%: 0.009+0.31+0.003 ms clock, 0.019+0.1/0.2/0+0.007 ms cpu, 6->7->4 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P\n";
        let readings = decode(log.as_bytes()).unwrap();
        assert_eq!(readings[0].value, 0.12);
        assert_eq!((readings[1].value, readings[2].value, readings[3].value), (4.0, 8.0, 2.0));
        assert!(decode(b"listening\n").unwrap().is_empty());
    }
}
