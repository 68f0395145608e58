//! A response whose body is never closed.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("response-body-left-open", include_str!("response_body_left_open.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        found.extend(subject.code.go_of(program).flat_map(|source| &source.open_bodies).map(|at| {
            Finding::new(
                RULE.name,
                &service.name,
                at,
                "the body of this response is never closed: its connection is not used again, and its goroutines and file stay",
            )
            .severity(Severity::High)
            .confidence(Confidence::Medium)
            .label("never closed")
            .remedy("after the test of the error: defer resp.Body.Close()")
        }));
    }
    found
}
