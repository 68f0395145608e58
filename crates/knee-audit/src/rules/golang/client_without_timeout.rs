//! A Go client that waits for ever.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("client-without-timeout", include_str!("client_without_timeout.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        for source in subject.code.go_of(program) {
            found.extend(source.clients.iter().map(|client| {
                let message = format!("{} has no time-out: when the other side hangs, so does everything that waits for it", client.call);
                Finding::new(RULE.name, &service.name, &client.place, message)
                    .severity(if client.in_handler { Severity::High } else { Severity::Medium })
                    .confidence(if client.in_handler { Confidence::High } else { Confidence::Medium })
                    .label("waits for ever")
                    .remedy("use one http.Client with a Timeout for all requests, or give each a context with a deadline")
            }));
        }
    }
    found
}
