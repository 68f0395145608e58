//! A worker thread started for each request.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("thread-per-request", include_str!("thread_per_request.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        found.extend(sources.iter().flat_map(|source| &source.threads).map(|at| {
            Finding::new(
                RULE.name,
                &service.name,
                at,
                "each request starts a thread with a V8 heap of its own: tens of milliseconds and megabytes, without a bound",
            )
            .severity(Severity::High)
            .label("a new thread for each request")
            .remedy("keep a pool of as many workers as the task has CPUs (piscina, workerpool) and queue for it")
        }));
    }
    found
}
