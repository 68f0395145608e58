//! php-fpm left at five children.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{is_started, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("fpm-children-default", include_str!("fpm_children_default.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter(|(_, _, program)| is_started(program))
        .filter(|(_, _, program)| !program.setting("php_fpm.pm.max_children").is_some_and(Found::is_written))
        .filter(|(_, _, program)| program.setting("php_fpm.pm").is_none_or(|pm| pm.is_written() || pm.get().is_some()))
        .map(|(service, container, program)| {
            Finding::new(
                RULE.name,
                &service.name,
                start(container, program),
                "pm.max_children stays at the 5 of php-fpm's sample pool: the sixth request waits, however small the load on CPU and memory",
            )
            .confidence(Confidence::Medium)
            .label("no pool configuration sets pm.max_children")
            .remedy("measure it with `knee tune`; a first value is the task's memory without what is shared, over what one child needs")
        })
        .collect()
}
