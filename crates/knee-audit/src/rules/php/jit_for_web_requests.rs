//! PHP's JIT, for code that waits.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::Runtime;
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
            let off = matches!(program.word("opcache.jit"), Some("off" | "disable" | "0"));
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
