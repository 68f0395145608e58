//! A handler of SIGTERM that exits before anything is drained.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("exit-before-drain", include_str!("exit_before_drain.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |runtime| runtime == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        if sources.iter().all(|source| source.listens.is_empty()) {
            continue;
        }
        for handler in sources.iter().flat_map(|source| &source.handlers).filter(|h| h.signal == "SIGTERM") {
            let Some(exit) = handler.cut.as_ref().or(handler.exits.as_ref()) else { continue };
            let message = if handler.cut.is_some() {
                "the process exits in the same turn as close(): nothing is drained, every request in flight is cut"
            } else {
                "the process exits on SIGTERM at once: every request in flight is cut"
            };
            found.push(
                Finding::new(RULE.name, &service.name, &handler.place, message)
                    .severity(Severity::High)
                    .label("the handler of SIGTERM")
                    .beside(Some(exit), "exits before anything has finished")
                    .remedy("exit in the callback: server.close(() => process.exit(0)), with a deadline below the stop time-out"),
            );
        }
    }
    found
}
