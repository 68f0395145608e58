//! A service that answers one request at a time.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::{Deployment, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("single-sync-worker", include_str!("single_sync_worker.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::Gunicorn | Runtime::Uwsgi))
        // What else a task's variables could say is known where its definition is.
        .filter(|(service, _, program)| service.deployment == Deployment::Ecs && program.command.get().is_some())
        .filter_map(|(service, container, program)| {
            let name = alone(program)?;
            let message = "one worker serves one request at a time: a slow one holds up all others, the load balancer's health checks, too";
            let finding = Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), message)
                .confidence(Confidence::Medium)
                .label("a single worker, a single thread")
                .beside(Some(&container.place), "this container")
                .remedy("give it threads or workers, as many as its memory holds; `knee tune` measures how many pay");
            Some(finding)
        })
        .collect()
}

/// The setting that says how many workers there are, if it is one that does one thing at a time.
fn alone(program: &Program) -> Option<&'static str> {
    // What is not set is 1; what is not known, or what a variable may change, may be anything.
    let one = |name: &str| program.setting(name).is_none_or(|set| set.unless.is_none() && set.get().and_then(|n| n.number()) == Some(1.0));
    if program.runtime == Runtime::Uwsgi {
        let plain = ["uwsgi.processes", "uwsgi.threads"].into_iter().all(one);
        let event_loop = ["uwsgi.gevent", "uwsgi.asyncio", "uwsgi.cheaper"].iter().any(|name| program.setting(name).is_some());
        return (plain && !event_loop && program.setting("uwsgi.processes").is_some()).then_some("uwsgi.processes");
    }
    let sync = program.setting("gunicorn.worker_class").is_none_or(|class| class.get().and_then(|c| c.text()) == Some("sync"));
    let alone = sync && one("gunicorn.workers") && one("gunicorn.threads");
    alone.then_some("gunicorn.workers")
}
