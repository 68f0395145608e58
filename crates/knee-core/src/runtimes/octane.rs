//! Laravel Octane: workers that keep the application in memory from one request to the next.
//!
//! Source: <https://laravel.com/docs/octane>, `src/Commands` of laravel/octane.

use super::room::open;
use super::{
    Choice, Evidence, Room, Runtime, Surroundings, bare, base, from_to, is, plain, same, silent,
    uncollected,
};
use crate::model::{Network, Recycling};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// `artisan octane:start` and its kin, on Swoole, RoadRunner or FrankenPHP.
pub static RUNTIME: Runtime = Runtime {
    id: "octane",
    title: "Laravel Octane",
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
    subcommands: &[],
    managed_at: &[],
};

const COMMANDS: [&str; 4] =
    ["octane:start", "octane:swoole", "octane:roadrunner", "octane:frankenphp"];

fn recognise(evidence: &Evidence) -> Option<String> {
    let runs = |w: &[String]| base(&w[0]) == "artisan" && COMMANDS.contains(&w[1].as_str());
    let octane = evidence.argv.windows(2).take(3).any(runs);
    (is(evidence.program, "php") && octane).then(|| "the command runs Octane".into())
}

fn knobs() -> Vec<Knob> {
    let flag = |long: &'static str| vec![Site::Flag { long: long.into(), short: None }];
    vec![
        Knob {
            name: "workers".into(),
            doc: "requests served at once; auto is the CPUs that it sees".into(),
            unit: "processes".into(),
            range: from_to(1, 256),
            sites: flag("--workers"),
            effect: Effect::Concurrency,
        },
        Knob {
            name: "max-requests".into(),
            doc: "requests after which a worker is replaced, against leaks; 0 is never".into(),
            unit: "requests".into(),
            range: from_to(0, 1_000_000),
            sites: flag("--max-requests"),
            effect: Effect::Kept,
        },
    ]
}

fn default(knob: &str, around: &Surroundings) -> Option<Value> {
    match knob {
        "workers" => Some(i64::from(around.visible_cpus).into()),
        "max-requests" => Some(MAX_REQUESTS.into()),
        _ => None,
    }
}

/// Octane's own number of requests after which it replaces a worker.
const MAX_REQUESTS: i64 = 500;

/// Memory of a worker with the application in it, an assumption to be replaced by a measurement.
const WORKER: u64 = 96;

/// Workers wait for the backend as any others; the application in each is what they cost.
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    if !open(set, "workers") {
        return vec![];
    }
    let rule = "2 × CPU + 1 for workers that wait";
    let wanted = room.slots().unwrap_or(room.for_each(2 * room.lanes() + 1, rule));
    let (workers, because) = room.fit(wanted, WORKER);
    vec![Choice { knob: "workers", value: workers.into(), because }]
}

fn model(settings: &Settings, around: &Surroundings) -> Option<Network> {
    let workers = settings.int("workers").unwrap_or(i64::from(around.visible_cpus));
    let after = settings.int("max-requests").unwrap_or(MAX_REQUESTS).clamp(0, 1_000_000) as u32;
    Some(Network {
        recycling: (after > 0).then_some(Recycling { after, jitter: 0 }),
        ..Network::workers(workers.clamp(1, 10_000) as u32, 511)
    })
}
