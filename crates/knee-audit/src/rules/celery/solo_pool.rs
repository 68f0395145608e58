//! A Celery worker that does one task at a time in its main process.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("solo-pool", include_str!("solo_pool.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Celery)
        .filter_map(|(service, container, program)| {
            let name = "celery.worker_pool";
            program.word(name).filter(|pool| *pool == "solo")?;
            let ignored = ["celery.task_time_limit", "celery.task_soft_time_limit", "celery.worker_concurrency"];
            let ignored = ignored.iter().find_map(|name| program.setting(name)?.place());
            let finding = Finding::new(
                RULE.name,
                &service.name,
                setting_or_start(container, program, name),
                "the solo pool works on one task at a time and blocks the worker meanwhile: no time limits, no answer to the broker, no warm shutdown",
            )
            .confidence(if ignored.is_some() { Confidence::High } else { Confidence::Medium })
            .severity(if ignored.is_some() { Severity::Medium } else { Severity::Low })
            .label("solo")
            .beside(ignored, "has no effect there")
            .remedy("take prefork with a stated concurrency, or threads for tasks that wait");
            Some(finding)
        })
        .collect()
}
