//! A server that watches its files for changes.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{on, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("reload-in-production", include_str!("reload_in_production.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::Uvicorn | Runtime::Gunicorn))
        .filter(|(_, container, _)| container.image.as_ref().is_none_or(|image| image.copies_code))
        .filter_map(|(service, container, program)| {
            let name = if program.runtime == Runtime::Uvicorn { "uvicorn.reload" } else { "gunicorn.reload" };
            let set = program.setting(name)?;
            (on(program, name, false) == Some(true) && set.unless.is_none()).then(|| {
                Finding::new(
                    RULE.name,
                    &service.name,
                    setting_or_start(container, program, name),
                    "the server watches its files and restarts at changes: meant for development, it costs CPU and excludes several workers",
                )
                .severity(Severity::High)
                .label("reload")
                .remedy("leave the option out of what is deployed, and give it in development alone")
                .leave_out(subject, set)
            })
        })
        .collect()
}
