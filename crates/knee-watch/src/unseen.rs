//! What cannot be seen of a service, why, and which privilege or setting would show it.

use crate::find::Found;
use crate::sample::Unseen;
use knee_probe::limits::Limits;
use knee_probe::process::Process;

/// What a look at a service depends on.
pub struct Sight<'a> {
    /// The service.
    pub found: &'a Found,
    /// Its processes.
    pub family: &'a [i32],
    /// Its limits as far as they can be seen.
    pub limits: &'a Limits,
    /// Whether the kernel tells of connections.
    pub connections: bool,
    /// Whether somebody can be asked what the runtime says of itself.
    pub told: bool,
    /// Runtimes that were asked and never answered, with the reason.
    pub silent: Vec<String>,
}

/// Lists it.
pub fn unseen(sight: &Sight) -> Vec<Unseen> {
    let rules: [fn(&Sight) -> Option<Unseen>; 6] =
        [others, network, connections, quota, memory, status];
    let mut all: Vec<Unseen> = rules.iter().filter_map(|rule| rule(sight)).collect();
    let silent = |why: &String| row("what the runtime says of itself", why, "see the reason");
    all.extend(sight.silent.iter().map(silent));
    all
}

fn row(what: &str, why: &str, remedy: &str) -> Unseen {
    Unseen { what: what.into(), why: why.into(), remedy: remedy.into() }
}

/// Looking into another user's process takes what ptrace(2) takes.
fn others(sight: &Sight) -> Option<Unseen> {
    let closed = |pid: &&i32| {
        let process = Process::new(**pid);
        let lives = process.stat().is_ok_and(|stat| !stat.is_dead());
        lives && !process.is_open()
    };
    let hidden = sight.family.iter().filter(closed).count();
    (hidden > 0).then(|| {
        row(
            "sockets, PSS, environment and program",
            &format!("{hidden} of its processes belong to another user"),
            "run knee as root or as that user, or with the capability SYS_PTRACE (ECS: \
             linuxParameters.capabilities.add, in a sidecar together with pidMode: task)",
        )
    })
}

fn network(sight: &Sight) -> Option<Unseen> {
    (Process::new(sight.found.root).shares_network() == Some(false)).then(|| {
        row(
            "accept queue and requests in service",
            "it lives in another network namespace",
            "run knee in a container of the same task, or by nsenter --net --target PID",
        )
    })
}

fn connections(sight: &Sight) -> Option<Unseen> {
    (!sight.connections).then(|| {
        row(
            "requests in service",
            "this kernel does not tell of connections (sock_diag)",
            "none on this kernel",
        )
    })
}

fn quota(sight: &Sight) -> Option<Unseen> {
    sight.limits.cpu.is_none().then(|| {
        row(
            "the CPU quota",
            "none stands in the cgroups that can be seen; on ECS it stands on the task's, above the container's",
            "name the task: --task 0.5,1GB, or mount the host's /sys/fs/cgroup",
        )
    })
}

fn memory(sight: &Sight) -> Option<Unseen> {
    sight.limits.memory.is_none().then(|| {
        row(
            "the memory limit",
            "none stands in the cgroups that can be seen; on cgroup v2 the task's is hidden",
            "name the task: --task 0.5,1GB",
        )
    })
}

fn status(sight: &Sight) -> Option<Unseen> {
    let runtime = sight.found.runtime.filter(|r| (r.inject)().is_some() && !sight.told)?;
    let (what, remedy) = match runtime.id {
        "node" => {
            ("event-loop delay and utilisation", "start it by knee run, which preloads a meter")
        }
        "php-fpm" => (
            "busy workers as FPM counts them, OPcache",
            "set pm.status_path and pm.status_listen in the pool, or start it by knee run",
        ),
        "go" => (
            "goroutines and heap",
            "serve net/http/pprof and expvar, on a port of its own as a rule; knee asks there by itself",
        ),
        _ => ("what the runtime says of itself", "start it by knee run"),
    };
    Some(row(what, "the program was not started so that it tells", remedy))
}
