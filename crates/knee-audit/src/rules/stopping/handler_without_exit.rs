//! A handler of SIGTERM that ends nothing.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("handler-without-exit", include_str!("handler_without_exit.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Node)
        .filter_map(|(service, _, program)| {
            let sources = subject.code.node_of(&subject.picture.files, program);
            let listens = sources.iter().find_map(|source| source.listens.first())?;
            let handlers = sources.iter().flat_map(|source| &source.handlers).filter(|h| h.signal == "SIGTERM");
            let handlers: Vec<_> = handlers.collect();
            let first = handlers.first()?;
            if sources.iter().any(|source| source.hooked) || !handlers.iter().all(|handler| handler.lingers) {
                return None;
            }
            let message = "this handler of SIGTERM neither closes the server nor exits: Node's own answer to the signal is gone, and SIGKILL cuts what is in flight";
            let finding = Finding::new(RULE.name, &service.name, &first.place, message)
                .severity(Severity::High)
                .label("the process goes on")
                .beside(Some(listens), "what serves until it is killed")
                .remedy("close the server in the handler and exit when that calls back, with a deadline below the stop time-out");
            Some(finding)
        })
        .collect()
}
