//! A Go server whose end nobody sees.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("listen-error-ignored", include_str!("listen_error_ignored.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        found.extend(subject.code.go_of(program).flat_map(|source| &source.dropped).map(|at| {
            let message = "the error of this call is thrown away: a port that is taken or a certificate that cannot be read ends the server without a word";
            Finding::new(RULE.name, &service.name, at, message)
                .severity(Severity::Low)
                .label("its error is not looked at")
                .remedy("end the program with the error, unless it is http.ErrServerClosed")
        }));
    }
    found
}
