//! Servers whose time-outs are switched off.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("server-timeouts-disabled", include_str!("server_timeouts_disabled.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        for at in sources.iter().flat_map(|source| &source.unlimited) {
            let message = "0 switches the time-out off: a client that sends slowly, or not at all, holds its connection for ever";
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(Severity::Medium)
                .label("no limit")
                .remedy("leave Node's default (requestTimeout 300 s, headersTimeout 60 s), or set one above the longest upload");
            found.push(finding);
        }
    }
    found
}
