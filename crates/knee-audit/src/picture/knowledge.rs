//! Where each runtime's settings are written. Knows no format and no file.

use super::program::Runtime;
use super::values::Kind;

/// A setting of a runtime and where it may stand, the strongest place first.
pub(super) struct Setting {
    /// `gunicorn.workers`
    pub name: &'static str,
    pub kind: Kind,
    /// Options of the command line.
    pub flags: &'static [&'static str],
    /// Variables that hold the bare value.
    pub env: &'static [&'static str],
    /// The key in the runtime's own file.
    pub key: &'static str,
}

const fn setting(
    name: &'static str,
    kind: Kind,
    flags: &'static [&'static str],
    env: &'static [&'static str],
    key: &'static str,
) -> Setting {
    Setting { name, kind, flags, env, key }
}

use Kind::{Bytes, Number, Seconds, Switch, Text};

static GUNICORN: [Setting; 16] = [
    setting("gunicorn.workers", Number, &["--workers", "-w"], &["WEB_CONCURRENCY"], "workers"),
    setting("gunicorn.threads", Number, &["--threads"], &[], "threads"),
    setting("gunicorn.worker_class", Text, &["--worker-class", "-k"], &[], "worker_class"),
    setting("gunicorn.keepalive", Seconds, &["--keep-alive"], &[], "keepalive"),
    setting("gunicorn.timeout", Seconds, &["--timeout", "-t"], &[], "timeout"),
    setting("gunicorn.graceful_timeout", Seconds, &["--graceful-timeout"], &[], "graceful_timeout"),
    setting("gunicorn.max_requests", Number, &["--max-requests"], &[], "max_requests"),
    setting(
        "gunicorn.max_requests_jitter",
        Number,
        &["--max-requests-jitter"],
        &[],
        "max_requests_jitter",
    ),
    setting("gunicorn.reload", Switch, &["--reload"], &[], "reload"),
    setting(
        "gunicorn.forwarded_allow_ips",
        Text,
        &["--forwarded-allow-ips"],
        &["FORWARDED_ALLOW_IPS"],
        "forwarded_allow_ips",
    ),
    setting("gunicorn.worker_tmp_dir", Text, &["--worker-tmp-dir"], &[], "worker_tmp_dir"),
    setting(
        "gunicorn.worker_connections",
        Number,
        &["--worker-connections"],
        &[],
        "worker_connections",
    ),
    setting("gunicorn.preload_app", Switch, &["--preload"], &[], "preload_app"),
    setting("gunicorn.backlog", Number, &["--backlog"], &[], "backlog"),
    setting("gunicorn.bind", Text, &["--bind", "-b"], &[], "bind"),
    setting(
        "gunicorn.limit_request_line",
        Number,
        &["--limit-request-line"],
        &[],
        "limit_request_line",
    ),
];

static UVICORN: [Setting; 10] = [
    setting("uvicorn.workers", Number, &["--workers"], &["WEB_CONCURRENCY"], ""),
    setting("uvicorn.timeout_keep_alive", Seconds, &["--timeout-keep-alive"], &[], ""),
    setting(
        "uvicorn.timeout_graceful_shutdown",
        Seconds,
        &["--timeout-graceful-shutdown"],
        &[],
        "",
    ),
    setting("uvicorn.limit_concurrency", Number, &["--limit-concurrency"], &[], ""),
    setting("uvicorn.limit_max_requests", Number, &["--limit-max-requests"], &[], ""),
    setting("uvicorn.backlog", Number, &["--backlog"], &[], ""),
    setting("uvicorn.reload", Switch, &["--reload"], &[], ""),
    setting("uvicorn.loop", Text, &["--loop"], &[], ""),
    setting(
        "uvicorn.forwarded_allow_ips",
        Text,
        &["--forwarded-allow-ips"],
        &["FORWARDED_ALLOW_IPS"],
        "",
    ),
    setting("uvicorn.proxy_headers", Switch, &["--proxy-headers"], &[], ""),
];

// https://hypercorn.readthedocs.io/en/latest/how_to_guides/configuring.html
static HYPERCORN: [Setting; 6] = [
    setting("hypercorn.workers", Number, &["--workers", "-w"], &[], "workers"),
    setting("hypercorn.keep_alive", Seconds, &["--keep-alive"], &[], "keep_alive_timeout"),
    setting(
        "hypercorn.graceful_timeout",
        Seconds,
        &["--graceful-timeout"],
        &[],
        "graceful_timeout",
    ),
    setting("hypercorn.worker_class", Text, &["--worker-class", "-k"], &[], "worker_class"),
    setting("hypercorn.backlog", Number, &["--backlog"], &[], "backlog"),
    setting("hypercorn.reload", Switch, &["--reload"], &[], "use_reloader"),
];

static UWSGI: [Setting; 11] = [
    setting(
        "uwsgi.processes",
        Number,
        &["--processes", "-p", "--workers"],
        &["UWSGI_PROCESSES"],
        "processes",
    ),
    setting("uwsgi.threads", Number, &["--threads"], &["UWSGI_THREADS"], "threads"),
    setting("uwsgi.master", Switch, &["--master", "-M"], &["UWSGI_MASTER"], "master"),
    setting("uwsgi.harakiri", Seconds, &["--harakiri"], &["UWSGI_HARAKIRI"], "harakiri"),
    setting("uwsgi.die_on_term", Switch, &["--die-on-term"], &["UWSGI_DIE_ON_TERM"], "die-on-term"),
    setting(
        "uwsgi.max_requests",
        Number,
        &["--max-requests"],
        &["UWSGI_MAX_REQUESTS"],
        "max-requests",
    ),
    setting("uwsgi.http_keepalive", Seconds, &["--http-keepalive"], &[], "http-keepalive"),
    setting("uwsgi.listen", Number, &["--listen", "-l"], &["UWSGI_LISTEN"], "listen"),
    setting("uwsgi.cheaper", Number, &["--cheaper"], &["UWSGI_CHEAPER"], "cheaper"),
    setting("uwsgi.lazy_apps", Switch, &["--lazy-apps"], &[], "lazy-apps"),
    setting(
        "uwsgi.worker_reload_mercy",
        Seconds,
        &["--worker-reload-mercy"],
        &[],
        "worker-reload-mercy",
    ),
];

static CELERY: [Setting; 10] = [
    setting(
        "celery.worker_concurrency",
        Number,
        &["--concurrency", "-c"],
        &["CELERY_WORKER_CONCURRENCY", "CELERYD_CONCURRENCY"],
        "worker_concurrency",
    ),
    setting("celery.worker_pool", Text, &["--pool", "-P"], &[], "worker_pool"),
    setting(
        "celery.worker_prefetch_multiplier",
        Number,
        &["--prefetch-multiplier"],
        &[],
        "worker_prefetch_multiplier",
    ),
    setting(
        "celery.worker_max_tasks_per_child",
        Number,
        &["--max-tasks-per-child"],
        &[],
        "worker_max_tasks_per_child",
    ),
    setting(
        "celery.worker_max_memory_per_child",
        Number,
        &["--max-memory-per-child"],
        &[],
        "worker_max_memory_per_child",
    ),
    setting("celery.task_time_limit", Seconds, &["--time-limit"], &[], "task_time_limit"),
    setting("celery.task_acks_late", Switch, &[], &[], "task_acks_late"),
    setting("celery.task_reject_on_worker_lost", Switch, &[], &[], "task_reject_on_worker_lost"),
    setting(
        "celery.task_soft_time_limit",
        Seconds,
        &["--soft-time-limit"],
        &[],
        "task_soft_time_limit",
    ),
    setting("celery.queues", Text, &["--queues", "-Q"], &[], ""),
];

static NODE: [Setting; 5] = [
    // Milliseconds; read by Next.js: https://nextjs.org/docs/app/api-reference/cli/next#next-start-options
    setting("node.keep_alive", Number, &["--keepAliveTimeout"], &["KEEP_ALIVE_TIMEOUT"], ""),
    setting("node.max_old_space_size", Number, &["--max-old-space-size"], &[], ""),
    setting(
        "node.max_old_space_size_percentage",
        Number,
        &["--max-old-space-size-percentage"],
        &[],
        "",
    ),
    setting("node.uv_threadpool_size", Number, &[], &["UV_THREADPOOL_SIZE"], ""),
    setting("node.max_http_header_size", Number, &["--max-http-header-size"], &[], ""),
];

static GO: [Setting; 3] = [
    setting("go.gomaxprocs", Number, &[], &["GOMAXPROCS"], ""),
    setting("go.gomemlimit", Bytes, &[], &["GOMEMLIMIT"], ""),
    setting("go.gogc", Number, &[], &["GOGC"], ""),
];

static OCTANE: [Setting; 5] = [
    setting("octane.server", Text, &["--server"], &["OCTANE_SERVER"], "server"),
    setting("octane.workers", Number, &["--workers", "-w"], &[], ""),
    setting("octane.task_workers", Number, &["--task-workers"], &[], ""),
    setting("octane.max_requests", Number, &["--max-requests"], &[], ""),
    setting("octane.max_execution_time", Seconds, &[], &[], "max_execution_time"),
];

/// The settings of a runtime that stand on its command line, in variables or in its own file.
pub(super) fn settings(runtime: Runtime) -> &'static [Setting] {
    match runtime {
        Runtime::Gunicorn => &GUNICORN,
        Runtime::Uvicorn => &UVICORN,
        Runtime::Hypercorn => &HYPERCORN,
        Runtime::Uwsgi => &UWSGI,
        Runtime::Celery => &CELERY,
        Runtime::Node => &NODE,
        Runtime::Go => &GO,
        Runtime::Octane => &OCTANE,
        _ => &[],
    }
}

/// Options inside a variable: gunicorn's and Node's.
pub(super) fn option_variable(runtime: Runtime) -> Option<&'static str> {
    match runtime {
        Runtime::Gunicorn => Some("GUNICORN_CMD_ARGS"),
        Runtime::Node => Some("NODE_OPTIONS"),
        _ => None,
    }
}

/// What an image of the public registry starts by itself.
pub(super) fn started_by(image: &str) -> Option<&'static [&'static str]> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let (name, tag) = name.split_once(':').unwrap_or((name, ""));
    Some(match name {
        "php" | "wordpress" | "drupal" if tag.contains("fpm") => &["php-fpm"],
        "php" if tag.contains("apache") => &["apache2-foreground"],
        "wordpress" | "drupal" => &["apache2-foreground"],
        "httpd" => &["httpd-foreground"],
        "nginx" | "nginx-unprivileged" => &["nginx", "-g", "daemon off;"],
        // https://github.com/tiangolo/uvicorn-gunicorn-docker#environment-variables
        "uvicorn-gunicorn" | "uvicorn-gunicorn-fastapi" | "uvicorn-gunicorn-starlette" => &[
            "gunicorn",
            "--workers",
            "${WEB_CONCURRENCY:-$(nproc)}",
            "--worker-class",
            "${WORKER_CLASS:-uvicorn.workers.UvicornWorker}",
            "--keep-alive",
            "${KEEP_ALIVE:-5}",
            "--timeout",
            "${TIMEOUT:-120}",
            "--graceful-timeout",
            "${GRACEFUL_TIMEOUT:-120}",
        ],
        _ => return None,
    })
}

/// The server for development that a command starts, as people call it.
pub fn development_server(argv: &[String]) -> Option<&'static str> {
    let program = argv.first()?.rsplit('/').next()?;
    let has = |text: &str| argv.iter().skip(1).any(|word| word == text);
    let script = |name: &str| argv.iter().any(|word| word.rsplit('/').next() == Some(name));
    Some(match program {
        "flask" if has("run") => "flask run",
        "fastapi" if has("dev") => "fastapi dev",
        "php" if has("-S") => "php -S",
        "php" if script("artisan") && has("serve") => "php artisan serve",
        "next" if has("dev") => "next dev",
        "nuxt" | "nuxi" if has("dev") => "nuxt dev",
        "nest" if has("--watch") => "nest start --watch",
        "tsx" if has("watch") => "tsx watch",
        "vite" if !has("build") && !has("preview") => "vite",
        "react-scripts" if has("start") => "react-scripts start",
        "vue-cli-service" if has("serve") => "vue-cli-service serve",
        "ng" if has("serve") => "ng serve",
        "nodemon" => "nodemon",
        "ts-node-dev" | "tsnd" => "ts-node-dev",
        "webpack-dev-server" => "webpack-dev-server",
        _ if script("manage.py") && has("runserver") => "manage.py runserver",
        _ => return None,
    })
}

/// Programs that run until they are stopped, beside the runtimes that are known.
const DAEMONS: [&str; 17] = [
    "supercronic",
    "java",
    "puma",
    "unicorn",
    "sidekiq",
    "thin",
    "daphne",
    "granian",
    "waitress-serve",
    "haproxy",
    "envoy",
    "caddy",
    "traefik",
    "redis-server",
    "memcached",
    "clamd",
    "varnishd",
];

/// Whether a command is a program that runs on in the foreground, and no runtime that is known.
pub fn is_daemon(argv: &[String]) -> bool {
    let Some(program) = argv.first().and_then(|word| word.rsplit('/').next()) else { return false };
    // Without the option they put themselves into the background.
    let stays = |option: &str| argv.iter().any(|word| word == option);
    match program {
        "cron" | "crond" => stays("-f") || stays("-n"),
        program => DAEMONS.contains(&program),
    }
}

/// What a command starts; None for what only prepares.
pub(crate) fn recognise(argv: &[String]) -> Option<Runtime> {
    let program = argv.first()?.rsplit('/').next()?;
    if development_server(argv).is_some() {
        return Some(Runtime::Other);
    }
    let argument = |text: &str| argv.iter().skip(1).any(|word| word == text);
    let plain = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    Some(match plain {
        "php-fpm" => Runtime::PhpFpm,
        "apache2-foreground" | "apache2ctl" | "httpd-foreground" | "httpd" => Runtime::Apache,
        "nginx" | "openresty" => Runtime::Nginx,
        "gunicorn" => Runtime::Gunicorn,
        "uvicorn" => Runtime::Uvicorn,
        "hypercorn" => Runtime::Hypercorn,
        "fastapi" if argument("run") => Runtime::Uvicorn,
        "uwsgi" | "uwsgi-core" => Runtime::Uwsgi,
        "celery" if argument("worker") => Runtime::Celery,
        // Its scheduler: no worker, but a process that has a state to save at the end.
        "celery" if argument("beat") => Runtime::Worker,
        "rr" if argument("serve") => Runtime::Octane,
        "frankenphp" => Runtime::Octane,
        "node" | "nodejs" | "bun" | "ts-node" | "tsx" => Runtime::Node,
        "next" | "nest" | "strapi" | "medusa" if argument("start") => Runtime::Node,
        "remix-serve" | "react-router-serve" => Runtime::Node,
        "rq" if argument("worker") => Runtime::Worker,
        "php" => {
            let verb = argv.iter().skip(1).find(|word| word.contains(':') || *word == "horizon");
            match verb.map(String::as_str) {
                Some(verb) if verb.starts_with("octane:") && verb != "octane:install" => {
                    Runtime::Octane
                }
                Some("horizon" | "queue:work" | "queue:listen") => Runtime::Worker,
                _ => Runtime::Other,
            }
        }
        _ if program.ends_with("manage.py") && argument("rq") => Runtime::Worker,
        _ => return None,
    })
}
