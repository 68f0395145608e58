//! php-fpm children that are thrown away before they are warm.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("fpm-children-recycled-often", include_str!("fpm_children_recycled_often.md"), check);

/// Fewer requests than this are served in a minute or two under load.
const OFTEN: f64 = 100.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter_map(|(service, _, program)| {
            let set = program.setting("php_fpm.pm.max_requests")?;
            let requests = set.get()?.number().filter(|n| *n > 0.0 && *n < OFTEN)?;
            let message = format!("each child is replaced after {requests} requests: under load some are always missing, with their connections to the database");
            let finding = Finding::new(RULE.name, &service.name, set.place()?, message)
                .severity(Severity::Low)
                .confidence(Confidence::Medium)
                .persona(Persona::Pedantic)
                .label(format!("after {requests} requests"))
                .remedy("set pm.max_requests to some thousands, or 0 where nothing leaks; a leak is better bounded by its size");
            Some(finding)
        })
        .collect()
}
