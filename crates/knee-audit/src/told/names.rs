//! What names of settings mean, however they are cased: `maxPoolSize`, `MAX_POOL_SIZE`, `max-pool-size`.

/// The words of a name in lower case, with `_` between them.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::new();
    let letters: Vec<char> = name.trim().chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let behind = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit())
                || before.is_some_and(char::is_uppercase)
                    && behind.is_some_and(|b| b.is_lowercase()));
        if begins {
            snake.push('_');
        }
        match letter {
            '-' | '.' | ' ' => snake.push('_'),
            _ => snake.extend(letter.to_lowercase()),
        }
    }
    snake
}

fn ends(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
}

fn has(name: &str, words: &[&str]) -> bool {
    name.split('_').any(|word| words.contains(&word))
}

/// Things whose size is not the task's.
const OTHERS: [&str; 14] = [
    "alarm",
    "alarms",
    "lambda",
    "redis",
    "elasticache",
    "opensearch",
    "elasticsearch",
    "bastion",
    "rds",
    "aurora",
    "database",
    "codebuild",
    "emr",
    "dashboard",
];

/// What is said of a size beside the size itself.
const ABOUT: [&str; 10] = [
    "threshold",
    "target",
    "utilization",
    "utilisation",
    "metric",
    "metrics",
    "step",
    "cooldown",
    "credit",
    "credits",
];

/// What a name means in a file of the deployment. `path` has the names around it, its own last.
pub(super) fn deployed(path: &[String]) -> Option<String> {
    // A default is its variable's: `variable "x" { default = … }`, `X: { Default: … }`.
    let unnamed = ["default", "value"];
    let own = path.iter().rposition(|name| !unnamed.contains(&&**name))?;
    let (own, outer) = (&*path[own], &path[..own]);
    let other = |name: &str| has(name, &OTHERS);
    let around = outer.iter().any(|name| other(name));
    if own.contains("serverless") || outer.iter().any(|n| n.contains("serverlessv2_scaling")) {
        let which = ["max_capacity", "min_capacity"].into_iter().find(|end| ends(own, end));
        return which.map(|which| format!("db.{which}"));
    }
    if outer.iter().any(|name| name == "health_check" || name == "healthcheck") {
        let target = outer.iter().any(|name| name.contains("target_group"));
        return matches!(own, "timeout" | "interval")
            .then_some(target)
            .and_then(|target| target.then(|| format!("target_group.health_{own}")));
    }
    let most = has(own, &["max", "maximum"]);
    let least = has(own, &["min", "minimum"]);
    let tasks = has(own, &["capacity", "count", "tasks", "replicas", "autoscaling", "scaling"])
        && !has(own, &["cpu", "memory", "mem", "cooldown", "threshold"]);
    let percent = has(own, &["percent", "pct", "percentage"]);
    let key = match () {
        () if has(own, &["deregistration"]) && has(own, &["delay"]) => {
            "target_group.deregistration_delay"
        }
        () if ends(own, "stop_timeout") => "container.stop_timeout",
        () if has(own, &["grace"]) && own.contains("health") => "service.health_check_grace",
        () if percent && least && (own.contains("healthy") || own.contains("deployment")) => {
            "service.deployment_minimum_percent"
        }
        () if percent && most => "service.deployment_maximum_percent",
        () if ends(own, "init_process_enabled") => "container.init",
        () if ends(own, "per_request_timeout_seconds") => "service_connect.per_request_timeout",
        () if has(own, &["spot"]) && ends(own, "weight") => "fargate_spot.weight",
        () if own.contains("idle_timeout")
            && path.iter().any(|name| has(name, &["lb", "alb", "balancer", "loadbalancer"])) =>
        {
            "alb.idle_timeout"
        }
        () if own.contains("visibility_timeout") => "sqs.visibility_timeout",
        () if server(own).is_some() => return server(own),
        () if around || other(own) || percent => return None,
        () if has(own, &["desired"]) && tasks => "service.desired_count",
        () if most && tasks => "service.maximum",
        () if least && tasks => "service.minimum",
        () if ends(own, "task_count") => "service.desired_count",
        () if has(own, &ABOUT) => return None,
        () if ["cpu", "cpu_units"].iter().any(|end| ends(own, end)) => "task.cpu",
        () if ["memory", "memory_mb", "memory_mib", "mem"].iter().any(|end| ends(own, end)) => {
            "task.memory"
        }
        () if PORTS.iter().any(|port| ends(own, port)) => "container.port",
        () => return pool(own),
    };
    Some(key.into())
}

/// Names of the port that the application is reached at.
const PORTS: [&str; 8] = [
    "container_port",
    "app_port",
    "application_port",
    "service_port",
    "web_port",
    "api_port",
    "server_port",
    "task_port",
];

/// A setting of a server by its full name: `gunicorn_workers`.
pub(super) fn server(name: &str) -> Option<String> {
    let servers = ["gunicorn", "uvicorn", "uwsgi", "php_fpm", "celery", "nginx", "node", "octane"];
    let settings = [
        "workers",
        "threads",
        "timeout",
        "keepalive",
        "keep_alive",
        "keepalive_timeout",
        "graceful_timeout",
        "concurrency",
        "max_requests",
        "max_requests_jitter",
        "max_children",
        "start_servers",
        "worker_class",
        "worker_connections",
        "worker_processes",
        "processes",
        "worker_timeout",
        "prefetch_multiplier",
        "max_old_space_size",
        "max_tasks_per_child",
    ];
    servers.iter().find_map(|server| {
        let at = name.find(server)?;
        let rest = name[at + server.len()..].strip_prefix('_')?;
        let own = settings.iter().find(|setting| **setting == rest)?;
        Some(format!("{server}.{own}"))
    })
}

/// A pool of connections to a database.
pub(super) fn pool(name: &str) -> Option<String> {
    let most = has(name, &["max", "maximum"]);
    let least = has(name, &["min", "minimum"]);
    let size = match () {
        () if ends(name, "max_overflow") => "max_overflow",
        () if ends(name, "max_open_conns") => "max_open_conns",
        () if ends(name, "max_idle_conns") => "max_idle_conns",
        () if ends(name, "conn_max_lifetime") || ends(name, "max_conn_lifetime") => {
            "conn_max_lifetime"
        }
        () if ends(name, "conn_max_idle_time") || ends(name, "max_conn_idle_time") => {
            "conn_max_idle_time"
        }
        () if ends(name, "conn_max_age") => "conn_max_age",
        () if ends(name, "pool_recycle") => "pool_recycle",
        () if ends(name, "pool_timeout") => "pool_timeout",
        () if ends(name, "connection_limit") => "pool_max",
        () if ends(name, "pool_size") && most => "pool_max",
        () if ends(name, "pool_size") && least => "pool_min",
        () if ends(name, "pool_size") => "pool_size",
        () if ends(name, "max_connections")
            || ends(name, "max_conns")
            || ends(name, "pool_max") =>
        {
            "pool_max"
        }
        () if ends(name, "min_connections")
            || ends(name, "min_conns")
            || ends(name, "pool_min") =>
        {
            "pool_min"
        }
        () => return None,
    };
    Some(format!("db.{size}"))
}

/// Celery's settings as they are called since 4.0, and as Django projects prefix them.
pub(super) fn celery(name: &str) -> Option<String> {
    let name = name.strip_prefix("celery_").or(name.strip_prefix("celeryd_")).unwrap_or(name);
    let known = [
        "worker_prefetch_multiplier",
        "worker_concurrency",
        "worker_pool",
        "task_acks_late",
        "task_reject_on_worker_lost",
        "task_time_limit",
        "task_soft_time_limit",
        "worker_max_tasks_per_child",
        "worker_max_memory_per_child",
        "broker_pool_limit",
        "visibility_timeout",
    ];
    known.contains(&name).then(|| format!("celery.{name}"))
}

/// What a name means in code. `outer` are the names around it, the nearest first.
pub(super) fn coded(language: &str, own: &str, outer: &[String]) -> Option<String> {
    let inside = |words: &[&str]| outer.iter().any(|name| words.iter().any(|w| name.contains(w)));
    let python = language == "py";
    let node = !matches!(language, "py" | "go" | "php");
    if let Some(key) = celery(own).filter(|_| python) {
        return Some(key);
    }
    if inside(&["q_cluster"]) && matches!(own, "workers" | "timeout" | "retry" | "max_attempts") {
        return Some(format!("djangoq.{own}"));
    }
    if matches!(own, "max" | "min" | "max_size" | "min_size") && inside(&["pool"]) {
        return Some(format!("db.pool_{}", &own[..3]));
    }
    let stops = has(own, &["graceful", "shutdown", "terminate", "drain", "stop"]);
    let key = match own {
        "keep_alive_timeout" | "headers_timeout" if node => match inside(&["agent"]) {
            true => return Some(format!("undici.{own}")),
            false => return Some(format!("node.{own}")),
        },
        "request_timeout" if node && inside(&["server", "fastify"]) => "node.request_timeout",
        "read_timeout" | "read_header_timeout" | "write_timeout" | "idle_timeout"
            if language == "go" && inside(&["server"]) =>
        {
            return Some(format!("go.{own}"));
        }
        "timeout" if language == "go" && inside(&["http.client"]) => "go.http_client_timeout",
        "addr" if language == "go" && inside(&["server"]) => "server.port",
        "max_idle_conns" if language == "go" && inside(&["transport"]) => return None,
        "wait_time_seconds" => "sqs.wait_time_seconds",
        "ping_interval" | "heartbeat_interval" => return Some(format!("server.{own}")),
        _ if stops && has(own, &["timeout", "period", "deadline", "grace"]) => "shutdown.timeout",
        _ if ends(own, "worker_task_timeout")
            || ends(own, "task_timeout") && inside(&["worker"]) =>
        {
            "worker.timeout"
        }
        "max_workers" | "min_workers" | "num_workers" | "worker_count" | "max_threads"
        | "min_threads" => return Some(format!("worker.{own}")),
        "port" | "listen_port" | "server_port" | "http_port" | "app_port" | "api_port"
        | "default_port" | "tls_port"
            if !inside(&[
                "db", "database", "redis", "mail", "smtp", "postgres", "mysql", "sql",
            ]) =>
        {
            "server.port"
        }
        _ => return server(own).or_else(|| pool(own)),
    };
    Some(key.into())
}
