//! uvicorn without gunicorn: a process for each event loop, below a parent that starts them anew.
//! `fastapi run` is the same server under another name.
//!
//! Sources: <https://www.uvicorn.org/settings/>, <https://fastapi.tiangolo.com/fastapi-cli/>.

use super::room::open;
use super::{
    Choice, Evidence, Room, Runtime, Surroundings, bare, base, from_to, is, plain, same, silent,
    uncollected,
};
use crate::model::{Network, Spread};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// uvicorn alone.
pub static RUNTIME: Runtime = Runtime {
    id: "uvicorn",
    title: "uvicorn",
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
    inject: || None,
    decode: silent,
    stall: |_| None,
    config: None,
    read: plain,
    write: bare,
    asked: &[],
    along: &[],
    subcommands: &["run"],
    managed_at: &[],
};

fn recognise(evidence: &Evidence) -> Option<String> {
    let module = evidence.argv.windows(2).any(|w| w[0] == "-m" && w[1] == "uvicorn");
    let python = is(evidence.program, "python") && module;
    let named = evidence.argv.iter().take(2).any(|word| base(word) == "uvicorn");
    if python || named {
        return Some("the command runs uvicorn".into());
    }
    let fastapi = |words: &[String]| base(&words[0]) == "fastapi" && words[1] == "run";
    if evidence.argv.windows(2).take(2).any(fastapi) {
        return Some("the command runs fastapi, which serves by uvicorn".into());
    }
    let script = evidence.argv.get(1).filter(|_| is(evidence.program, "python"))?;
    let text = (evidence.file)(script.strip_suffix(".py").map(|_| script)?)?;
    runs_from_code(&text).then(|| format!("{script} runs uvicorn"))
}

/// Whether a script starts uvicorn in a way that its variable decides how many processes there are:
/// by the application's name, as uvicorn refuses several of an object, and without another number
/// (<https://www.uvicorn.org/deployment/#running-programmatically>).
fn runs_from_code(text: &str) -> bool {
    let Some((_, call)) = text.split_once("uvicorn.run(") else { return false };
    let named = call.trim_start().strip_prefix("app=").unwrap_or(call).trim_start();
    let asks = !text.contains("workers=") || text.contains("WEB_CONCURRENCY");
    named.starts_with(['"', '\'']) && asks && !text.contains("reload=True")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_leaves_the_number_of_processes_open_is_tuned() {
        for (text, tuned) in [
            ("uvicorn.run(\"app.main:app\", port=80)", true),
            ("uvicorn.run(\n    app='main:app',\n    port=80)", true),
            ("uvicorn.run('a:b', workers=int(os.getenv('WEB_CONCURRENCY', 1)))", true),
            ("uvicorn.run('a:b', workers=4)", false),
            ("uvicorn.run(app, port=80)", false),
            ("uvicorn.run('a:b', reload=True)", false),
            ("import uvicorn", false),
        ] {
            assert_eq!(runs_from_code(text), tuned, "{text}");
        }
    }
}
