//! More php-fpm children than the memory holds.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{each, memory, mib, processes, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("fpm-children-beyond-memory", include_str!("fpm_children_beyond_memory.md"), check);

/// What a child needs of its own at the least: the sum of 32 small ones by PSS was 58 MB, with a
/// framework's work in hand it is ten times that.
const CHILD: f64 = 16.0 * 1024.0 * 1024.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter_map(|(service, container, program)| {
            let (children, at) = processes(program)?;
            let (limit, limit_at) = memory(service, container)?;
            let each = each(subject, program, CHILD);
            let needed = each.shared + children * each.bytes;
            (needed > limit as f64).then(|| {
                let message = format!("{children} children {} need {}, the container has {}", each.said(), mib(needed), mib(limit as f64));
                Finding::new(RULE.name, &service.name, at.unwrap_or(start(container, program)), message)
                    .severity(Severity::High)
                    .confidence(if each.measured.is_some() { Confidence::High } else { Confidence::Medium })
                    .label(format!("{children} children"))
                    .beside(Some(limit_at), mib(limit as f64))
                    .beside(each.measured, "what one takes, measured")
                    .remedy("lower pm.max_children or give the task more memory; `knee tune` measures what a child needs")
            })
        })
        .collect()
}
