//! A supervisor that kills a program sooner than it needs to finish.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{Place, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, start, supervision};

/// The rule.
pub static RULE: Rule = Rule::new("supervisor-kill-before-drain", include_str!("supervisor_kill_before_drain.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        .filter_map(|(service, container, program)| {
            let supervision = supervision(program)?;
            let wait = *supervision.stop_wait.get()?;
            let (needed, why) = needed(program)?;
            // A time that was chosen is known to be too short only where the other one is chosen, too.
            let chosen = supervision.stop_wait.is_written();
            if wait >= needed.unwrap_or(f64::INFINITY) || (chosen && needed.is_none()) {
                return None;
            }
            let message = format!("{} kills `{}` {wait} s after the stop signal: {why}", supervision.supervisor, supervision.program);
            let at = supervision.stop_wait.place().unwrap_or(start(container, program));
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(if matches!(program.runtime, Runtime::Worker | Runtime::Celery) { Severity::Medium } else { Severity::Low })
                .confidence(if needed.is_some() { Confidence::High } else { Confidence::Medium })
                .label(if chosen { format!("{wait} s") } else { format!("killed after {wait} s, the default") })
                .beside(graceful_place(program), "what it may take to finish")
                .remedy(format!(
                    "set {} to more than the longest job or request, and the container's stop time-out above that",
                    match &*supervision.supervisor {
                        "systemd" => "TimeoutStopSec",
                        "pm2" => "kill_timeout",
                        "s6" => "S6_KILL_GRACETIME (or the service's timeout-kill)",
                        _ => "stopwaitsecs",
                    }
                ));
            Some(finding)
        })
        .collect()
}

/// Seconds that a program takes to finish at most, where they are known, and what is lost.
fn needed(program: &Program) -> Option<(Option<f64>, String)> {
    match program.runtime {
        // Its scheduler has nothing in hand.
        Runtime::Worker if program.command.get().is_some_and(|words| words.iter().any(|word| word == "beat")) => None,
        Runtime::Worker => Some((None, "a job that takes longer is cut".into())),
        Runtime::Celery => Some((None, "a task that takes longer is cut".into())),
        Runtime::Octane => Some((None, "a request that takes longer is cut".into())),
        Runtime::Gunicorn => {
            let seconds = program.number("gunicorn.graceful_timeout").unwrap_or(30.0);
            Some((Some(seconds), format!("gunicorn lets requests finish for {seconds} s")))
        }
        _ => None,
    }
}

fn graceful_place(program: &Program) -> Option<&Place> {
    program.setting("gunicorn.graceful_timeout")?.place()
}
