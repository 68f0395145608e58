//! A listen queue that a burst overflows.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("fpm-backlog-short", include_str!("fpm_backlog_short.md"), check);

/// Shorter is shorter than what nginx keeps for itself (511) by far.
const SHORT: f64 = 128.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter_map(|(service, _, program)| {
            let backlog = program.setting("php_fpm.listen.backlog")?;
            // -1 is the system's longest.
            let length = backlog.get()?.number().filter(|n| *n >= 0.0)?;
            (length < SHORT).then(|| {
                let message = format!("only {length} connections may wait for a child: the next one is refused, and nginx answers 502");
                Some(
                    Finding::new(RULE.name, &service.name, backlog.place()?, message)
                        .severity(Severity::Medium)
                        .label(format!("{length} may wait"))
                        .beside(program.setting("php_fpm.pm.max_children").and_then(Found::place), "children")
                        .remedy("leave listen.backlog out, or set 511 or more: waiting for a moment is better than a 502"),
                )
            })?
        })
        .collect()
}
