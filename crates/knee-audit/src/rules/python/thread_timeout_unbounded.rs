//! A time-out that bounds no request.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("thread-timeout-unbounded", include_str!("thread_timeout_unbounded.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Gunicorn)
        .filter_map(|(service, container, program)| {
            let timeout = program.setting("gunicorn.timeout")?;
            let seconds = timeout.get()?.number().filter(|n| *n > 0.0)?;
            let threads = program.number("gunicorn.threads").is_some_and(|n| n > 1.0);
            let class = program.setting("gunicorn.worker_class").map_or(Some("sync"), |set| set.get()?.text())?;
            let threaded = class == "gthread" || (class == "sync" && threads);
            threaded.then(|| {
                let message = format!("with threads, the {seconds} s say only that the worker's main loop is alive: a request may take for ever, and its thread with it");
                Finding::new(RULE.name, &service.name, timeout.place().unwrap_or(start(container, program)), message)
                    .severity(Severity::Low)
                    .confidence(Confidence::High)
                    .persona(Persona::Pedantic)
                    .label("bounds no request")
                    .beside(program.setting("gunicorn.threads").and_then(Found::place), "threads")
                    .remedy("give each call that waits (HTTP client, database, cache) a time-out of its own")
            })
        })
        .collect()
}
