//! nginx: event loops in front of others.
//!
//! Sources: <https://nginx.org/en/docs/ngx_core_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive>.

use super::figure::{Among, Figure, Over};
use super::room::open;
use super::{
    Along, Choice, ConfigFile, DecodeError, Evidence, Injection, Room, Runtime, Surroundings, Told,
    bare, base, from_to, same, uncollected,
};
use crate::model::{Full, Intake, Network, Process, Spread};
use crate::settings::{Effect, Knob, Settings, Site, Value};

/// nginx as a front server.
pub static RUNTIME: Runtime = Runtime {
    id: "nginx",
    title: "nginx",
    front: true,
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
    stop: 3,
    reload: Some(1),
    recycle: None,
    inject,
    decode,
    stall: |_| None,
    config: Some(ConfigFile {
        flag: Some(("-c", None)),
        default: |_| {
            vec!["/etc/nginx/nginx.conf".into(), "/usr/local/nginx/conf/nginx.conf".into()]
        },
    }),
    read,
    write: bare,
    asked: &[],
    along: &ALONG,
    subcommands: &[],
    managed_at: &[],
};

fn recognise(evidence: &Evidence) -> Option<String> {
    matches!(base(evidence.program), "nginx" | "openresty")
        .then(|| format!("the command runs {}", base(evidence.program)))
}

fn knobs() -> Vec<Knob> {
    let knob = |context: &'static str,
                name: &'static str,
                doc: &'static str,
                unit: &'static str,
                range,
                effect| Knob {
        name: name.into(),
        doc: doc.into(),
        unit: unit.into(),
        range,
        sites: vec![Site::Directive { context: context.into(), name: name.into() }],
        effect,
    };
    vec![
        knob(
            "main",
            "worker_processes",
            "processes, an event loop each",
            "processes",
            from_to(1, 32),
            Effect::Concurrency,
        ),
        knob(
            "events",
            "worker_connections",
            "connections of a process, to clients and upstreams together",
            "connections",
            from_to(64, 65_536),
            Effect::Limit,
        ),
        knob(
            "upstream",
            "keepalive",
            "idle connections to an upstream that a process keeps",
            "connections",
            from_to(1, 1024),
            Effect::Unknown,
        ),
    ]
}

/// Its error log tells of connections that it refuses. The official image links the usual file to
/// standard error; here it is led there wherever it goes to a file.
fn inject() -> Option<Injection> {
    let log = Some("error_log");
    Some(Injection { entries: vec![], log, files: vec![], answers: vec![Told::Stderr] })
}

/// New lines of the error log, among others:
/// `[alert] 7#7: *9 64 worker_connections are not enough while connecting to upstream, ...`;
/// `[warn] 7#7: 64 worker_connections are not enough, reusing connections`, once a second at most;
/// `[alert] 7#7: *9 socket() failed (24: Too many open files) while connecting to upstream, ...`.
/// Source: `ngx_get_connection` in <https://github.com/nginx/nginx/blob/master/src/core/ngx_connection.c>.
fn decode(answer: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    let text = String::from_utf8_lossy(answer);
    let limits: Vec<f64> = text.lines().filter_map(not_enough).collect();
    let files = text.lines().filter(|line| line.contains("(24: Too many open files)")).count();
    let figure = |name, unit, value, over, among| Figure { name, unit, value, over, among };
    let refused =
        |name, count: usize| figure(name, "1/s", count as f64, Over::PerSecond, Among::Sum);
    let mut figures = Vec::new();
    if let Some(limit) = limits.last() {
        figures.push(refused("nginx.connections.refused", limits.len()));
        figures.push(figure("nginx.connections.limit", "", *limit, Over::Last, Among::Most));
    }
    if files > 0 {
        figures.push(refused("nginx.files.refused", files));
    }
    Ok(figures)
}

/// The limit that a line of the error log says was reached.
fn not_enough(line: &str) -> Option<f64> {
    let (before, _) = line.split_once(" worker_connections are not enough")?;
    before.rsplit(' ').next()?.parse::<u32>().ok().map(f64::from)
}

/// `worker_processes` is 1 and `worker_connections` 512 when nothing is said; without
/// `keepalive` every request opens a connection (before 1.29.7): 0, which lies in no range
/// as it can only be left out.
fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    Some(match knob {
        "worker_processes" => 1.into(),
        "worker_connections" => 512.into(),
        _ => return None,
    })
}

/// `auto` is the CPUs that nginx sees: its affinity, not a quota.
fn read(knob: &str, text: &str, around: &Surroundings) -> Option<Value> {
    (knob == "worker_processes" && text == "auto").then(|| i64::from(around.visible_cpus).into())
}

/// Most connections of a process where nothing says how many: each takes some hundred bytes.
const CONNECTIONS: u64 = 4096;

/// An event loop for each CPU, where `auto` counts the host's. A connection that is passed on needs
/// two descriptors.
fn choose(set: &Settings, room: &Room) -> Vec<Choice> {
    let mut choices = Vec::new();
    if open(set, "worker_processes") {
        let (value, because) = room.for_each(room.lanes(), "an event loop for each CPU");
        choices.push(Choice { knob: "worker_processes", value: value.into(), because });
    }
    if open(set, "worker_connections")
        && let Some(files) = room.files
    {
        let connections = (files / 2).clamp(64, CONNECTIONS) as i64;
        let because = format!("half of {files} open files, {CONNECTIONS} at most");
        choices.push(Choice { knob: "worker_connections", value: connections.into(), because });
    }
    choices
}

/// Without these nginx before 1.29.7 closes the connection to the upstream after each request.
/// Source: <https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive>.
static ALONG: [Along; 3] = [
    Along { knob: "keepalive", beside: "proxy_pass", directive: &["proxy_http_version", "1.1"] },
    Along {
        knob: "keepalive",
        beside: "proxy_pass",
        directive: &["proxy_set_header", "Connection", ""],
    },
    Along { knob: "keepalive", beside: "fastcgi_pass", directive: &["fastcgi_keep_conn", "on"] },
];

/// Workers share one listening socket unless it says `reuseport`. A request takes two of a worker's
/// connections, to the client and to the upstream; a worker that has none left accepts all the same and closes,
/// whatever room the others have: without accept_mutex, the default, none holds back
/// (<https://nginx.org/en/docs/ngx_core_module.html#worker_connections>, `ngx_event_accept` in src/event/ngx_event_accept.c).
/// Compiled once, its loops do not cost more for being many.
fn model(settings: &Settings, around: &Surroundings) -> Option<Network> {
    let auto = i64::from(around.visible_cpus);
    let processes = settings.int("worker_processes").unwrap_or(auto).clamp(1, 1024) as u32;
    let connections = settings.int("worker_connections").unwrap_or(512).clamp(2, 1 << 20) as u32;
    let loops = Network::event_loops(processes, Spread::Woken, 0, 0);
    Some(Network {
        process: Process { slots: Some(connections / 2), ..loops.process },
        intake: Intake { full: Full::Closed, ..loops.intake },
        crowding: 0.0,
        ..loops
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_log_tells_of_limits() {
        let log = "\
2026/01/02 03:04:05 [notice] 7#7: start worker process 8
2026/01/02 03:04:05 [alert] 8#8: *9 64 worker_connections are not enough while connecting to upstream, client: 127.0.0.1
2026/01/02 03:04:05 [alert] 8#8: 64 worker_connections are not enough
2026/01/02 03:04:06 [alert] 8#8: *9 socket() failed (24: Too many open files) while connecting to upstream
";
        let told: Vec<(&str, f64)> =
            decode(log.as_bytes()).unwrap().iter().map(|f| (f.name, f.value)).collect();
        let expected = [
            ("nginx.connections.refused", 2.0),
            ("nginx.connections.limit", 64.0),
            ("nginx.files.refused", 1.0),
        ];
        assert_eq!(told, expected);
        assert_eq!(decode(b"\xff worker_connections are not enough\n").unwrap(), []);
    }
}
