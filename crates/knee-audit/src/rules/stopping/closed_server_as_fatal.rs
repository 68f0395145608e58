//! A Go server whose shutdown ends the program.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("closed-server-as-fatal", include_str!("closed_server_as_fatal.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |runtime| runtime == Runtime::Go) {
        for source in subject.code.go_of(program) {
            let Some(shutdown) = source.shutdowns.first() else { continue };
            found.extend(source.fatal.iter().map(|at| {
                let message = "ListenAndServe returns ErrServerClosed as soon as Shutdown begins, and that ends the program: nothing is drained";
                Finding::new(RULE.name, &service.name, at, message)
                    .severity(Severity::High)
                    .label("returns when Shutdown begins, not when it ends")
                    .beside(Some(shutdown), "the drain that is cut")
                    .remedy("let http.ErrServerClosed pass: if err != nil && !errors.Is(err, http.ErrServerClosed)")
            }));
        }
    }
    found
}
