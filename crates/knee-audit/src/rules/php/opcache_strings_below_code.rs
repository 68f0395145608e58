//! Less room for OPcache's strings than the application's code has.

use super::opcache_memory_below_code::size;
use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Safety, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{is_started, mib, php_code, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("opcache-strings-below-code", include_str!("opcache_strings_below_code.md"), check);

/// Bytes of interned strings for each byte of source, at the least: 0.37 to 0.41 were measured (the page says of what).
const STRINGS: f64 = 0.35;
/// Of the buffer a quarter is its table, and PHP's own strings take so many MiB, both measured.
const TABLE: f64 = 0.25;
const OWN: f64 = 0.23;
const DEFAULT: f64 = 8.0;
const MIB: f64 = 1_048_576.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::PhpFpm | Runtime::Apache | Runtime::Octane))
        .filter(|(_, _, program)| is_started(program))
        .filter_map(|(service, container, program)| {
            let name = "opcache.interned_strings_buffer";
            let buffer = size(program, name, DEFAULT)?;
            let room = ((1.0 - TABLE) * buffer - OWN) * MIB;
            let (files, bytes) = php_code(subject, program)?;
            let needed = STRINGS * bytes as f64;
            let enough = ((needed / MIB + OWN) / (1.0 - TABLE) * 1.25 / 8.0).ceil() * 8.0;
            (needed > room).then(|| {
                let message = format!("the strings of {files} PHP files take at least {}, the buffer has {}: each further file keeps its own", mib(needed), mib(room.max(0.0)));
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), message)
                    .severity(Severity::Low)
                    .confidence(Confidence::Medium)
                    .persona(Persona::Pedantic)
                    .label(format!("{buffer} MiB"))
                    .remedy(format!("set opcache.interned_strings_buffer to {enough}, and opcache.memory_consumption as much higher: it is a part of that"))
                    .set(subject, program.setting(name), enough.to_string(), Safety::Unsafe)
            })
        })
        .collect()
}
