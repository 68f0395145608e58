//! A program in a container: which runtime it is, its settings, how signals come to it.

use super::files::{FileId, Place};
use super::found::{Datum, Found};
use std::collections::BTreeMap;

/// A program that serves or works.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is.
    pub runtime: Runtime,
    /// The runtime's version, as far as it is written: `20`, `8.3`, `3.12`, `1.29.7`.
    pub version: Option<Found<String>>,
    /// Its words; the place is the one that starts it, the best to point at.
    pub command: Found<Vec<String>>,
    /// Its settings after precedence, by name: the runtime's own, with a prefix
    /// (names: [`Program::setting`]). What nothing sets is absent, except where a default
    /// depends on something else that is written.
    pub settings: BTreeMap<String, Found<Datum>>,
    /// The processes from PID 1 to it.
    pub chain: Chain,
    /// Whether it is this program that the load balancer's requests come to first.
    pub front: bool,
    /// The folder of its sources, relative to the root: where its `package.json`, `go.mod` or
    /// `requirements.txt` stands.
    pub folder: Option<String>,
    /// Its source files that were read, without tests, vendored and generated ones.
    pub sources: Vec<FileId>,
}

/// What a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// php-fpm.
    PhpFpm,
    /// Apache with mod_php.
    Apache,
    /// `artisan octane:*`, `rr serve`, `frankenphp`.
    Octane,
    /// nginx.
    Nginx,
    /// gunicorn, whatever its workers.
    Gunicorn,
    /// uvicorn alone, also `fastapi run`.
    Uvicorn,
    /// Hypercorn.
    Hypercorn,
    /// uWSGI.
    Uwsgi,
    /// A Celery worker (not beat, not flower).
    Celery,
    /// Another worker that takes jobs: RQ, Horizon, `artisan queue:work`, Sidekiq-like.
    Worker,
    /// Node.js, also under pm2.
    Node,
    /// A Go binary.
    Go,
    /// Something else.
    Other,
}

impl Runtime {
    /// Whether it answers requests.
    pub fn serves(self) -> bool {
        !matches!(self, Runtime::Celery | Runtime::Worker | Runtime::Other)
    }
}

/// Whether a command starts a script or module of Python's.
pub(super) fn is_python(command: &[String]) -> bool {
    let program = command.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    program.starts_with("python") || program.ends_with(".py")
}

/// The processes from PID 1 to a program, PID 1 first, the program itself left out. A process that
/// replaces itself (`exec`) is not one of them.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The processes; empty when the program is PID 1.
    pub links: Vec<Link>,
    /// Why the chain could not be followed to its end, if so.
    pub unknown: Option<String>,
    /// Whether a script runs the program again and again.
    pub endless: bool,
}

/// A process between PID 1 and a program.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it is.
    pub kind: LinkKind,
    /// The words that start it.
    pub place: Place,
}

/// What a process between PID 1 and a program is.
#[derive(Clone, Debug)]
pub enum LinkKind {
    /// A shell that waits for its child.
    Shell {
        /// Which.
        shell: Shell,
        /// Whether it runs a script file (else the shell form or `-c`).
        script: bool,
        /// Whether it traps the stop signal.
        traps: bool,
    },
    /// npm, yarn, pnpm, npx, poetry or pipenv run and the like: the program's name.
    Runner(String),
    /// tini, dumb-init, `initProcessEnabled`: forwards signals and reaps.
    Init,
    /// supervisord, s6, runit, foreman, pm2.
    Supervisor(Box<Supervision>),
}

/// Which shell `/bin/sh` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// Debian's and Ubuntu's: never execs its last command.
    Dash,
    /// Execs the last command of `-c`.
    Bash,
    /// Alpine's: execs the last command of `-c`.
    Busybox,
    /// The image is not known.
    Unknown,
}

/// What a supervisor does to a program when it is stopped.
#[derive(Clone, Debug)]
pub struct Supervision {
    /// `supervisord`, `s6`, …
    pub supervisor: String,
    /// The program's section or name there.
    pub program: String,
    /// Where its section begins.
    pub place: Place,
    /// How many of it are started, where that is written.
    pub processes: Option<Found<Datum>>,
    /// Seconds until SIGKILL; a default where nothing is written.
    pub stop_wait: Found<f64>,
    /// The signal, where it is written or known.
    pub stop_signal: Option<Found<String>>,
}

impl Program {
    /// A setting by name. The names, with units:
    ///
    /// - `gunicorn.`: the long options with `_` (`workers`, `threads`, `worker_class`, `keepalive`,
    ///   `timeout`, `graceful_timeout`, `max_requests`, `max_requests_jitter`, `reload`,
    ///   `forwarded_allow_ips`, `worker_tmp_dir`, `worker_connections`, `preload_app`, `backlog`)
    /// - `uvicorn.`, `hypercorn.`, `uwsgi.`: the long options with `_` (`uvicorn.timeout_keep_alive`,
    ///   `uwsgi.die_on_term`)
    /// - `php_fpm.`: the directives (`pm`, `pm.max_children`, `pm.max_requests`,
    ///   `process_control_timeout`, `listen.backlog`, `request_terminate_timeout`)
    /// - `php.` and `opcache.`: the ini directives (`php.memory_limit`, `opcache.enable`)
    /// - `octane.`: `server`, `workers`, `task_workers`, `max_requests`; `roadrunner.` the keys of
    ///   `.rr.yaml` (`num_workers`, `max_worker_memory`)
    /// - `nginx.`: the directives (`worker_processes`, `worker_connections`,
    ///   `worker_rlimit_nofile`, `keepalive_timeout`, `worker_shutdown_timeout`,
    ///   `upstream_keepalive`, `upstream_keepalive_timeout`, `upstream` = what it passes to)
    /// - `node.`: `max_old_space_size` (bytes), `uv_threadpool_size`, `instances` (pm2)
    /// - `go.`: `gomaxprocs`, `gomemlimit` (bytes), `gogc` (-1 is off)
    /// - `celery.`: the settings in lower case (`worker_concurrency`, `worker_pool`,
    ///   `worker_prefetch_multiplier`, `task_acks_late`, `task_reject_on_worker_lost`,
    ///   `task_time_limit`, `visibility_timeout`, `broker` = `redis`, `sqs`, `amqp`)
    /// - `db.`: `pool_size`, `max_overflow` of one process
    pub fn setting(&self, name: &str) -> Option<&Found<Datum>> {
        self.settings.get(name)
    }

    /// Says that what was found in one file stands at the same bytes of another.
    pub(super) fn moved(&mut self, to: &dyn Fn(FileId) -> FileId) {
        self.command.moved(to);
        self.version.iter_mut().for_each(|found| found.moved(to));
        self.settings.values_mut().for_each(|found| found.moved(to));
        for link in &mut self.chain.links {
            link.place.file = to(link.place.file);
            if let LinkKind::Supervisor(supervision) = &mut link.kind {
                supervision.place.file = to(supervision.place.file);
                supervision.processes.iter_mut().for_each(|found| found.moved(to));
                supervision.stop_wait.moved(to);
                supervision.stop_signal.iter_mut().for_each(|found| found.moved(to));
            }
        }
    }

    /// A setting that is known and a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.setting(name)?.get()?.number()
    }

    /// A setting that is known and a word.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.setting(name)?.get()?.text()
    }

    /// A setting that is known and a switch.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.setting(name)?.get()?.switch()
    }
}
