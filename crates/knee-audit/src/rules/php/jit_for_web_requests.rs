//! PHP's JIT, for code that waits.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Found, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{is_started, programs};

/// The rule.
pub static RULE: Rule = Rule::new("jit-for-web-requests", include_str!("jit_for_web_requests.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::PhpFpm | Runtime::Apache))
        // A file of settings alone may be that of a command.
        .filter(|(_, _, program)| is_started(program))
        .filter_map(|(service, _, program)| {
            let buffer = program.setting("opcache.jit_buffer_size")?;
            let size = buffer.get()?.text().filter(|size| !matches!(*size, "0" | "" | "0M"))?;
            let off = match program.setting("opcache.jit") {
                None => off_by_default(program),
                Some(set) => matches!(set.get()?.text()?, "off" | "disable" | "0"),
            };
            (!off).then(|| {
                let message = format!("{size} of shared memory for machine code, which a web application hardly gains from: none was measured");
                Some(
                    Finding::new(RULE.name, &service.name, buffer.place()?, message)
                        .severity(Severity::Low)
                        .confidence(Confidence::Low)
                        .persona(Persona::Pedantic)
                        .label(size)
                        .remedy("measure with and without it; without a difference set opcache.jit=disable"),
                )
            })?
        })
        .collect()
}

/// Whether a buffer alone starts no JIT: from 8.4 on, `opcache.jit` is `disable` unless it is set
/// (<https://www.php.net/manual/en/opcache.configuration.php#ini.opcache.jit>).
fn off_by_default(program: &Program) -> bool {
    let version = program.version.as_ref().and_then(Found::get);
    let mut parts = version.into_iter().flat_map(|version| version.split('.')).map_while(|part| part.parse().ok());
    (parts.next().unwrap_or(0_u32), parts.next().unwrap_or(0_u32)) >= (8, 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn a_buffer_alone_starts_a_jit_before_8_4_only() {
        let fires = |version: &str| {
            let dockerfile = format!("FROM php:{version}-fpm\nCOPY . /var/www/html\nCOPY php.ini /usr/local/etc/php/conf.d/app.ini\n");
            let files = [("Dockerfile", &*dockerfile), ("index.php", "<?php\n"), ("php.ini", "opcache.jit_buffer_size = 64M\n")];
            !check(&subject(&files)).is_empty()
        };
        assert!(fires("8.3") && fires("8.0.30"));
        assert!(!fires("8.4") && !fires("8.5.1"));
    }
}
