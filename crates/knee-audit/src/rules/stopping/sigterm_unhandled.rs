//! A Node server that does nothing about SIGTERM.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, supervision};

/// The rule.
pub static RULE: Rule = Rule::new("sigterm-unhandled", include_str!("sigterm_unhandled.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Node)
        .filter_map(|(service, _, program)| {
            let sources = subject.code.node_of(&subject.picture.files, program);
            let listens = sources.iter().find_map(|source| source.listens.first())?;
            let pm2 = supervision(program).is_some_and(|s| s.supervisor == "pm2");
            // https://pm2.keymetrics.io/docs/usage/signals-clean-restart/
            let signal = if pm2 { "SIGINT" } else { "SIGTERM" };
            let handled = sources.iter().any(|source| source.hooked || source.handlers.iter().any(|h| h.signal == signal));
            if handled {
                return None;
            }
            // What is not PID 1 has the kernel's own answer to a signal.
            let what = if pm2 {
                "pm2 stops it with SIGINT, which ends the process at once: requests in flight are lost at every deployment"
            } else if !program.chain.links.is_empty() {
                "SIGTERM ends the process at once: requests in flight are lost at every deployment"
            } else {
                "nothing handles SIGTERM, which PID 1 then ignores: requests in flight are lost when SIGKILL follows"
            };
            let finding = Finding::new(RULE.name, &service.name, listens, what)
                .confidence(Confidence::Medium)
                .label("serves, and never stops taking requests")
                .remedy("on SIGTERM: go on serving a few seconds, server.close(), exit when it calls back, before the stop time-out");
            Some(finding)
        })
        .collect()
}
