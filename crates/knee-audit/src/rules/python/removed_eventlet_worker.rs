//! gunicorn with a worker class that newer versions do not have.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("removed-eventlet-worker", include_str!("removed_eventlet_worker.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Gunicorn)
        .filter_map(|(service, container, program)| {
            let name = "gunicorn.worker_class";
            program.word(name).filter(|class| *class == "eventlet" || class.ends_with("EventletWorker"))?;
            let at = setting_or_start(container, program, name);
            let finding = Finding::new(RULE.name, &service.name, at, "gunicorn 26 has no eventlet worker any more, and eventlet itself asks its users to leave")
                .label("removed")
                .remedy("take gthread with threads, or gevent, after a look at what the application does");
            Some(finding)
        })
        .collect()
}
