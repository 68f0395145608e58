//! A static property that grows with every request under Octane.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("static-property-growing", include_str!("static_property_growing.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |r| r == Runtime::Octane) {
        for source in subject.code.php_of(program) {
            // What runs once is no request: migrations, seeders, tests, console commands.
            let path = &subject.picture.files.get(source.file).path;
            if ["database/", "tests/", "Console/", "Providers/"].iter().any(|part| path.contains(part)) {
                continue;
            }
            found.extend(source.appended.iter().map(|(at, name)| {
                Finding::new(RULE.name, &service.name, at, format!("{name} grows with every request: under Octane a worker keeps it until it is recycled"))
                    .severity(Severity::Medium)
                    .confidence(Confidence::Low)
                    .persona(Persona::Pedantic)
                    .label("never emptied")
                    .beside(Some(start(container, program)), "serves many requests in one process")
                    .remedy("keep it in an object of the request, or empty it when a request ends (Octane's RequestTerminated)")
            }));
        }
    }
    found
}
