//! A shutdown that is cut off long before the container is.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, stop};

/// The rule.
pub static RULE: Rule = Rule::new("shutdown-deadline-short", include_str!("shutdown_deadline_short.md"), check);

/// Seconds that many applications choose, and that most requests end in.
const USUAL: f64 = 5.0;

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |r| r == Runtime::Go) {
        let Some(stop) = stop(service, container) else { continue };
        for source in subject.code.go_of(program) {
            // No request lasts longer than it may be written to.
            let longest = source.servers.iter().filter_map(|s| s.timeouts.get("WriteTimeout")?.1).reduce(f64::max);
            for (at, grace) in &source.graces {
                let Some(grace) = grace.filter(|s| *s > 0.0 && *s < USUAL && *s < stop.seconds) else { continue };
                if longest.is_some_and(|longest| longest <= grace) {
                    continue;
                }
                let message = format!("the shutdown is cut off after {grace} s, although the container is given {} s: what lasts longer is lost", stop.seconds);
                found.push(
                    Finding::new(RULE.name, &service.name, at, message)
                        .confidence(Confidence::Medium)
                        .label(format!("{grace} s"))
                        .beside(stop.place, format!("{}: {} s", stop.whose, stop.seconds))
                        .remedy("give it the longest request's time, and end some seconds before the stop time-out"),
                );
            }
        }
    }
    found
}
