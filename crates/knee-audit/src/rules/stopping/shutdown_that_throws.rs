//! A handler of SIGTERM that closes what cannot be closed.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("shutdown-that-throws", include_str!("shutdown_that_throws.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |runtime| runtime == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        for handler in sources.iter().flat_map(|source| &source.handlers) {
            let Some(broken) = &handler.broken else { continue };
            found.push(
                Finding::new(
                    RULE.name,
                    &service.name,
                    broken,
                    format!("an Express application has no close(): the handler of {} throws, and the process crashes", handler.signal),
                )
                .label("a TypeError at run time")
                .remedy("keep what listen() returns and close that: const server = app.listen(…); server.close()"),
            );
        }
    }
    found
}
