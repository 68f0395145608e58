//! How long a server keeps an idle connection: what its settings, its code and its defaults say.

use crate::Subject;
use crate::picture::{Datum, Found, Place, Program, Runtime};
use crate::source::go;

/// How long a server keeps an idle connection, and where that is said.
pub struct KeepAlive {
    /// Seconds; 0 for no keep-alive at all.
    pub seconds: f64,
    /// Where it is written, else where the server is started.
    pub at: Place,
    /// Whether it is written.
    pub written: bool,
    /// Whose default it is, if not.
    pub whose: String,
}

/// What is known of a program's keep-alive; None where it keeps no connection, for ever, or where
/// it cannot be known.
pub fn keep_alive(subject: &Subject, program: &Program) -> Option<KeepAlive> {
    match program.runtime {
        Runtime::Node => node(subject, program),
        Runtime::Go => go(subject, program),
        Runtime::Nginx => setting(program, "nginx.keepalive_timeout", 75.0, "nginx's default"),
        Runtime::Uvicorn => {
            setting(program, "uvicorn.timeout_keep_alive", 5.0, "uvicorn's default")
        }
        Runtime::Hypercorn => setting(program, "hypercorn.keep_alive", 5.0, "Hypercorn's default"),
        Runtime::Gunicorn => gunicorn(program),
        // Caddy waits five minutes: https://caddyserver.com/docs/caddyfile/options#timeouts
        Runtime::Octane if program.setting("caddy.idle_timeout").is_some() => {
            setting(program, "caddy.idle_timeout", 300.0, "Caddy's default")
        }
        Runtime::Apache => setting(program, "apache.keepalive_timeout", 5.0, "Apache's default"),
        _ => None,
    }
}

/// A setting in seconds, else the program's default. None where it cannot be known.
fn setting(program: &Program, name: &str, default: f64, whose: &str) -> Option<KeepAlive> {
    let started = program.command.place()?;
    match program.setting(name) {
        None => Some(KeepAlive {
            seconds: default,
            at: started.clone(),
            written: false,
            whose: whose.into(),
        }),
        Some(found) => Some(KeepAlive {
            seconds: found.get()?.number()?,
            at: found.place().unwrap_or(started).clone(),
            written: found.is_written(),
            whose: whose.into(),
        }),
    }
}

/// The sync worker closes each connection after its answer, and says so: nothing is raced.
fn gunicorn(program: &Program) -> Option<KeepAlive> {
    let threads = program.setting("gunicorn.threads").map(Found::get);
    let threaded = match threads {
        Some(Some(Datum::Number(n))) => *n > 1.0,
        Some(_) => return None,
        None => false,
    };
    let class = match program.setting("gunicorn.worker_class") {
        Some(class) => class.get()?.text()?,
        None => "sync",
    };
    if class == "sync" && !threaded {
        return None;
    }
    setting(program, "gunicorn.keepalive", 2.0, "gunicorn's default")
}

/// Node closes after `keepAliveTimeout`; 0 switches that off.
fn node(subject: &Subject, program: &Program) -> Option<KeepAlive> {
    let sources = subject.code.node_of(&subject.picture.files, program);
    let set: Vec<_> = sources.iter().flat_map(|source| &source.keep_alives).collect();
    if let Some((at, value)) = set.first() {
        let seconds = (*value)? / 1000.0;
        return Some(KeepAlive { seconds, at: at.clone(), written: true, whose: String::new() });
    }
    let listens = sources.iter().find_map(|source| source.listens.first());
    let next = (listens.is_none() && is_next(subject, program)).then_some(());
    if next.is_some()
        && let Some(set) = program.setting("node.keep_alive")
    {
        let at = set.place().or(program.command.place())?.clone();
        let seconds = set.get()?.number()? / 1000.0;
        return Some(KeepAlive { seconds, at, written: true, whose: String::new() });
    }
    let listens = listens.or(next.and(program.command.place()))?;
    let major = program
        .version
        .as_ref()
        .and_then(|v| v.get())
        .and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    // Before 8 there was none: https://nodejs.org/api/http.html#serverkeepalivetimeout
    if major.is_some_and(|major| major < 8) {
        return None;
    }
    // From 27 on it is 65 s: https://github.com/nodejs/node/pull/62782
    let seconds = if major.is_some_and(|major| major >= 27) { 65.0 } else { 5.0 };
    Some(KeepAlive { seconds, at: listens.clone(), written: false, whose: "Node's default".into() })
}

/// Whether a program is the server that Next.js brings: by its own command, or by the `server.js`
/// that only the build makes.
fn is_next(subject: &Subject, program: &Program) -> bool {
    let Some([first, rest @ ..]) = program.command.get().map(Vec::as_slice) else { return false };
    let folder = program.folder.as_deref().unwrap_or_default();
    let beside = |name: &str| match folder {
        "" => name.to_string(),
        folder => format!("{folder}/{name}"),
    };
    let files = &subject.picture.files;
    let made = rest.iter().any(|word| word.rsplit('/').next() == Some("server.js"))
        && !files.all.contains(&beside("server.js"));
    let package = files.iter().find(|(_, file)| file.path == beside("package.json"));
    let depends = package.is_some_and(|(_, file)| file.text.contains("\"next\":"));
    first == "next" || (made && depends)
}

/// `IdleTimeout`, else `ReadTimeout`, else for ever: <https://pkg.go.dev/net/http#Server>.
fn go(subject: &Subject, program: &Program) -> Option<KeepAlive> {
    let mut servers =
        subject.code.go_of(program).flat_map(|s| s.servers.iter().map(move |server| (s, server)));
    let (source, server): (&go::Source, _) = servers.find(|(_, server)| !server.local)?;
    if source.assigned.iter().any(|name| name == "IdleTimeout" || name == "ReadTimeout") {
        return None;
    }
    let idle = server.timeouts.get("IdleTimeout").filter(|(_, seconds)| *seconds != Some(0.0));
    let (at, seconds) = idle.or(server.timeouts.get("ReadTimeout"))?;
    Some(KeepAlive { seconds: (*seconds)?, at: at.clone(), written: true, whose: String::new() })
}
