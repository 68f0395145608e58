//! uWSGI without a master process.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{off, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("uwsgi-without-master", include_str!("uwsgi_without_master.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Uwsgi)
        // Without a single setting its configuration was not found.
        .filter(|(_, _, program)| program.settings.keys().any(|name| name.starts_with("uwsgi.")))
        .filter(|(_, _, program)| off(program, "uwsgi.master", false) && program.setting("uwsgi.master").is_none_or(|s| s.get().is_some()))
        .map(|(service, container, program)| {
            Finding::new(
                RULE.name,
                &service.name,
                setting_or_start(container, program, "uwsgi.master"),
                "without a master nothing restarts a worker that dies, and SIGTERM ends workers at once, die-on-term or not",
            )
            .label("no master")
            .remedy("set master = true and die-on-term = true")
        })
        .collect()
}
