//! A Go program that waits for Ctrl-C and is stopped by SIGTERM.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("interrupt-only", include_str!("interrupt_only.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |runtime| runtime == Runtime::Go) {
        let interrupted = container.stop_signal.as_ref().is_some_and(|s| s.get().is_none_or(|s| s.contains("INT")));
        let sources: Vec<_> = subject.code.go_of(program).collect();
        let shuts_down = sources.iter().any(|source| !source.shutdowns.is_empty());
        let notified: Vec<_> = sources.iter().flat_map(|source| &source.notified).collect();
        let only = |signals: &[String]| {
            !signals.is_empty() && signals.iter().all(|s| matches!(&**s, "os.Interrupt" | "syscall.SIGINT"))
        };
        if interrupted || !shuts_down || !notified.iter().all(|(_, signals)| only(signals)) {
            continue;
        }
        found.extend(notified.first().map(|(at, _)| {
            Finding::new(RULE.name, &service.name, at, "the program shuts down on SIGINT only, but ECS sends SIGTERM: the drain never runs")
                .severity(Severity::High)
                .label("SIGTERM is missing here")
                .remedy("name both: signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)")
        }));
    }
    found
}
