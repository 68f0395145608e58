//! uWSGI workers that a request may hold for ever.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{Found, Place, Program, Runtime};
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
                    written(program).unwrap_or(start(container, program)),
                    "no request is ever ended: one that hangs takes its worker with it, and as many as there are workers stop the service",
                )
                .severity(Severity::Low)
                .confidence(Confidence::Medium)
                .label("no harakiri")
                .remedy("set harakiri to more than the longest request, in seconds; it needs master = true")
            })
        })
        .collect()
}

/// The last of its settings: behind it harakiri would stand.
fn written(program: &Program) -> Option<&Place> {
    let own = program.settings.iter().filter(|(name, _)| name.starts_with("uwsgi."));
    own.filter_map(|(_, found)| Found::place(found)).max_by_key(|place| (place.file, place.span.start))
}
