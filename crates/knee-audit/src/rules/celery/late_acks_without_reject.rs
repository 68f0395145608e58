//! Late acknowledgement that loses the task of a killed worker.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::{Datum, Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{off, on, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("late-acks-without-reject", include_str!("late_acks_without_reject.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Celery)
        .filter_map(|(service, container, program)| {
            let set = program.setting("celery.task_acks_late")?;
            let lost = "celery.task_reject_on_worker_lost";
            let unset = off(program, lost, false) && program.setting(lost).is_none_or(|s| s.get().is_some());
            (on(program, "celery.task_acks_late", false) == Some(true) && unset).then(|| {
                Finding::new(
                    RULE.name,
                    &service.name,
                    set.place().unwrap_or(start(container, program)),
                    "a task whose worker process is killed (out of memory) is acknowledged all the same and lost, although acks_late promises otherwise",
                )
                .label("acknowledged late")
                .remedy("set task_reject_on_worker_lost = True, for tasks that may run twice; a task that kills its worker each time then needs a limit of its own")
                .state_beside(subject, set, ("", &beside(subject, set)), "True", Safety::Unsafe)
            })
        })
        .collect()
}

/// The setting's name as its neighbour is written: `CELERY_TASK_ACKS_LATE` asks for capitals.
fn beside(subject: &Subject, set: &Found<Datum>) -> String {
    let Some(place) = set.place() else { return String::new() };
    let before = &subject.picture.files.get(place.file).text[..place.span.start];
    let line = before.rsplit('\n').next().unwrap_or_default();
    let name = line.trim_end().trim_end_matches('=').trim_end().rsplit('.').next().unwrap_or_default();
    name.replace("acks_late", "reject_on_worker_lost").replace("ACKS_LATE", "REJECT_ON_WORKER_LOST")
}
