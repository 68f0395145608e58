//! uWSGI workers that a request may hold for ever.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("uwsgi-without-harakiri", include_str!("uwsgi_without_harakiri.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Uwsgi)
        // Without a single setting its configuration was not found.
        .filter(|(_, _, program)| program.settings.keys().any(|name| name.starts_with("uwsgi.")))
        .filter_map(|(service, container, program)| {
            let zero = match program.setting("uwsgi.harakiri") {
                None => true,
                Some(set) => set.get()?.number()? == 0.0,
            };
            zero.then(|| {
                Finding::new(
                    RULE.name,
                    &service.name,
                    start(container, program),
                    "no request is ever ended: one that hangs takes its worker with it, and as many as there are workers stop the service",
                )
                .severity(Severity::Low)
                .confidence(Confidence::Medium)
                .persona(Persona::Pedantic)
                .label("no harakiri")
                .remedy("set harakiri to more than the longest request, in seconds; it needs master = true")
            })
        })
        .collect()
}
