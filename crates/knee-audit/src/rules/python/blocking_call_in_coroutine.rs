//! A call that stops the event loop, in a coroutine.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("blocking-call-in-coroutine", include_str!("blocking_call_in_coroutine.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    let asynchronous = |program: &Program| {
        program.runtime == Runtime::Uvicorn
            || program.word("gunicorn.worker_class").is_some_and(|c| c.contains("Uvicorn") || c == "asgi" || c.contains("aiohttp"))
    };
    for (service, container, program) in programs(subject, |r| matches!(r, Runtime::Uvicorn | Runtime::Gunicorn)) {
        for call in subject.code.python_of(program).flat_map(|source| &source.blocking).filter(|_| asynchronous(program)) {
            found.push(
                Finding::new(
                    RULE.name,
                    &service.name,
                    &call.place,
                    format!("{} blocks the event loop: meanwhile this process answers nobody", call.call),
                )
                .severity(if call.in_route { Severity::High } else { Severity::Medium })
                .confidence(if call.in_route { Confidence::High } else { Confidence::Medium })
                .persona(if call.in_route { Persona::Regular } else { Persona::Pedantic })
                .label("waits in a coroutine")
                .beside(Some(start(container, program)), "one event loop for each process")
                .remedy("await an asynchronous client, hand it to a thread (asyncio.to_thread), or write the route with `def`, which the framework runs in a thread"),
            );
        }
    }
    found
}
