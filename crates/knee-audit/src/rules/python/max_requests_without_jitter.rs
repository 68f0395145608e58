//! gunicorn that restarts all its workers at once.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("max-requests-without-jitter", include_str!("max_requests_without_jitter.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Gunicorn)
        .filter_map(|(service, container, program)| {
            let requests = program.number("gunicorn.max_requests").filter(|n| *n > 0.0)?;
            let jitter = match program.setting("gunicorn.max_requests_jitter") {
                None => 0.0,
                Some(set) => set.get()?.number()?,
            };
            let alone = program.number("gunicorn.workers") == Some(1.0);
            let at = setting_or_start(container, program, "gunicorn.max_requests");
            let set = program.setting("gunicorn.max_requests")?;
            let tenth = format!("{:.0}", (requests / 10.0).max(1.0));
            (jitter == 0.0 && !alone).then(|| {
                let finding = Finding::new(
                    RULE.name,
                    &service.name,
                    at,
                    format!("all workers reach {requests} requests at about the same time and restart together"),
                )
                .label(format!("after {requests} requests, without jitter"))
                .remedy(format!("add max_requests_jitter of a tenth or more: {tenth}"));
                match program.setting("gunicorn.max_requests_jitter") {
                    None => finding.state_beside(subject, set, ("--max-requests-jitter", "max_requests_jitter"), &tenth, Safety::Safe),
                    zero => finding.set(subject, zero, tenth, Safety::Safe),
                }
            })
        })
        .collect()
}
