//! Workers that reserve tasks which they are not working on.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Datum, Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{on, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("prefetch-with-late-acks", include_str!("prefetch_with_late_acks.md"), check);

/// Celery's default: <https://docs.celeryq.dev/en/stable/userguide/configuration.html#worker-prefetch-multiplier>.
const DEFAULT: f64 = 4.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Celery)
        .filter_map(|(service, container, program)| {
            if on(program, "celery.task_acks_late", false) != Some(true) {
                return None;
            }
            let name = "celery.worker_prefetch_multiplier";
            let (multiplier, written) = match program.setting(name) {
                None => (DEFAULT, false),
                Some(set) => match set.get()? {
                    Datum::Number(n) => (*n, true),
                    Datum::Text(text) => (text.trim().parse().ok()?, true),
                    _ => return None,
                },
            };
            (multiplier > 1.0).then(|| {
                let at = program.setting(name).or(program.setting("celery.task_acks_late")).and_then(Found::place);
                let message = format!("each process reserves {multiplier} tasks and works on one: the others wait behind it while other workers are idle");
                Finding::new(RULE.name, &service.name, at.unwrap_or(start(container, program)), message)
                    .severity(Severity::Low)
                    .confidence(Confidence::Medium)
                    .persona(if written { Persona::Regular } else { Persona::Pedantic })
                    .label(format!("worker_prefetch_multiplier is {multiplier}"))
                    .remedy("set worker_prefetch_multiplier = 1 where tasks take more than a moment")
            })
        })
        .collect()
}
