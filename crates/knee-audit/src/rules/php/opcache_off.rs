//! PHP that compiles every file anew for every request.

use crate::Subject;
use crate::finding::{Finding, Safety, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{off, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("opcache-off", include_str!("opcache_off.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::PhpFpm | Runtime::Apache))
        .filter_map(|(service, container, program)| {
            let set = program.setting("opcache.enable")?;
            off(program, "opcache.enable", true).then(|| {
                Finding::new(
                    RULE.name,
                    &service.name,
                    set.place().unwrap_or(start(container, program)),
                    "OPcache is off: every request compiles every file that it loads",
                )
                .severity(Severity::High)
                .label("off")
                .remedy("set opcache.enable=1, and install the extension where the image has none (docker-php-ext-install opcache)")
                .set(subject, Some(set), "1", Safety::Unsafe)
            })
        })
        .collect()
}
