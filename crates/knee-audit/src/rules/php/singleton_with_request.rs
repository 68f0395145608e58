//! A singleton that holds the first request for ever under Octane.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("singleton-with-request", include_str!("singleton_with_request.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |r| r == Runtime::Octane) {
        for at in subject.code.php_of(program).flat_map(|source| &source.captured) {
            found.push(
                Finding::new(
                    RULE.name,
                    &service.name,
                    at,
                    "this singleton is made once in a worker and keeps the request that it was made with: later users see the first one's",
                )
                .severity(Severity::High)
                .confidence(Confidence::Medium)
                .label("given the request")
                .beside(Some(start(container, program)), "serves many requests in one process")
                .remedy("use scoped() instead of singleton(), or give it a closure that resolves the request when it is needed"),
            );
        }
    }
    found
}
