//! What a program that runs already was set to, and where it tells of itself: by its words, its
//! environment and its configuration, as far as these may be read.

use crate::fill::{find, fpm, set, tell};
use knee_core::Settings;
use knee_core::runtimes::{GO_PPROF, Injection, Runtime, Told};
use knee_core::settings::{Site, Value};
use knee_probe::gopages::{self, EXPVAR, PPROF};
use knee_probe::process::Process;
use knee_watch::recognise::words;
use knee_watch::{Place, Source};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a program may take to say that it serves a page.
const PATIENCE: Duration = Duration::from_millis(300);

/// What it was set to.
pub fn settings(runtime: &Runtime, pid: i32) -> Settings {
    let process = Process::new(pid);
    let words = words(&process);
    let config = set::config_in(runtime, &words, &|path| process.path(path));
    let mut settings =
        set::read(runtime, &words, &|name| process.variable(name), config.as_deref());
    // Also what is only as packaged: here it counts what is, not who decided on it.
    if let Some(pool) = pool(runtime, &process) {
        let value = |text: &str| text.parse().map_or_else(|_| text.into(), Value::Int);
        let known = (runtime.knobs)();
        let set = known.iter().filter_map(|knob| Some((&knob.name, pool.get(&*knob.name)?)));
        settings.0.extend(set.map(|(name, text)| (name.to_string(), value(text))));
    }
    settings
}

/// Where it tells of itself: where knee has it do so at its start, or where its own pool says.
pub fn sources(runtime: &Runtime, pid: i32) -> Vec<Source> {
    let process = Process::new(pid);
    // A folder or socket of an earlier process says nothing of this one.
    let injection = (runtime.inject)().filter(|injection| asked(injection, &process));
    let answers = injection.map(|injection| injection.answers).unwrap_or_default();
    let there = |path: &str| {
        let path = process.path(Path::new(path));
        path.exists().then(|| path.to_string_lossy().into_owned())
    };
    let place = |told: Told| match told {
        Told::FastCgi { listen, page } => {
            Some(Place::FastCgi { listen: there(listen)?, page: page.into() })
        }
        Told::Script { listen, script } => {
            there(script)?;
            Some(Place::Script { listen: there(listen)?, script: script.into() })
        }
        Told::Folder(path) => Some(Place::Folder(there(path)?.into())),
        Told::Stderr => None,
    };
    let mut places: Vec<Place> = answers.into_iter().filter_map(place).collect();
    if places.is_empty() {
        places = match runtime.id {
            "go" => go_pages(&process),
            _ => own_page(runtime, &process).unwrap_or_default(),
        };
    }
    places.into_iter().map(|place| Source { runtime: runtime.id, place }).collect()
}

/// Whether its environment is as the injection makes it.
fn asked(injection: &Injection, process: &Process) -> bool {
    injection.entries.iter().all(|(site, value)| match site {
        Site::Environment { name } => process.variable(name).is_some_and(|v| v.contains(value)),
        _ => true,
    })
}

/// Pages by which a Go program tells of itself, where it serves them. Nobody is asked who does not carry
/// them, as a question is a line in a log.
fn go_pages(process: &Process) -> Vec<Place> {
    let named = process.variable(GO_PPROF).filter(|base| !base.is_empty());
    let carries = |handler: &str| find::carries(&process.program(), handler);
    let pprof = named.is_some() || carries("net/http/pprof.Index");
    let expvar = carries("expvar.expvarHandler");
    if !(pprof || expvar) || process.shares_network() == Some(false) {
        return vec![];
    }
    let places = gopages::places(process, named.as_deref());
    let first = |serves: &dyn Fn(&str) -> bool| places.iter().find(|base| serves(base));
    let variables = first(&|base| expvar && gopages::is_expvar(base, PATIENCE));
    let pprof = first(&|base| pprof && gopages::is_pprof(process, base, PATIENCE));
    let heap = match (variables, pprof) {
        (Some(base), _) => Some(format!("{base}{EXPVAR}")),
        (None, Some(base)) => Some(format!("{base}{PPROF}heap?debug=1")),
        (None, None) => None,
    };
    let front = pprof.map(|base| format!("{base}{PPROF}"));
    front.into_iter().chain(heap).map(Place::Page).collect()
}

/// The status page of its only pool. Where that has no socket of its own, a free child answers. On a
/// socket that knee-run made the script about OPcache may be executed, too.
fn own_page(runtime: &Runtime, process: &Process) -> Option<Vec<Place>> {
    let pool = pool(runtime, process)?;
    let page = pool.get("pm.status_path")?.clone();
    let written = pool.get("pm.status_listen").or_else(|| pool.get("listen"))?;
    let listen = match written.starts_with('/') {
        true => process.path(Path::new(written)).to_string_lossy().into_owned(),
        false if written.contains(':') => written.clone(),
        false => format!("127.0.0.1:{written}"),
    };
    let script = (runtime.inject)().filter(|_| written.starts_with(tell::FOLDER));
    let script = script.into_iter().flat_map(|injection| injection.answers);
    let script = script.filter_map(|told| match told {
        Told::Script { script, .. } => {
            Some(Place::Script { listen: listen.clone(), script: script.into() })
        }
        _ => None,
    });
    Some(script.chain([Place::FastCgi { listen: listen.clone(), page }]).collect())
}

/// The keys of its only pool, where it has pools and sees the files that this process sees.
fn pool(
    runtime: &Runtime,
    process: &Process,
) -> Option<std::collections::BTreeMap<String, String>> {
    let knobs = (runtime.knobs)();
    let pools = knobs.iter().flat_map(|knob| &knob.sites).any(|s| matches!(s, Site::Ini { .. }));
    let root = |path: &Path| fs::metadata(path).ok().map(|root| (root.dev(), root.ino()));
    let same = root(&process.path(Path::new("/"))) == root(Path::new("/"));
    if !pools || !same {
        return None;
    }
    let main = set::config_in(runtime, &words(process), &|path| process.path(path))?;
    Some(fpm::read_running(&main)?.only()?.1.clone())
}
