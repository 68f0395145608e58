//! More Python workers than the memory holds.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{each, memory, mib, processes, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("workers-beyond-memory", include_str!("workers_beyond_memory.md"), check);

/// What a worker with an application needs of its own at the least. Measured: 17 workers of a 40 MB
/// application in 512 MiB ended in a loop of out-of-memory kills.
const WORKER: f64 = 32.0 * 1024.0 * 1024.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::Gunicorn | Runtime::Uvicorn | Runtime::Hypercorn | Runtime::Uwsgi | Runtime::Celery))
        .filter_map(|(service, container, program)| {
            let (workers, at) = processes(program)?;
            let (limit, limit_at) = memory(service, container)?;
            let threads = matches!(program.word("celery.worker_pool"), Some(pool) if pool != "prefork");
            let each = each(subject, program, WORKER);
            let needed = each.shared + workers * each.bytes;
            (needed > limit as f64 && !threads).then(|| {
                let message = format!("{workers} workers {} need {}, the container has {}", each.said(), mib(needed), mib(limit as f64));
                Finding::new(RULE.name, &service.name, at.unwrap_or(start(container, program)), message)
                    .severity(Severity::High)
                    .confidence(if each.measured.is_some() { Confidence::High } else { Confidence::Medium })
                    .label(format!("{workers} workers"))
                    .beside(Some(limit_at), mib(limit as f64))
                    .beside(each.measured, "what one takes, measured")
                    .remedy("lower the number of workers or give the task more memory; `knee tune` measures what a worker needs")
            })
        })
        .collect()
}
