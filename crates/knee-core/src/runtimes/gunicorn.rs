//! gunicorn: processes of threads under a GIL, or of event loops.
//!
//! Sources: <https://docs.gunicorn.org/en/stable/settings.html>,
//! <https://docs.gunicorn.org/en/stable/design.html>.

use super::room::open;
use super::{
    Choice, ConfigFile, Evidence, Room, Runtime, Surroundings, backlog, bare, base, from_to, is,
    plain, same, silent, uncollected,
};
use crate::model::{Full, Intake, Network, Process, Recycling, Serial, Spread};
use crate::settings::{Effect, Knob, Range, Settings, Site, Value};

/// gunicorn with the sync, gthread, gevent and uvicorn workers.
pub static RUNTIME: Runtime = Runtime {
    id: "gunicorn",
    title: "gunicorn",
    front: false,
    queue: false,
    recognise,
    knobs,
    default,
    settle,
    suits,
    model,
    heap: uncollected,
    collect: same,
    choose,
    stop: 15,
    reload: Some(1),
    recycle: Some(15),
    inject: || None,
    decode: silent,
    stall: |_| None,
    config: Some(ConfigFile {
        flag: Some(("--config", Some("-c"))),
        default: |_| vec!["gunicorn.conf.py".into()],
    }),
    read: plain,
    write: bare,
    asked: &[],
    along: &[],
    subcommands: &[],
    managed_at: &["gunicorn.ctl"],
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

/// Between the command line and the configuration file.
fn arguments(long: &'static str) -> Site {
    Site::EnvironmentFlag { name: "GUNICORN_CMD_ARGS".into(), long: long.into() }
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
                arguments("--workers"),
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
            sites: vec![flag("--threads", None), arguments("--threads"), assignment("threads")],
            effect: Effect::Concurrency,
        },
        Knob {
            name: "worker-class".into(),
            doc: "how a worker serves: one request at a time, by threads, or by an event loop"
                .into(),
            unit: "".into(),
            range: Range::Choices(vec!["sync".into(), "gthread".into(), UVICORN.into()]),
            sites: vec![
                flag("--worker-class", Some("-k")),
                arguments("--worker-class"),
                assignment("worker_class"),
            ],
            effect: Effect::Concurrency,
        },
        backlog(vec![flag("--backlog", None), arguments("--backlog"), assignment("backlog")]),
        Knob {
            name: "max-requests".into(),
            doc: "requests after which a worker is replaced; 0 is never".into(),
            unit: "requests".into(),
            range: from_to(0, 1_000_000),
            sites: vec![
                flag("--max-requests", None),
                arguments("--max-requests"),
                assignment("max_requests"),
            ],
            effect: Effect::Kept,
        },
        Knob {
            name: "max-requests-jitter".into(),
            doc: "most requests added to it at random, so that workers are not replaced together"
                .into(),
            unit: "requests".into(),
            range: from_to(0, 1_000_000),
            sites: vec![
                flag("--max-requests-jitter", None),
                arguments("--max-requests-jitter"),
                assignment("max_requests_jitter"),
            ],
            effect: Effect::Kept,
        },
    ]
}

fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    Some(match knob {
        "workers" | "threads" => 1.into(),
        "worker-class" => "sync".into(),
        "backlog" => 2048.into(),
        "max-requests" | "max-requests-jitter" => 0.into(),
        _ => return None,
    })
}

/// gunicorn itself turns sync with several threads into gthread; threads mean nothing to an
/// event loop.
fn settle(settings: &Settings) -> Settings {
    match (settings.text("worker-class"), settings.int("threads")) {
        (Some("sync"), Some(2..)) => settings.with("worker-class", "gthread"),
        (Some("gthread"), Some(..=1)) => settings.with("worker-class", "sync"),
        (Some(class), Some(2..)) if loops(class) || greenlets(class) => settings.with("threads", 1),
        _ => settings.clone(),
    }
}

/// A WSGI application runs under sync, gthread and greenlets, an ASGI application under event loops:
/// the one that it has, as others go by other names and need not be installed.
fn suits(today: &Settings, settings: &Settings) -> bool {
    let asgi = |s: &Settings| s.text("worker-class").filter(|class| loops(class)).map(String::from);
    asgi(today) == asgi(settings)
}

/// Memory of a Python worker with a framework, an assumption to be replaced by a measurement.
const WORKER: u64 = 128;
/// Threads of a gthread worker: they wait as a rule, and cost little while they do; an assumption.
const THREADS: i64 = 8;

/// Workers by gunicorn's own rule of thumb (<https://docs.gunicorn.org/en/stable/design.html>), with
/// the task's CPU in place of the host's, as far as memory allows. Threads only where the class has
/// them: a sync application need not be safe for threads.
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    let class = set.text("worker-class").unwrap_or("sync");
    // A number, or one that only gunicorn itself can read.
    let threaded =
        class == "gthread" || set.0.get("threads").is_some_and(|t| t.as_int() != Some(1));
    let (workers, threads) = match class {
        "sync" if !threaded => {
            let rule = "2 × CPU + 1 for workers that wait";
            (room.slots().unwrap_or(room.for_each(2 * room.lanes() + 1, rule)), None)
        }
        "sync" | "gthread" => {
            let workers = room.for_each(room.lanes(), "a process for each CPU");
            let assumed = (THREADS, "requests that wait share a process; an assumption".into());
            let each = |(slots, why): (i64, String)| {
                ((slots + workers.0 - 1) / workers.0, format!("shared out among processes: {why}"))
            };
            let threads = room.slots().map(each).unwrap_or(assumed);
            (workers, (class == "gthread").then_some(threads))
        }
        _ => (room.for_each(room.loops(), "an event loop for each whole CPU"), None),
    };
    let (workers, because) = room.fit(workers, WORKER);
    let mut choices = Vec::new();
    if open(set, "workers") {
        choices.push(Choice { knob: "workers", value: workers.into(), because });
    }
    if let (Some((threads, because)), true) = (threads, open(set, "threads")) {
        choices.push(Choice { knob: "threads", value: threads.into(), because });
    }
    choices
}

fn loops(class: &str) -> bool {
    class.contains("vicorn") || class == "asgi"
}

/// Whether a class serves a WSGI application by greenlets, which an event loop turns to while others
/// wait: `gevent`, or a class by its name.
fn greenlets(class: &str) -> bool {
    class.starts_with("gevent") || class.contains(".ggevent.") || class.contains("eventlet")
}

/// Threads and event loops keep connections alive, sync workers never do. Python switches
/// threads every 5 ms: <https://docs.python.org/3/library/sys.html#sys.setswitchinterval>.
fn model(settings: &Settings, _: &Surroundings) -> Option<Network> {
    let count = |knob, missing| settings.int(knob).unwrap_or(missing).clamp(1, 10_000) as u32;
    let (workers, threads, backlog) =
        (count("workers", 1), count("threads", 1), count("backlog", 2048));
    let network = match settings.text("worker-class").unwrap_or("sync") {
        class if loops(class) || greenlets(class) => {
            Network::event_loops(workers, Spread::Woken, 0, backlog)
        }
        "sync" if threads == 1 => pool(workers, backlog),
        "sync" | "gthread" => Network {
            process: Process {
                slots: Some(threads),
                queue: CONNECTIONS.saturating_sub(threads),
                lanes: 1,
                turn: Some(SWITCH_INTERVAL),
                helpers: 0,
            },
            intake: Intake { backlog, full: Full::Dropped, spread: Spread::Woken, herd: false },
            serial: Serial::Gil,
            ..Network::workers(workers, backlog)
        },
        _ => return None,
    };
    Some(Network { recycling: recycling(settings), ..network })
}

/// Workers that wait for the listening socket in select(2), which wakes all of them; no connection
/// is kept, so that each request is a new one
/// (<https://docs.gunicorn.org/en/stable/faq.html#does-gunicorn-suffer-from-the-thundering-herd-problem>).
fn pool(workers: u32, backlog: u32) -> Network {
    let pool = Network::workers(workers, backlog);
    Network { intake: Intake { herd: true, ..pool.intake }, ..pool }
}

/// worker_connections, which limits what a gthread worker accepts, when nothing sets it.
const CONNECTIONS: u32 = 1000;
/// Seconds after which a thread that waits for the GIL is let in.
const SWITCH_INTERVAL: f64 = 0.005;

fn recycling(settings: &Settings) -> Option<Recycling> {
    let count = |knob| settings.int(knob).unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
    let after = count("max-requests");
    (after > 0).then(|| Recycling { after, jitter: count("max-requests-jitter") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn greenlets_are_event_loops_for_wsgi() {
        let class = |class: &str| Settings::default().with("worker-class", class);
        let around = Surroundings { visible_cpus: 2, task_cpu: 0.5, task_memory: 1 << 30 };
        for name in ["gevent", "gevent_wsgi", "gunicorn.workers.ggevent.GeventWorker", "eventlet"] {
            let settings = class(name).with("workers", 3).with("threads", 4);
            assert_eq!(settle(&settings).int("threads"), Some(1), "{name}");
            let network = model(&settings, &around).unwrap();
            assert_eq!((network.processes, network.process.slots), (3, None), "{name}");
            assert!(suits(&settings, &class("gthread")) && !suits(&settings, &class(UVICORN)));
        }
        let old = class("uvicorn.workers.UvicornWorker");
        assert!(suits(&old, &old.with("workers", 2)) && !suits(&old, &class(UVICORN)));
        assert!(model(&class("tornado"), &around).is_none());
    }

    #[test]
    fn the_class_decides_how_many_workers() {
        let room = Room { cpu: 2.0, memory: Some(Bytes::mib(4096)), ..Room::default() };
        let chosen = |set: &Settings, room: &Room| {
            let all = choose(set, room).into_iter();
            all.map(|c| format!("{}={}", c.knob, c.value)).collect::<Vec<_>>().join(" ")
        };
        let class = |class: &str| Settings::default().with("worker-class", class);
        assert_eq!(chosen(&Settings::default(), &room), "workers=5");
        assert_eq!(chosen(&class("gthread"), &room), "workers=2 threads=8");
        assert_eq!(chosen(&class(UVICORN), &room), "workers=2");
        assert_eq!(chosen(&Settings::default().with("threads", 4), &room), "workers=2");
        assert_eq!(chosen(&Settings::default().with("workers", 1), &room), "");
        let small = Room { cpu: 4.0, memory: Some(Bytes::mib(512)), ..Room::default() };
        let choice = &choose(&Settings::default(), &small)[0];
        assert_eq!(choice.value, 2.into());
        assert!(choice.because.contains("no more fit into 70 % of 512 MiB"), "{}", choice.because);
    }
}
