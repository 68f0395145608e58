//! Objects of a pool that keep what the last user left.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("pooled-object-unreset", include_str!("pooled_object_unreset.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        for at in subject.code.go_of(program).flat_map(|source| &source.unreset) {
            let message = "a buffer goes back into the pool as it is: the next request gets it with what this one wrote";
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(Severity::High)
                .confidence(Confidence::Medium)
                .label("put back, and nothing in this file resets it")
                .remedy("call Reset before Put (or after Get), and drop buffers that have grown large instead of keeping them");
            found.push(finding);
        }
    }
    found
}
