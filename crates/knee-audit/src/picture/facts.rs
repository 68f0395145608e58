//! The picture as a list of facts, each value with its place, for people and for `--facts`.

use super::found::{Datum, Found, Origin};
use super::program::{LinkKind, Runtime, is_python};
use super::service::{Container, Launch, Service};
use super::values::shown;
use super::{Fact, Picture};
use std::collections::HashSet;

/// Every value, in the order of services, containers, programs; the same value at the same place once.
pub(super) fn facts(picture: &Picture) -> Vec<Fact> {
    let mut list = List { facts: Vec::new(), seen: HashSet::new() };
    for service in &picture.services {
        list.service(service);
    }
    for balancer in &picture.load_balancers {
        list.add("load balancer", "alb.idle_timeout", &balancer.idle_timeout, |n| n.to_string());
    }
    for database in &picture.databases {
        list.add("database", "db.max_connections", &database.max_connections, |n| n.to_string());
    }
    list.facts
}

struct List {
    facts: Vec<Fact>,
    seen: HashSet<(String, String)>,
}

impl List {
    fn add<T>(&mut self, of: &str, key: &str, found: &Found<T>, say: impl Fn(&T) -> String) {
        let value = Found {
            value: match &found.value {
                super::found::Known::Is(value) => super::found::Known::Is(say(value)),
                super::found::Known::Unknown(why) => super::found::Known::Unknown(why.clone()),
            },
            origin: found.origin.clone(),
            unless: found.unless.clone(),
            overrode: Vec::new(),
        };
        let value = shown(&value);
        let place = match &found.origin {
            Origin::At(place) => format!("{place:?}"),
            Origin::Default(program) => format!("{of} {program}"),
        };
        if self.seen.insert((key.into(), place)) {
            let (of, key) = (of.to_string(), key.to_string());
            let (origin, overrode) = (found.origin.clone(), found.overrode.clone());
            self.facts.push(Fact { of, key, value, origin, overrode });
        }
    }

    fn maybe<T>(
        &mut self,
        of: &str,
        key: &str,
        found: &Option<Found<T>>,
        say: impl Fn(&T) -> String,
    ) {
        if let Some(found) = found {
            self.add(of, key, found, say);
        }
    }

    fn service(&mut self, service: &Service) {
        let of = &service.name;
        let task = &service.task;
        let mib = |n: &u64| format!("{} MiB", n >> 20);
        self.maybe(of, "task.cpu", &task.cpu, |n| format!("{n} vCPU"));
        self.maybe(of, "task.memory", &task.memory, mib);
        self.maybe(of, "launch_type", &task.launch, |launch| match launch {
            Launch::Fargate => "FARGATE".into(),
            Launch::Ec2 => "EC2".into(),
            Launch::Other => "other".into(),
        });
        self.maybe(of, "task.spot", &task.spot, ToString::to_string);
        self.maybe(of, "service.desired_count", &task.desired, ToString::to_string);
        self.maybe(of, "service.maximum", &task.maximum, ToString::to_string);
        self.maybe(of, "service.health_check_grace", &task.health_check_grace, ToString::to_string);
        self.maybe(of, "ecs.agent_stop_timeout", &task.agent_stop_timeout, |n| format!("{n} s"));
        for container in &service.containers {
            self.container(&format!("{of}/{}", container.name), container);
        }
    }

    fn container(&mut self, of: &str, container: &Container) {
        let mib = |n: &u64| format!("{} MiB", n >> 20);
        let image = container.image.as_ref().and_then(|image| image.base.clone());
        self.maybe(of, "container.image", &image, Clone::clone);
        self.maybe(of, "container.cpu", &container.cpu, ToString::to_string);
        self.maybe(of, "container.memory", &container.memory, mib);
        self.maybe(of, "container.memory_reservation", &container.memory_reservation, mib);
        self.maybe(of, "container.port", &container.port, ToString::to_string);
        self.maybe(of, "container.command", &container.command, |words| hidden(words));
        self.maybe(of, "container.stop_timeout", &container.stop_timeout, |n| format!("{n} s"));
        self.maybe(of, "nofile.soft", &container.nofile, |n| n.soft.to_string());
        self.maybe(of, "nofile.hard", &container.nofile, |n| n.hard.to_string());
        self.maybe(of, "container.init", &container.init, ToString::to_string);
        self.maybe(of, "container.stop_signal", &container.stop_signal, Clone::clone);
        for target in &container.targets {
            self.add(of, "target_group.deregistration_delay", &target.deregistration_delay, |n| {
                format!("{n} s")
            });
            self.maybe(of, "target_group.health_interval", &target.health_interval, |n| {
                format!("{n} s")
            });
        }
        // Only names that tune a runtime are told: other values may be secrets.
        for (name, value) in container.env.iter().filter(|(name, _)| is_tuning(name)) {
            self.add(of, &format!("env.{name}"), value, |value| knee_files::without_values(value));
        }
        for program in &container.programs {
            let python = program.command.get().is_some_and(|words| is_python(words));
            let prefix = match program.runtime {
                Runtime::Worker | Runtime::Other if python => "python",
                runtime => prefix(runtime),
            };
            self.maybe(of, &format!("{prefix}.version"), &program.version, Clone::clone);
            self.add(of, "entry", &program.command, |words| hidden(words));
            for (name, found) in &program.settings {
                let name =
                    name.replace("php_fpm.pm.", "php_fpm.").replace("php_fpm.listen.", "php_fpm.");
                self.add(of, &name, found, Datum::to_string);
            }
            for link in &program.chain.links {
                if let LinkKind::Supervisor(supervision) = &link.kind {
                    self.add(of, "supervisor.stopwaitsecs", &supervision.stop_wait, |n| {
                        n.to_string()
                    });
                    self.maybe(of, "supervisor.numprocs", &supervision.processes, Datum::to_string);
                    self.maybe(of, "supervisor.stopsignal", &supervision.stop_signal, Clone::clone);
                }
            }
        }
    }
}

/// A command without the values of variables that are set in it, nor passwords in addresses.
pub(crate) fn hidden(words: &[String]) -> String {
    let shown = words.iter().map(|word| match word.split_once('=') {
        Some((name, _)) if !name.starts_with('-') => format!("{name}=…"),
        // `--env=NAME=value`
        Some((option, assigned)) if assigned.contains('=') => {
            let name = assigned.split('=').next().unwrap_or_default();
            format!("{option}={name}=…")
        }
        _ => word.clone(),
    });
    super::values::short(&knee_files::without_values(&shown.collect::<Vec<_>>().join(" ")))
}

/// Whether a variable of that name tunes a runtime, and is no secret.
pub(crate) fn is_tuning(name: &str) -> bool {
    let known = [
        "GOMAXPROCS",
        "GOMEMLIMIT",
        "GOGC",
        "NODE_OPTIONS",
        "UV_THREADPOOL_SIZE",
        "WEB_CONCURRENCY",
        "GUNICORN_CMD_ARGS",
        "UVICORN_PORT",
        "PORT",
        "NODE_ENV",
        "OCTANE_SERVER",
        "PHP_MEMORY_LIMIT",
    ];
    let words = [
        "WORKERS",
        "THREADS",
        "CONCURRENCY",
        "TIMEOUT",
        "KEEPALIVE",
        "KEEP_ALIVE",
        "PHP_OPCACHE",
        "MEMORY_LIMIT",
        "MAX_CHILDREN",
        "MAX_REQUESTS",
        "POOL_SIZE",
        "MAX_CONNECTIONS",
    ];
    let secret = ["SECRET", "TOKEN", "PASSWORD", "KEY_"];
    (known.contains(&name) || words.iter().any(|word| name.contains(word)))
        && !secret.iter().any(|word| name.contains(word))
}

fn prefix(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::PhpFpm | Runtime::Apache | Runtime::Octane => "php",
        Runtime::Nginx => "nginx",
        Runtime::Gunicorn
        | Runtime::Uvicorn
        | Runtime::Hypercorn
        | Runtime::Uwsgi
        | Runtime::Celery => "python",
        Runtime::Node => "node",
        Runtime::Go => "go",
        Runtime::Worker | Runtime::Other => "program",
    }
}
