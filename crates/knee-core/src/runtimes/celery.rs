//! A Celery worker: a pool that works off a queue.
//!
//! Source: <https://docs.celeryq.dev/en/stable/userguide/workers.html#concurrency>.

use super::room::open;
use super::{
    Choice, Evidence, Room, Runtime, Surroundings, bare, base, from_to, is, plain, same, silent,
    uncollected,
};
use crate::model::Network;
use crate::settings::{Effect, Knob, Range, Settings, Site, Value};

/// `celery worker`; beat and flower are none.
pub static RUNTIME: Runtime = Runtime {
    id: "celery",
    title: "Celery",
    front: false,
    queue: true,
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
    subcommands: &["worker"],
    managed_at: &[],
};

fn recognise(evidence: &Evidence) -> Option<String> {
    let module = evidence.argv.windows(2).any(|w| w[0] == "-m" && w[1] == "celery");
    let python = is(evidence.program, "python") && module;
    let named = evidence.argv.iter().take(2).any(|word| base(word) == "celery");
    let works = evidence.argv.iter().any(|word| word == "worker");
    ((python || named) && works).then(|| "the command runs a Celery worker".into())
}

fn knobs() -> Vec<Knob> {
    let flag = |long: &'static str, short: &'static str| Site::Flag {
        long: long.into(),
        short: Some(short.into()),
    };
    let pools = ["prefork", "eventlet", "gevent", "threads", "solo"];
    vec![
        Knob {
            name: "concurrency".into(),
            doc: "tasks at once: processes, threads or greenlets of the pool".into(),
            unit: "tasks".into(),
            range: from_to(1, 1024),
            // Autoscaling says it in another way.
            sites: vec![
                flag("--concurrency", "-c"),
                Site::Flag { long: "--autoscale".into(), short: None },
            ],
            effect: Effect::Concurrency,
        },
        Knob {
            name: "pool".into(),
            doc: "what tasks run in; solo runs one at a time, in the worker itself".into(),
            unit: "".into(),
            range: Range::Choices(pools.map(Into::into).to_vec()),
            sites: vec![flag("--pool", "-P")],
            effect: Effect::Concurrency,
        },
    ]
}

fn default(knob: &str, around: &Surroundings) -> Option<Value> {
    Some(match knob {
        "concurrency" => i64::from(around.visible_cpus).into(),
        "pool" => "prefork".into(),
        _ => return None,
    })
}

/// Memory of a process with a framework, an assumption to be replaced by a measurement.
const CHILD: u64 = 128;

/// Celery's own number is that of the CPUs that it sees, the host's. Only for the pool of processes:
/// how many threads or greenlets wait well together cannot be known.
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    if !open(set, "concurrency") || set.text("pool").is_some_and(|pool| pool != "prefork") {
        return vec![];
    }
    let wanted = room.slots().unwrap_or(room.for_each(room.lanes(), "a process for each CPU"));
    let (tasks, because) = room.fit(wanted, CHILD);
    vec![Choice { knob: "concurrency", value: tasks.into(), because }]
}

/// Workers that take from a queue which holds any number.
fn model(settings: &Settings, around: &Surroundings) -> Option<Network> {
    let tasks = settings.int("concurrency").unwrap_or(i64::from(around.visible_cpus));
    Some(Network::workers(tasks.clamp(1, 10_000) as u32, u32::MAX))
}
