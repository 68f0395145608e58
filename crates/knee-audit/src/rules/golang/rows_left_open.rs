//! Rows of a database that hold their connection.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("rows-left-open", include_str!("rows_left_open.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        for source in subject.code.go_of(program) {
            let Some((first, others)) = source.open_rows.split_first() else { continue };
            let message = "this loop may end before the last row, and nothing closes the rows: they hold a connection of the pool for ever";
            let finding = Finding::new(RULE.name, &service.name, first, message)
                .severity(Severity::Low)
                .confidence(Confidence::Medium)
                .label("left early, never closed")
                .remedy("after the query: defer rows.Close(); and behind the loop ask rows.Err(), or a connection that breaks looks like the end");
            found.push(others.iter().fold(finding, |finding, other| finding.beside(Some(other), "and this one")));
        }
    }
    found
}
