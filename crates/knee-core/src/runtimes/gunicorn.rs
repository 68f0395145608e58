//! gunicorn: processes of threads under a GIL, or of event loops.
//!
//! Sources: <https://docs.gunicorn.org/en/stable/settings.html>,
//! <https://docs.gunicorn.org/en/stable/design.html>.

use super::{Evidence, Runtime, Surroundings, base, from_to, is, silent};
use crate::model::{Concurrency, Serial};
use crate::settings::{Effect, Knob, Range, Settings, Site, Value};

/// gunicorn with the sync, gthread and uvicorn workers.
pub static RUNTIME: Runtime = Runtime {
    id: "gunicorn",
    title: "gunicorn",
    front: false,
    recognise,
    knobs,
    default,
    settle,
    suits,
    model,
    stop: 15,
    reload: Some(1),
    inject: || None,
    decode: silent,
};

const UVICORN: &str = "uvicorn_worker.UvicornWorker";

fn recognise(evidence: &Evidence) -> Option<String> {
    let module = evidence.argv.windows(2).any(|w| w[0] == "-m" && w[1] == "gunicorn");
    let python = is(evidence.program, "python") && module;
    let named = evidence.argv.iter().take(2).any(|word| base(word) == "gunicorn");
    (python || named).then(|| "the command runs gunicorn".into())
}

fn flag(long: &'static str, short: Option<&'static str>) -> Site {
    Site::Flag { long: long.into(), short: short.map(Into::into) }
}

fn assignment(name: &'static str) -> Site {
    Site::PythonAssignment { name: name.into() }
}

fn knobs() -> Vec<Knob> {
    vec![
        Knob {
            name: "workers".into(),
            doc: "processes that handle requests".into(),
            unit: "processes".into(),
            range: from_to(1, 64),
            sites: vec![
                flag("--workers", Some("-w")),
                assignment("workers"),
                Site::Environment { name: "WEB_CONCURRENCY".into() },
            ],
            effect: Effect::Concurrency,
        },
        Knob {
            name: "threads".into(),
            doc: "threads of each worker; more than one makes sync workers gthread workers".into(),
            unit: "threads".into(),
            range: from_to(1, 64),
            sites: vec![flag("--threads", None), assignment("threads")],
            effect: Effect::Concurrency,
        },
        Knob {
            name: "worker-class".into(),
            doc: "how a worker serves: one request at a time, by threads, or by an event loop"
                .into(),
            unit: "".into(),
            range: Range::Choices(vec!["sync".into(), "gthread".into(), UVICORN.into()]),
            sites: vec![flag("--worker-class", Some("-k")), assignment("worker_class")],
            effect: Effect::Concurrency,
        },
        Knob {
            name: "backlog".into(),
            doc: "connections that wait to be accepted; the kernel caps it at somaxconn".into(),
            unit: "connections".into(),
            range: from_to(64, 4096),
            sites: vec![flag("--backlog", None), assignment("backlog")],
            effect: Effect::Limit,
        },
    ]
}

fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    Some(match knob {
        "workers" | "threads" => 1.into(),
        "worker-class" => "sync".into(),
        "backlog" => 2048.into(),
        _ => return None,
    })
}

/// gunicorn itself turns sync with several threads into gthread; threads mean nothing to an
/// event loop.
fn settle(settings: &Settings) -> Settings {
    match (settings.text("worker-class"), settings.int("threads")) {
        (Some("sync"), Some(2..)) => settings.with("worker-class", "gthread"),
        (Some("gthread"), Some(..=1)) => settings.with("worker-class", "sync"),
        (Some(class), Some(2..)) if loops(class) => settings.with("threads", 1),
        _ => settings.clone(),
    }
}

/// A WSGI application runs under sync and gthread, an ASGI application under event loops.
fn suits(today: &Settings, settings: &Settings) -> bool {
    let asgi = |s: &Settings| s.text("worker-class").is_some_and(loops);
    asgi(today) == asgi(settings)
}

fn loops(class: &str) -> bool {
    class.contains("vicorn") || class == "asgi"
}

fn model(settings: &Settings, _: &Surroundings) -> Option<Concurrency> {
    let count = |knob| settings.int(knob).unwrap_or(1).clamp(1, 10_000) as u32;
    let (workers, threads) = (count("workers"), count("threads"));
    let class = settings.text("worker-class").unwrap_or("sync");
    let (slots, serial) = match class {
        class if loops(class) => (None, Serial::EventLoop),
        "gthread" => (Some(workers * threads), Serial::Gil),
        "sync" if threads > 1 => (Some(workers * threads), Serial::Gil),
        "sync" => (Some(workers), Serial::Worker),
        _ => return None,
    };
    Some(Concurrency { processes: workers, slots, cores: workers.into(), serial })
}
