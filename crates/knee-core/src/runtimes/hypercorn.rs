//! Hypercorn: an event loop in each process, below a parent that starts them anew.
//!
//! Source: <https://hypercorn.readthedocs.io/en/latest/how_to_guides/configuring.html>.

use super::{ConfigFile, Evidence, Runtime, Surroundings, backlog, base, from_to, is, uvicorn};
use crate::model::{Network, Spread};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// Hypercorn, with any of its event loops: in what is not said here it is like uvicorn.
pub static RUNTIME: Runtime = Runtime {
    id: "hypercorn",
    title: "Hypercorn",
    recognise,
    knobs,
    default,
    model,
    // TOML, or Python behind `file:`: either writes a setting as a name, a sign and a value in a line.
    config: Some(ConfigFile { flag: Some(("--config", Some("-c"))), default: |_| vec![] }),
    subcommands: &[],
    ..uvicorn::RUNTIME
};

fn recognise(evidence: &Evidence) -> Option<String> {
    let module = evidence.argv.windows(2).any(|w| w[0] == "-m" && w[1] == "hypercorn");
    let python = is(evidence.program, "python") && module;
    let named = evidence.argv.iter().take(2).any(|word| base(word) == "hypercorn");
    (python || named).then(|| "the command runs hypercorn".into())
}

fn knobs() -> Vec<Knob> {
    let flag = |long: &'static str, short: Option<&'static str>| Site::Flag {
        long: long.into(),
        short: short.map(Into::into),
    };
    let assignment = |name: &'static str| Site::PythonAssignment { name: name.into() };
    vec![
        Knob {
            name: "workers".into(),
            doc: "processes, an event loop each".into(),
            unit: "processes".into(),
            range: from_to(1, 64),
            sites: vec![flag("--workers", Some("-w")), assignment("workers")],
            effect: Effect::Concurrency,
        },
        backlog(vec![flag("--backlog", None), assignment("backlog")]),
    ]
}

/// Connections that wait where nothing says how many.
const BACKLOG: i64 = 100;

fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    Some(match knob {
        "workers" => 1.into(),
        "backlog" => BACKLOG.into(),
        _ => return None,
    })
}

/// All processes wait for connections at the same socket.
fn model(settings: &Settings, _: &Surroundings) -> Option<Network> {
    let count = |knob, missing| settings.int(knob).unwrap_or(missing).clamp(1, 10_000) as u32;
    let (workers, waiting) = (count("workers", 1), count("backlog", BACKLOG));
    Some(Network::event_loops(workers, Spread::Woken, 0, waiting))
}
