//! uvicorn without gunicorn: a process for each event loop, below a parent that starts them anew.
//!
//! Source: <https://www.uvicorn.org/settings/>.

use super::room::open;
use super::{
    Choice, Evidence, Room, Runtime, Surroundings, bare, base, from_to, is, plain, same, silent,
};
use crate::model::{Network, Spread};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// uvicorn alone.
pub static RUNTIME: Runtime = Runtime {
    id: "uvicorn",
    title: "uvicorn",
    front: false,
    recognise,
    knobs,
    default,
    settle: Settings::clone,
    suits: |_, _| true,
    model,
    collect: same,
    choose,
    stop: 15,
    reload: None,
    recycle: None,
    inject: || None,
    decode: silent,
    config: None,
    read: plain,
    write: bare,
    asked: &[],
    along: &[],
};

fn recognise(evidence: &Evidence) -> Option<String> {
    let module = evidence.argv.windows(2).any(|w| w[0] == "-m" && w[1] == "uvicorn");
    let python = is(evidence.program, "python") && module;
    let named = evidence.argv.iter().take(2).any(|word| base(word) == "uvicorn");
    (python || named).then(|| "the command runs uvicorn".into())
}

fn knobs() -> Vec<Knob> {
    vec![Knob {
        name: "workers".into(),
        doc: "processes, an event loop each".into(),
        unit: "processes".into(),
        range: from_to(1, 64),
        sites: vec![
            Site::Flag { long: "--workers".into(), short: None },
            Site::Environment { name: "WEB_CONCURRENCY".into() },
        ],
        effect: Effect::Concurrency,
    }]
}

fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    (knob == "workers").then(|| 1.into())
}

/// Memory of a process with a framework, an assumption to be replaced by a measurement.
const WORKER: u64 = 128;

fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    if !open(set, "workers") {
        return vec![];
    }
    let wanted = room.for_each(room.loops(), "an event loop for each whole CPU");
    let (workers, because) = room.fit(wanted, WORKER);
    vec![Choice { knob: "workers", value: workers.into(), because }]
}

/// All processes wait for connections at the same socket; 2048 wait there.
fn model(settings: &Settings, _: &Surroundings) -> Option<Network> {
    let processes = settings.int("workers").unwrap_or(1).clamp(1, 10_000) as u32;
    Some(Network::event_loops(processes, Spread::Woken, 0, 2048))
}
