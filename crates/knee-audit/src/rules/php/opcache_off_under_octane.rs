//! Octane without OPcache, because its workers are command lines.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{off, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("opcache-off-under-octane", include_str!("opcache_off_under_octane.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Octane)
        // FrankenPHP is a SAPI of its own.
        .filter(|(_, _, program)| matches!(program.word("octane.server"), Some("swoole" | "openswoole" | "roadrunner")))
        // Without any of PHP's settings in sight nobody knows what the image says.
        .filter(|(_, _, program)| program.settings.iter().any(|(name, set)| name.starts_with("opcache.") && set.is_written()))
        .filter(|(_, _, program)| off(program, "opcache.enable_cli", false) && program.setting("opcache.enable_cli").is_none_or(|s| s.get().is_some()))
        .map(|(service, container, program)| {
            let name = "opcache.enable_cli";
            Finding::new(
                RULE.name,
                &service.name,
                setting_or_start(container, program, name),
                "Octane's workers run in PHP's command line, for which OPcache is off: the application is compiled in each worker, without the optimiser",
            )
            .label("opcache.enable_cli is off")
            .remedy("set opcache.enable_cli=1 in a php.ini of the image")
            .set(subject, program.setting(name), "1", Safety::Unsafe)
        })
        .collect()
}
