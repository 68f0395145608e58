//! Go: goroutines on GOMAXPROCS threads, a collector paced by GOGC and GOMEMLIMIT.
//!
//! Sources: <https://pkg.go.dev/runtime>, <https://go.dev/doc/gc-guide>.

mod collector;
mod told;
mod trace;

use super::{Choice, Evidence, Room, Runtime, Surroundings, from_to};
use crate::settings::{Effect, Knob, Settings, Site, Value};
use crate::units::Bytes;

/// A program built with Go.
pub static RUNTIME: Runtime = Runtime {
    id: "go",
    title: "Go",
    front: false,
    queue: false,
    recognise,
    knobs,
    default,
    settle: Settings::clone,
    suits: |_, _| true,
    model: collector::model,
    heap: collector::heap,
    collect: collector::collect,
    choose,
    stop: 15,
    reload: None,
    recycle: None,
    inject: trace::inject,
    decode: told::decode,
    stall: |_| None,
    config: None,
    read,
    write,
    asked: &[],
    along: &[],
    subcommands: &[],
    managed_at: &[],
};

/// The variable by which a service says where its Go program serves net/http/pprof, such as
/// `http://127.0.0.1:6060`.
pub const GO_PPROF: &str = "KNEE_GO_PPROF";

/// Without a limit.
const OFF: &str = "off";

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
/// container (<https://github.com/golang/go/issues/81180>). By itself Go has no limit of memory,
/// which it calls `off` (<https://pkg.go.dev/runtime#hdr-Environment_Variables>).
fn default(knob: &str, around: &Surroundings) -> Option<Value> {
    Some(match knob {
        "GOMAXPROCS" => i64::from(around.visible_cpus).into(),
        "GOGC" => 100.into(),
        "GOMEMLIMIT" => OFF.into(),
        _ => return None,
    })
}

/// `GOGC=off`, and GOMEMLIMIT in bytes or with a unit, down to whole MiB.
fn read(knob: &str, text: &str, _: &Surroundings) -> Option<Value> {
    match knob {
        "GOGC" | "GOMEMLIMIT" if text == OFF => Some(OFF.into()),
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
        && set.text("GOGC") != Some(OFF)
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
    let open = !set.0.contains_key("GOGC") && set.text("GOMEMLIMIT") != Some(OFF);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::Needs;
    use crate::units::Seconds;

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
}
