//! Goroutines that wait for a receiver that has gone.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("goroutine-left-waiting", include_str!("goroutine_left_waiting.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        for at in subject.code.go_of(program).flat_map(|source| &source.abandoned) {
            let message = "when the other case of the select comes first, nobody receives: this goroutine waits for ever, with all that it holds";
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(Severity::Medium)
                .confidence(Confidence::High)
                .label("sends on a channel without room")
                .remedy("give the channel room for one (`make(chan T, 1)`), or send in a select beside the context's end");
            found.push(finding);
        }
    }
    found
}
