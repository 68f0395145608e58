//! Jobs that are handed out again while they run.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("job-retried-while-running", include_str!("job_retried_while_running.md"), check);

/// A worker's time-out where nothing is said: <https://laravel.com/docs/queues#worker-timeouts>.
const DEFAULT: f64 = 60.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Worker)
        .filter_map(|(service, container, program)| {
            let again = program.setting("queue.retry_after")?;
            let after = again.get()?.number()?;
            let set = program.setting("queue.timeout");
            let timeout = set.map_or(Some(DEFAULT), |set| set.get()?.number())?;
            if timeout > 0.0 && timeout < after {
                return None;
            }
            let may = if timeout > 0.0 { format!("may run for {timeout} s") } else { "may run for ever".into() };
            let message = format!("a job {may}, but the queue hands it out again after {after} s: long jobs are run twice at the same time");
            let at = set.and_then(Found::place).unwrap_or(start(container, program));
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .label(may)
                .beside(again.place(), format!("handed out again after {after} s"))
                .remedy("set retry_after some seconds above the worker's --timeout, or make the job shorter");
            Some(finding)
        })
        .collect()
}
