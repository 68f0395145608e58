//! Less memory for OPcache than the application's code takes.

use crate::Subject;
use crate::finding::{Confidence, Finding, Safety};
use crate::picture::{Found, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{mib, php_code, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("opcache-memory-below-code", include_str!("opcache_memory_below_code.md"), check);

/// Bytes of OPcache for each byte of source, at the least: 2.4 to 3.1 were measured (the page says of what).
const COMPILED: f64 = 2.0;
/// What is set where nothing is: <https://www.php.net/manual/en/opcache.configuration.php>.
const MEMORY: f64 = 128.0;
const STRINGS: f64 = 8.0;
const MIB: f64 = 1_048_576.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::PhpFpm | Runtime::Apache | Runtime::Octane))
        .filter_map(|(service, container, program)| {
            let name = "opcache.memory_consumption";
            let (memory, strings) = (size(program, name, MEMORY)?, size(program, "opcache.interned_strings_buffer", STRINGS)?);
            // The strings' buffer is a part of it.
            let room = (memory - strings) * MIB;
            let (files, bytes) = php_code(subject, program)?;
            let needed = COMPILED * bytes as f64;
            let enough = ((1.5 * needed / MIB + strings) / 32.0).ceil() * 32.0;
            (needed > room).then(|| {
                let message = format!("{files} PHP files of {} take at least {} compiled, OPcache has {} for them: the rest is compiled at every request", mib(bytes as f64), mib(needed), mib(room));
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), message)
                    // Files that no request loads take nothing.
                    .confidence(Confidence::Medium)
                    .label(format!("{memory} MiB in all"))
                    .beside(program.setting("opcache.interned_strings_buffer").and_then(Found::place), format!("{strings} of them for strings"))
                    .remedy(format!("set opcache.memory_consumption to {enough}; opcache_get_status() says what is used in production"))
                    .set(subject, program.setting(name), enough.to_string(), Safety::Unsafe)
            })
        })
        .collect()
}

/// Mebibytes of a setting; None where it is written and not known.
pub fn size(program: &Program, name: &str, default: f64) -> Option<f64> {
    program.setting(name).map_or(Some(default), |set| set.get()?.number())
}
