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
        "ecs.nofile_missing" | "ecs.nofile_low" => {
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
        "signal.not_handled" => &["sigterm-unhandled", "server-without-shutdown", "interrupt-only"],
        "go.no_shutdown" | "signal.sigint_only" => &["server-without-shutdown", "interrupt-only"],
        "go.errserverclosed_fatal" => &["closed-server-as-fatal"],
        "signal.stopsignal_mismatch" => &["stop-signal-unwanted"],
        "node.exit_without_drain" => &["exit-before-drain"],
        "node.shutdown_broken" => &["shutdown-that-throws"],
        "node.sync_in_handler" => &["sync-call-in-handler"],
        "go.server_no_timeouts" => &["server-without-timeouts"],
        "go.client_no_timeout" | "py.client_no_timeout" => {
            &["client-without-timeout", "request-without-timeout"]
        }
        "go.body_not_closed" => &["response-body-left-open"],
        "go.gomemlimit_missing" => &["gomemlimit-unset"],
        "go.gomaxprocs_host" => &["gomaxprocs-from-host"],
        "octane.workers_host_cpu" | "py.workers_host_cpu" | "py.celery_concurrency_host_cpu" => {
            &["workers-from-host-cpus"]
        }
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

/// Whether a fact of knee is what a label means by its key.
pub fn names(key: &str, fact: &Value) -> bool {
    let Some(fact) = fact.as_str() else { return false };
    let other: &[&str] = match key {
        "server" | "rq.command" | "celery.worker" | "entry.args" | "entry.override" => &["entry"],
        "entry.worker" => &["entry"],
        "port" => &["container.port"],
        "celery.concurrency" => &["celery.worker_concurrency"],
        "celery.prefetch_multiplier" => &["celery.worker_prefetch_multiplier"],
        "stopsignal" => &["container.stop_signal"],
        "ecs.init_process_enabled" => &["container.init"],
        "autoscaling.max_capacity" => &["service.maximum"],
        "go.read_timeout" | "go.write_timeout" | "go.idle_timeout" => &["go.server"],
        "rq.workers" => &["supervisor.numprocs"],
        "php.memory_limit" | "php.memory_limit.override" => {
            &["php.memory_limit", "env.PHP_MEMORY_LIMIT"]
        }
        "roadrunner.max_worker_memory_mb" => &["roadrunner.max_worker_memory"],
        "compose.stop_grace_period" | "ecs.stop_timeout" | "ecs.stop_timeout.module_default" => {
            &["container.stop_timeout"]
        }
        "ecs.container_cpu" => &["container.cpu"],
        _ => &[],
    };
    fact == key || other.contains(&fact)
}
