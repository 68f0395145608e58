//! The labels of repositories, and which rules and facts of knee their words mean.

use serde::Deserialize;
use serde_json::Value;
use std::fmt;

#[derive(Deserialize)]
pub struct Corpus {
    pub repositories: Vec<Repository>,
}

#[derive(Deserialize)]
pub struct Repository {
    pub repo: String,
    pub facts: Vec<Label>,
    pub findings: Vec<Label>,
    pub non_findings: Vec<Label>,
}

/// A place and what is to be said there, or not.
#[derive(Deserialize)]
pub struct Label {
    pub path: String,
    pub line: i64,
    /// A fact's name.
    pub key: Option<String>,
    /// A finding's.
    pub problem: Option<String>,
    pub tempting_problem: Option<String>,
    /// `firm`, or `arguable`.
    pub confidence: Option<String>,
    #[serde(default)]
    pub also: Vec<Label>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// Whether a rule says what a label's problem is: it may be the rule's own name. Another problem that
/// is not listed has no rule.
pub fn says(problem: &str, rule: &Value) -> bool {
    let rules: &[&str] = match problem {
        "lb.keepalive_short" => {
            &["keepalive-below-idle-timeout", "upstream-keepalive-beyond-application"]
        }
        "ecs.deregistration_delay_zero" => &["deregistration-delay-zero"],
        "ecs.nofile_missing" | "ecs.nofile_low" | "nginx.connections_exceed_nofile" => {
            &["nofile-default-on-ec2", "connections-beyond-nofile"]
        }
        "ecs.stop_timeout_short" => {
            &["graceful-period-beyond-stop-timeout", "supervisor-kill-before-drain"]
        }
        "ecs.stop_timeout_spot" => &["spot-without-stop-timeout"],
        "py.graceful_exceeds_stop" | "go.graceful_exceeds_stop" => {
            &["graceful-period-beyond-stop-timeout"]
        }
        "ecs.setting_wrong_container" => &["setting-on-wrong-container"],
        "ecs.health_check_grace_missing" => &["health-check-without-grace"],
        "ecs.fargate_pair" => &["fargate-size-invalid"],
        "signal.supervisor_stop_too_short" => &["supervisor-kill-before-drain"],
        "signal.shell_form" | "signal.wrapper_no_exec" | "signal.npm_pid1" => {
            &["signal-swallowed-by-shell", "package-runner-as-init"]
        }
        "signal.not_handled" => &[
            "sigterm-unhandled",
            "server-without-shutdown",
            "interrupt-only",
            // A shell that is PID 1 has no handler either.
            "signal-swallowed-by-shell",
        ],
        "signal.handler_never_exits" => &["handler-without-exit"],
        "go.no_shutdown" | "signal.sigint_only" => &["server-without-shutdown", "interrupt-only"],
        "go.errserverclosed_fatal" => &["closed-server-as-fatal"],
        "signal.stopsignal_mismatch" => &["stop-signal-unwanted"],
        "node.exit_without_drain" => &["exit-before-drain"],
        "node.shutdown_broken" => &["shutdown-that-throws"],
        "node.sync_in_handler" => &["sync-call-in-handler"],
        "go.server_no_timeouts" => &["server-without-timeouts"],
        "go.client_no_timeout" | "py.client_no_timeout" | "node.client_no_timeout" => {
            &["client-without-timeout", "request-without-timeout", "axios-without-timeout"]
        }
        "go.shutdown_deadline_short" => &["shutdown-deadline-short"],
        "go.listen_error_ignored" => &["listen-error-ignored"],
        "go.rows_not_closed" => &["rows-left-open"],
        "node.listener_leak" => &["listener-added-again"],
        "db.pool_per_module" => &["client-per-module"],
        "php.queue_retry_after" => &["job-retried-while-running"],
        "php.coverage_extension_in_prod" => &["coverage-extension-loaded"],
        "py.uwsgi_no_harakiri" => &["uwsgi-without-harakiri"],
        "py.uwsgi_unknown_option" => &["uwsgi-option-unknown"],
        "py.single_sync_worker" => &["single-sync-worker"],
        "py.gevent_blocking_driver" => &["gevent-blocking-driver"],
        "py.celery_beat_embedded" => &["scheduler-in-scaled-service"],
        "py.unknown_setting" => &["gunicorn-setting-unknown"],
        "go.body_not_closed" => &["response-body-left-open"],
        "go.gomemlimit_missing" => &["gomemlimit-unset"],
        "go.gomaxprocs_host" => &["gomaxprocs-from-host"],
        "octane.workers_host_cpu"
        | "py.workers_host_cpu"
        | "py.celery_concurrency_host_cpu"
        | "node.workers_host_cpu" => &["workers-from-host-cpus"],
        "py.eventlet_worker_deprecated" => &["removed-eventlet-worker"],
        "py.celery_acks_late" => &["late-acks-without-reject"],
        "py.duplicate_workers_flag" => &["option-given-twice"],
        "node.heap_mismatch" | "node.heap_too_large" => &["heap-beyond-memory"],
        "node.server_no_timeouts" => &["server-timeouts-disabled"],
        "php.fpm_children_default" => &["fpm-children-default"],
        "php.fpm_children_memory" => &["fpm-children-beyond-memory"],
        "php.fpm_process_control_timeout" => &["fpm-stop-without-drain"],
        "php.fpm_spare_servers" => &["fpm-spare-servers-few"],
        "php.opcache_small" => &[
            "opcache-slots-below-files",
            "opcache-memory-below-code",
            "opcache-strings-below-code",
        ],
        "php.opcache_disabled" => &["opcache-off"],
        "php.opcache_cli" => &["opcache-off-under-octane"],
        "php.opcache_validate_timestamps" => &["opcache-timestamps-checked"],
        "py.uvicorn_worker_deprecated" => &["deprecated-uvicorn-worker"],
        "py.max_requests_no_jitter" => &["max-requests-without-jitter"],
        "py.reload_in_prod" => &["reload-in-production"],
        "py.dev_server_in_prod" | "node.dev_server_in_prod" => &["development-server"],
        "py.blocking_in_async" => &["blocking-call-in-coroutine"],
        "py.celery_prefetch" => &["prefetch-with-late-acks"],
        "db.pool_exceeds_max_connections" | "db.connections_high" => &["connections-beyond-limit"],
        _ => &[],
    };
    rule.as_str().is_some_and(|rule| rule == problem || rules.contains(&rule))
}

/// Whether a fact of knee is what a label means by its key: the same setting by another name. What
/// stands behind the setting's name in a label says of which service or environment it is.
pub fn names(key: &str, fact: &Value) -> bool {
    let Some(fact) = fact.as_str() else { return false };
    let of = |name: &str| key == name || key.starts_with(&format!("{name}."));
    let same = |(name, facts): &(&str, &[&str])| {
        let rest = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        // A family of settings with another first word: `fpm.max_children.web`.
        let family = |own: &&str| {
            let setting = fact.strip_prefix(own).and_then(|rest| rest.strip_prefix('.'));
            setting.is_some_and(|setting| {
                rest.is_some_and(|rest| rest == setting || rest.starts_with(&format!("{setting}.")))
            })
        };
        facts.iter().any(|own| (*own == fact && of(name)) || family(own))
    };
    of(fact) || OTHER.iter().any(same) || variable(key, fact)
}

/// Whether a fact is the variable that sets what a label means: `env.GUNICORN_WORKERS` is
/// `gunicorn.workers`, `env.API_WRITE_TIMEOUT` is `go.write_timeout.prod`.
fn variable(key: &str, fact: &str) -> bool {
    let Some(name) = fact.strip_prefix("env.").map(str::to_ascii_lowercase) else { return false };
    let mut words = key.split('.');
    let (Some(of), Some(setting)) = (words.next(), words.next()) else { return false };
    name == format!("{of}_{setting}")
        || name.ends_with(setting) && (name.starts_with(of) || setting.contains('_'))
}

/// Names of labels, with those of facts that mean the same.
const OTHER: &[(&str, &[&str])] = &[
    ("server", &["entry", "container.command"]),
    ("entry", &["container.command"]),
    ("entrypoint", &["entry"]),
    ("next.start", &["entry"]),
    ("htmltopdf.args", &["entry"]),
    ("rq.command", &["entry"]),
    ("queue.command", &["entry"]),
    ("celery.worker", &["entry"]),
    ("celery.command", &["entry"]),
    ("base.image", &["container.image"]),
    ("image.stopsignal", &["container.stop_signal"]),
    ("stopsignal", &["container.stop_signal"]),
    ("port", &["container.port", "server.port", "nginx.listen", "env.PORT"]),
    ("container.port", &["server.port"]),
    ("uvicorn.port", &["entry", "server.port"]),
    ("gunicorn.bind", &["entry"]),
    ("gunicorn.timeout", &["gunicorn.worker_timeout"]),
    ("gunicorn_workers", &["gunicorn.workers"]),
    ("node.listen", &["server.port"]),
    ("celery.concurrency", &["celery.worker_concurrency"]),
    ("celery.prefetch_multiplier", &["celery.worker_prefetch_multiplier"]),
    ("celery.acks_late", &["celery.task_acks_late"]),
    ("celery.visibility_timeout", &["sqs.visibility_timeout"]),
    ("ecs.init_process_enabled", &["container.init"]),
    ("autoscaling.max_capacity", &["service.maximum", "service.range"]),
    ("autoscaling.min_capacity", &["service.minimum", "service.range"]),
    ("autoscaling.range", &["service.range"]),
    ("ecs.max_capacity", &["service.maximum"]),
    ("ecs.min_capacity", &["service.minimum"]),
    ("ecs.desired_count", &["service.desired_count"]),
    ("ecs.spot_from", &["service.spot_from"]),
    ("ecs.deployment_maximum_percent", &["service.deployment_maximum_percent"]),
    ("ecs.deployment_minimum_healthy_percent", &["service.deployment_minimum_percent"]),
    ("ecs.health_check_grace_period", &["service.health_check_grace"]),
    ("ecs.stop_timeout", &["container.stop_timeout"]),
    ("ecs.container_cpu", &["container.cpu"]),
    // The share of one container, where the label says which.
    ("task.cpu", &["container.cpu"]),
    ("task.memory", &["container.memory"]),
    ("task.memory_reservation", &["container.memory_reservation"]),
    ("compose.stop_grace_period", &["container.stop_timeout"]),
    ("nofile", &["nofile.soft"]),
    ("alb.deregistration_delay", &["target_group.deregistration_delay"]),
    ("alb.health_check_timeout", &["target_group.health_timeout"]),
    ("fpm", &["php_fpm"]),
    ("db.max_conns", &["db.max_open_conns", "db.pool_max"]),
    ("db.max_open_conns", &["db.pool_max"]),
    ("db.max_connections", &["db.pool_max", "env.DB_MAX_CONNECTIONS"]),
    ("db.pool_max", &["db.pool_most", "db.max_open_conns"]),
    ("db.reader_pool_max", &["db.pool_max"]),
    ("db.writer_pool_max", &["db.pool_max"]),
    ("db.pool_size", &["db.pool_most"]),
    ("aurora.max_acu", &["db.max_capacity"]),
    ("go.read_header_timeout", &["go.server"]),
    ("go.read_timeout", &["go.server"]),
    ("go.write_timeout", &["go.server"]),
    ("go.idle_timeout", &["go.server"]),
    ("go.http_client", &["go.http_client_timeout"]),
    ("http.client.timeout", &["go.http_client_timeout"]),
    ("go.shutdown_timeout", &["shutdown.timeout"]),
    ("go.shutdown_deadline", &["go.shutdown_timeout", "shutdown.timeout"]),
    ("worker.soft_stop_timeout", &["shutdown.timeout"]),
    ("node.worker_task_timeout", &["worker.timeout"]),
    ("node.max_old_space_size", &["env.NODE_OPTIONS"]),
    ("gunicorn.worker_tmp_dir", &["env.GUNICORN_CMD_ARGS"]),
    ("ws.ping_interval", &["server.ping_interval"]),
    ("sse.heartbeat_default", &["server.heartbeat_interval"]),
    ("rq.workers", &["supervisor.numprocs"]),
    ("php.memory_limit", &["env.PHP_MEMORY_LIMIT"]),
    ("roadrunner.max_worker_memory_mb", &["roadrunner.max_worker_memory"]),
];
