//! Which runtime a command or a process is, by what knee-core knows of each.

use knee_core::runtimes::{self, Evidence, Runtime};
use knee_probe::process::Process;

/// Programs that start others, and are none of a runtime's own processes.
const LAUNCHERS: [&str; 11] =
    ["sh", "dash", "bash", "ash", "busybox", "zsh", "npm", "npx", "yarn", "pnpm", "corepack"];

/// A runtime's first process, which the others come from.
#[derive(Clone, Copy)]
pub struct Server {
    /// Its number.
    pub pid: i32,
    /// What it runs.
    pub runtime: &'static Runtime,
}

/// The first processes of each runtime among these; a runtime's own children are left out, and so
/// is what only starts others.
pub fn servers(members: &[i32]) -> Vec<Server> {
    let known: Vec<Server> = members
        .iter()
        .filter_map(|pid| Some(Server { pid: *pid, runtime: of_process(*pid)? }))
        .collect();
    let below_its_own = |server: &Server| {
        let mut at = server.pid;
        // A family is not deeper than it is large.
        for _ in members {
            let Ok(stat) = Process::new(at).stat() else { return false };
            at = stat.parent;
            if known.iter().any(|k| k.pid == at && k.runtime.id == server.runtime.id) {
                return true;
            }
        }
        false
    };
    known.iter().copied().filter(|server| !below_its_own(server)).collect()
}

/// What a process runs; also a Go program, by what its file carries.
pub fn of_any_process(pid: i32) -> Option<&'static Runtime> {
    of_process(pid).or_else(|| {
        let process = Process::new(pid);
        let module = |name: &str| (name == "go.mod" && process.is_go()).then(String::new);
        by(&process.argv(), &module)
    })
}

/// Program and arguments, also of those that write a title over them: `nginx: master process nginx
/// -c /nginx.conf`, `php-fpm: master process (/etc/php-fpm.conf)`.
pub fn words(process: &Process) -> Vec<String> {
    let argv = process.argv();
    let title = argv.join(" ");
    let Some((program, rest)) = title.split_once(": master process ") else { return argv };
    match rest.trim().strip_prefix('(').and_then(|rest| rest.split(')').next()) {
        Some(config) => vec![program.into(), "--fpm-config".into(), config.into()],
        None => rest.split_whitespace().map(Into::into).collect(),
    }
}

/// What a process runs. Some write one title over their arguments: `nginx: master process nginx`.
fn of_process(pid: i32) -> Option<&'static Runtime> {
    let title = Process::new(pid).argv().join(" ");
    let words: Vec<String> =
        title.split_whitespace().map(|w| w.trim_end_matches(':').to_string()).collect();
    let program = words.first()?.rsplit('/').next()?;
    if LAUNCHERS.contains(&program) {
        return None;
    }
    by(&words, &|_| None)
}

/// What starts with these words.
pub fn by(words: &[String], file: &dyn Fn(&str) -> Option<String>) -> Option<&'static Runtime> {
    let program = words.first()?.rsplit('/').next()?;
    let evidence = Evidence { argv: words, program, file };
    runtimes::started().find(|runtime| (runtime.recognise)(&evidence).is_some())
}
