//! php-fpm that kills its children on every stop signal.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{is_started, programs, setting_or_start};
use std::collections::HashSet;

/// The rule.
pub static RULE: Rule = Rule::new("fpm-stop-without-drain", include_str!("fpm_stop_without_drain.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    // Stages of one Dockerfile are mended in one place.
    let mut told = HashSet::new();
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter_map(|(service, container, program)| {
            let name = "php_fpm.process_control_timeout";
            let zero = match program.setting(name) {
                None => is_started(program),
                Some(found) => found.get()?.number()? == 0.0,
            };
            (zero && told.insert(setting_or_start(container, program, name).file)).then(|| {
                let message = "process_control_timeout is 0: php-fpm kills its children one second after any stop signal, SIGQUIT too";
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), message)
                    .severity(Severity::Low)
                    .label("requests in flight are cut at every stop")
                    .beside(program.setting("php_fpm.daemonize").and_then(Found::place), "this file has a [global] section")
                    .remedy("set process_control_timeout in the [global] section to the longest request, below the stop time-out, and stop with SIGQUIT")
            })
        })
        .collect()
}
