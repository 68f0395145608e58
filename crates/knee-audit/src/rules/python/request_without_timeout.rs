//! A request to another service that waits for ever.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("request-without-timeout", include_str!("request_without_timeout.md"), check);

/// Folders of what is run by hand, and of what is no program at all.
const BY_HAND: [&str; 8] = ["scripts", "script", "tools", "migrations", "management", "commands", "docs", "bin"];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    let serves = |r| matches!(r, Runtime::Gunicorn | Runtime::Uvicorn | Runtime::Hypercorn | Runtime::Uwsgi | Runtime::Celery);
    for (service, _, program) in programs(subject, serves) {
        for source in subject.code.python_of(program) {
            let path = &subject.picture.files.get(source.file).path;
            if path.split('/').any(|part| BY_HAND.contains(&part)) {
                continue;
            }
            let mut calls = source.untimed.iter().filter(|call| !call.starts);
            let Some(first) = calls.next() else { continue };
            let others: Vec<_> = calls.collect();
            let many = if others.is_empty() { String::new() } else { format!(", as {} more in this file", others.len()) };
            let message = format!("{} has no time-out{many}: when the other side hangs, the worker or thread that asks is held for ever", first.call);
            let mut finding = Finding::new(RULE.name, &service.name, &first.place, message)
                .severity(Severity::Medium)
                .label("waits for ever")
                .remedy("pass timeout=, shorter than the server's own time-out for a request");
            for call in others {
                finding = finding.beside(Some(&call.place), "and this one");
            }
            found.push(finding);
        }
    }
    found
}
