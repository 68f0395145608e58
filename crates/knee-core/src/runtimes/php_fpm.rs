//! PHP-FPM: a pool of processes that serve one request each.
//!
//! Source: <https://www.php.net/manual/en/install.fpm.configuration.php>.

use super::figure::{Among, Figure, Over};
use super::room::open;
use super::{
    Choice, ConfigFile, DecodeError, Evidence, Injection, Room, Runtime, Surroundings, Told, bare,
    base, from_to, is, member, plain, same, uncollected,
};
use crate::model::{Full, Intake, Network, Recycling};
use crate::settings::{Effect, Knob, Range, Settings, Site, Value};

/// PHP's FastCGI process manager.
pub static RUNTIME: Runtime = Runtime {
    id: "php-fpm",
    title: "PHP-FPM",
    front: false,
    queue: false,
    recognise,
    knobs,
    default,
    settle,
    suits: |_, _| true,
    model,
    heap: uncollected,
    collect: same,
    choose,
    stop: 3,
    reload: Some(12),
    recycle: Some(3),
    inject,
    decode,
    stall: |_| None,
    config: Some(ConfigFile { flag: Some(("--fpm-config", Some("-y"))), default: config }),
    read: plain,
    write: bare,
    asked: &[],
    along: &[],
    subcommands: &[],
    managed_at: &[],
};

const SOCKET: &str = "/run/knee-fpm-status.sock";
const PAGE: &str = "/knee-status";
const OPCACHE: &str = "/run/knee/opcache.php";

fn recognise(evidence: &Evidence) -> Option<String> {
    is(evidence.program, "php-fpm").then(|| "the command runs php-fpm".into())
}

/// Where PHP's own images, Debian's packages and others build it to look; Debian's program is
/// named with its version.
fn config(argv: &[String]) -> Vec<String> {
    let program = argv.first().map_or("", |program| base(program));
    let version = program.trim_start_matches("php-fpm").trim_start_matches('-');
    let versions =
        if version.is_empty() { vec!["8.5", "8.4", "8.3", "8.2"] } else { vec![version] };
    let debian = versions.into_iter().map(|v| format!("/etc/php/{v}/fpm/php-fpm.conf"));
    let mut paths: Vec<String> = debian.collect();
    if version.is_empty() {
        paths.insert(0, "/usr/local/etc/php-fpm.conf".into());
        paths.push("/etc/php-fpm.conf".into());
    }
    paths
}

fn ini(key: &'static str) -> Vec<Site> {
    vec![Site::Ini { key: key.into() }]
}

fn knobs() -> Vec<Knob> {
    let knob = |name: &'static str, doc: &'static str, unit: &'static str, range, effect| Knob {
        name: name.into(),
        doc: doc.into(),
        unit: unit.into(),
        range,
        sites: ini(name),
        effect,
    };
    let managers = Range::Choices(vec!["static".into(), "dynamic".into(), "ondemand".into()]);
    vec![
        knob(
            "pm",
            "how children are kept: all at once, spare ones, or on demand",
            "",
            managers,
            Effect::Concurrency,
        ),
        knob(
            "pm.max_children",
            "most children: requests served at once",
            "processes",
            from_to(1, 128),
            Effect::Concurrency,
        ),
        knob(
            "pm.start_servers",
            "children at the start (dynamic)",
            "processes",
            from_to(1, 128),
            Effect::Follows,
        ),
        knob(
            "pm.min_spare_servers",
            "fewest idle children (dynamic)",
            "processes",
            from_to(1, 128),
            Effect::Follows,
        ),
        knob(
            "pm.max_spare_servers",
            "most idle children (dynamic)",
            "processes",
            from_to(1, 128),
            Effect::Follows,
        ),
        knob(
            "listen.backlog",
            "connections that wait to be accepted; the kernel caps it at somaxconn",
            "connections",
            from_to(64, 4096),
            Effect::Limit,
        ),
        knob(
            "pm.max_requests",
            "requests after which a child is replaced; 0 is never",
            "requests",
            from_to(0, 1_000_000),
            Effect::Kept,
        ),
    ]
}

/// As the pool file of Debian and of the official image says where it sets them; php-fpm has no
/// default for pm and pm.max_children.
fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    Some(match knob {
        "pm" => "dynamic".into(),
        "pm.max_children" => 5.into(),
        "pm.start_servers" => 2.into(),
        "pm.min_spare_servers" => 1.into(),
        "pm.max_spare_servers" => 3.into(),
        "listen.backlog" => 511.into(),
        "pm.max_requests" => 0.into(),
        _ => return None,
    })
}

/// 1 <= min <= start <= max spare <= max_children, as php-fpm demands under dynamic.
fn settle(settings: &Settings) -> Settings {
    let Some(most) = settings.int("pm.max_children") else { return settings.clone() };
    let spare = |knob, missing: i64| settings.int(knob).unwrap_or(missing);
    let min = spare("pm.min_spare_servers", 1).clamp(1, most.max(1));
    let max = spare("pm.max_spare_servers", 3).clamp(min, most.max(min));
    let start = spare("pm.start_servers", 2).clamp(min, max);
    settings
        .with("pm.min_spare_servers", min)
        .with("pm.max_spare_servers", max)
        .with("pm.start_servers", start)
}

/// What a child takes beside what all share, an assumption: a framework's objects and its own copy of
/// what it writes to.
const CHILD: u64 = 40;
/// Children for each CPU where nothing was measured: they wait as a rule, and cost memory alone
/// while they do; an assumption.
const EACH: i64 = 16;

/// A pool of its own in a container keeps all its children: to start them takes CPU just when
/// requests come.
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    if !open(set, "pm.max_children") || !open(set, "pm") {
        return vec![];
    }
    let rule = format!("{EACH} children that wait as a rule for each CPU");
    let wanted = room.slots().unwrap_or(room.for_each(EACH * room.lanes(), &rule));
    let (children, because) = room.fit(wanted, CHILD);
    let kept = "all children are there before a burst comes".into();
    vec![
        Choice { knob: "pm", value: "static".into(), because: kept },
        Choice { knob: "pm.max_children", value: children.into(), because },
    ]
}

/// A unix socket between nginx and the pool, as Debian sets it; over TCP a full queue is not told.
fn model(settings: &Settings, _: &Surroundings) -> Option<Network> {
    let count = |knob, missing| settings.int(knob).unwrap_or(missing).clamp(0, 1_000_000) as u32;
    let children = settings.int("pm.max_children")?.clamp(1, 100_000) as u32;
    let after = count("pm.max_requests", 0);
    let workers = Network::workers(children, count("listen.backlog", 511));
    Some(Network {
        intake: Intake { full: Full::Refused, ..workers.intake },
        recycling: (after > 0).then_some(Recycling { after, jitter: 0 }),
        ..workers
    })
}

/// A socket of its own (PHP 8.0 and later): it answers while every child is busy, from a child
/// of its own that counts as 4 MB of the task's memory.
fn inject() -> Option<Injection> {
    let entry = |key: &'static str, value: &str| (Site::Ini { key: key.into() }, value.to_string());
    Some(Injection {
        entries: vec![entry("pm.status_listen", SOCKET), entry("pm.status_path", PAGE)],
        log: None,
        files: vec![(OPCACHE, include_str!("php_opcache.php"))],
        answers: vec![
            Told::FastCgi { listen: SOCKET, page: PAGE },
            // All pools of a master share its OPcache.
            Told::Script { listen: SOCKET, script: OPCACHE },
        ],
    })
}

type Row = (&'static str, &'static str, &'static str, Over);

/// The status page as JSON (`?json`), without a line per child.
/// Source: <https://www.php.net/manual/en/fpm.status.php>.
const STATUS: [Row; 8] = [
    ("accepted conn", "fpm.accepted", "requests", Over::Growth),
    ("active processes", "fpm.active", "processes", Over::Most),
    ("active processes", "fpm.active_mean", "processes", Over::Mean),
    ("idle processes", "fpm.idle", "processes", Over::Least),
    ("total processes", "fpm.total", "processes", Over::Most),
    ("listen queue", "fpm.listen_queue", "connections", Over::Most),
    ("max children reached", "fpm.max_children_reached", "times", Over::Growth),
    ("slow requests", "fpm.slow_requests", "requests", Over::Growth),
];

/// What `php_opcache.php` answers, besides hits and misses.
/// Source: <https://www.php.net/manual/en/function.opcache-get-status.php>.
const CACHE: [Row; 12] = [
    ("enabled", "opcache.enabled", "", Over::Last),
    ("memory_used", "opcache.memory.used", "B", Over::Last),
    ("memory_free", "opcache.memory.free", "B", Over::Last),
    ("memory_wasted", "opcache.memory.wasted", "B", Over::Last),
    ("interned_used", "opcache.interned.used", "B", Over::Last),
    ("interned_free", "opcache.interned.free", "B", Over::Last),
    ("scripts", "opcache.scripts", "scripts", Over::Last),
    ("keys", "opcache.keys", "keys", Over::Last),
    ("max_keys", "opcache.max_keys", "keys", Over::Last),
    ("oom_restarts", "opcache.oom_restarts", "times", Over::Growth),
    ("hash_restarts", "opcache.hash_restarts", "times", Over::Growth),
    ("manual_restarts", "opcache.manual_restarts", "times", Over::Growth),
];

fn decode(answer: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    let broken = |problem: &str| DecodeError { runtime: "php-fpm", problem: problem.into() };
    let text = std::str::from_utf8(answer).map_err(|_| broken("not UTF-8"))?;
    let figure = |(key, name, unit, over): &Row| {
        let value = member(text, key)?;
        Some(Figure { name, unit, value, over: *over, among: Among::Sum })
    };
    let mut figures: Vec<Figure> = STATUS.iter().chain(&CACHE).filter_map(figure).collect();
    if let (Some(hits), Some(misses)) = (member(text, "hits"), member(text, "misses")) {
        let (name, over) = ("opcache.hit_rate", Over::Share(hits + misses));
        figures.push(Figure { name, unit: "", value: hits, over, among: Among::Least });
    }
    if figures.is_empty() {
        return Err(broken("neither the status page nor the answer of knee's script"));
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(figures: &[Figure], name: &str) -> f64 {
        figures.iter().find(|r| r.name == name).unwrap().value
    }

    #[test]
    fn the_status_page_of_php_8_2() {
        let page = br#"{"pool":"www","process manager":"static","start time":1795480000,"start since":4,"accepted conn":12,"listen queue":3,"max listen queue":5,"listen queue len":511,"idle processes":1,"active processes":4,"total processes":5,"max active processes":5,"max children reached":2,"slow requests":0}"#;
        let figures = decode(page).unwrap();
        let shown = ["fpm.active", "fpm.idle", "fpm.total", "fpm.listen_queue", "fpm.accepted"];
        assert_eq!(shown.map(|name| value(&figures, name)), [4.0, 1.0, 5.0, 3.0, 12.0]);
        assert!(decode(b"File not found.").is_err());
    }

    #[test]
    fn the_answer_of_the_script() {
        let answer = br#"{"enabled":1,"memory_used":9167936,"memory_free":125049792,"memory_wasted":0,"interned_used":2306840,"interned_free":6081768,"scripts":2,"keys":3,"max_keys":16229,"hits":30,"misses":10,"oom_restarts":1,"hash_restarts":0,"manual_restarts":0}"#;
        let figures = decode(answer).unwrap();
        assert_eq!(figures.len(), CACHE.len() + 1);
        let rate = figures.last().unwrap();
        assert_eq!((rate.value, rate.over), (30.0, Over::Share(40.0)));
        let off = decode(br#"{"enabled":0}"#).unwrap();
        assert_eq!((off.len(), value(&off, "opcache.enabled")), (1, 0.0));
    }
}
