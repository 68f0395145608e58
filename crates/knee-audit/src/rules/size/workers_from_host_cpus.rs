//! As many workers as the host has CPUs, not the task.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Datum, Found, Place, Program, Runtime, Service};
use crate::rules::Rule;
use crate::rules::reading::{is_started, programs, setting_or_start, start};

/// The rule.
pub static RULE: Rule = Rule::new("workers-from-host-cpus", include_str!("workers_from_host_cpus.md"), check);

/// Settings that count workers, and how much a worker costs: a copy of the application, or little.
const COUNTS: [(&str, Severity); 10] = [
    ("gunicorn.workers", Severity::High),
    ("uvicorn.workers", Severity::High),
    ("hypercorn.workers", Severity::High),
    ("uwsgi.processes", Severity::High),
    ("uwsgi.workers", Severity::High),
    ("octane.workers", Severity::Medium),
    ("roadrunner.num_workers", Severity::Medium),
    ("celery.worker_concurrency", Severity::Medium),
    ("node.instances", Severity::Medium),
    ("php_fpm.pm.max_children", Severity::Medium),
];

/// What Node.js programs keep threads with.
const POOLS: [&str; 5] = ["worker_threads", "piscina", "workerpool", "tinypool", "threads"];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |_| true) {
        let set = COUNTS.iter().find_map(|(name, severity)| match program.setting(name)?.get()? {
            Datum::Cpus(how) => Some((setting_or_start(container, program, name), how.clone(), *severity)),
            _ => None,
        });
        let code = || {
            let sources = subject.code.node_of(&subject.picture.files, program);
            let forks = sources.iter().find_map(|source| source.forks.first());
            let pools = sources.iter().flat_map(|source| &source.imports).any(|import| POOLS.contains(&import.trim_start_matches("node:")));
            let threads = || sources.iter().find_map(|source| source.cpus.as_ref()).filter(|_| pools);
            forks.or_else(threads).cloned()
        };
        if let Some((at, how, severity)) = set {
            found.push(finding(service, at, &how, severity));
        } else if let Some((at, how)) = code() {
            found.push(finding(service, &at, &how, Severity::Medium));
        } else if let Some((what, severity)) = left(program).filter(|_| is_started(program)) {
            found.push(finding(service, start(container, program), what, severity));
        }
    }
    found
}

/// Programs that count CPUs when nobody says how many workers there are.
fn left(program: &Program) -> Option<(&'static str, Severity)> {
    match program.runtime {
        Runtime::Octane if program.setting("octane.workers").is_none() && program.setting("roadrunner.num_workers").is_none() => {
            let first = program.command.get().and_then(|words| words.first()?.rsplit('/').next());
            let what = match first {
                // https://frankenphp.dev/docs/config/: two threads for each CPU.
                Some("frankenphp") => "frankenphp without num_threads and num",
                Some("rr") => "rr serve without num_workers",
                _ => "octane:start --workers=auto",
            };
            Some((what, Severity::Medium))
        }
        Runtime::Celery
            if program.setting("celery.worker_concurrency").is_none()
                && matches!(program.word("celery.worker_pool"), None | Some("prefork" | "processes"))
                && program.setting("celery.worker_pool").is_none_or(|pool| pool.get().is_some()) =>
        {
            Some(("celery worker", Severity::Medium))
        }
        _ => None,
    }
}

fn finding(service: &Service, at: &Place, how: &str, severity: Severity) -> Finding {
    let how = how.split_whitespace().collect::<Vec<_>>().join(" ");
    let how: String = how.chars().take(60).collect();
    let message = format!("`{how}` starts a worker for each CPU of the host: on ECS the task's share is not visible from inside");
    Finding::new(RULE.name, &service.name, at, message)
        .severity(severity)
        .label("counts the host's CPUs")
        .beside(service.task.cpu.as_ref().and_then(Found::place), match service.task.cpu.as_ref().and_then(Found::get) {
            Some(cpu) => format!("the task has {cpu} vCPU"),
            None => "the task's size".into(),
        })
        .remedy("state the number: measure it with `knee tune`, or let `knee run` fill it in from the task's real size")
}
