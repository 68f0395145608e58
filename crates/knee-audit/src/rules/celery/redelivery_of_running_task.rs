//! A broker that gives a task out again while it still runs.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{on, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("redelivery-of-running-task", include_str!("redelivery_of_running_task.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Celery)
        .filter_map(|(service, container, program)| {
            let (default, broker) = match program.word("celery.broker")? {
                "redis" | "rediss" => (3600.0, "Redis"),
                "sqs" => (1800.0, "SQS"),
                _ => return None,
            };
            let limit = program.setting("celery.task_time_limit")?;
            let seconds = limit.get()?.number()?;
            let visible = match program.setting("celery.visibility_timeout") {
                None => default,
                Some(set) => set.get()?.number()?,
            };
            let late = on(program, "celery.task_acks_late", false) == Some(true);
            (late && seconds > visible).then(|| {
                let message = format!("a task may run {seconds} s, but {broker} gives it out again after {visible} s: it then runs twice at once");
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, "celery.visibility_timeout"), message)
                    .severity(Severity::High)
                    .label(format!("visible again after {visible} s"))
                    .beside(limit.place(), format!("may run {seconds} s"))
                    .remedy(format!("set visibility_timeout in broker_transport_options above {seconds} s, or limit the task's time below it"))
            })
        })
        .collect()
}
