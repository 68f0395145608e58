//! A Go program that does not collect in memory that it shares.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Datum, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("gogc-off-beside-others", include_str!("gogc_off_beside_others.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Go)
        .filter_map(|(service, container, program)| {
            let set = program.setting("go.gogc").filter(|set| match set.get() {
                Some(Datum::Number(n)) => *n < 0.0,
                Some(Datum::Text(text)) => text == "off",
                _ => false,
            })?;
            let limited = program.setting("go.gomemlimit").is_some() || container.env.contains_key("GOMEMLIMIT");
            let shared = service.containers.len() > 1 && container.memory.is_none();
            let message = match (limited, shared) {
                (false, _) => "GOGC=off without GOMEMLIMIT: nothing is ever collected, and the container is killed when its memory is full",
                (true, true) => "GOGC=off lets the heap fill its whole limit, in memory that other containers of the task use, too",
                (true, false) => return None,
            };
            let finding = Finding::new(RULE.name, &service.name, set.place().unwrap_or(&container.place), message)
                .severity(Severity::High)
                .label("the collector is off")
                .remedy("leave GOGC at 100 with a GOMEMLIMIT, or give this container a memory limit of its own");
            Some(finding)
        })
        .collect()
}
