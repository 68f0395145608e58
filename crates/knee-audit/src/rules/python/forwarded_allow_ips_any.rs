//! A server that believes every client about its own address.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("forwarded-allow-ips-any", include_str!("forwarded_allow_ips_any.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::Uvicorn | Runtime::Gunicorn))
        .filter_map(|(service, container, program)| {
            let name = if program.runtime == Runtime::Uvicorn { "uvicorn.forwarded_allow_ips" } else { "gunicorn.forwarded_allow_ips" };
            program.word(name).filter(|word| word.trim_matches(['"', '\'']) == "*")?;
            let asgi = program.runtime == Runtime::Uvicorn || program.word("gunicorn.worker_class").is_some_and(|c| c.contains("Uvicorn"));
            let what = if asgi {
                "every client is believed about X-Forwarded-For, and its first entry, which a client writes itself, becomes the client's address"
            } else {
                "every client is believed about the scheme of its request"
            };
            let finding = Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), what)
                .severity(Severity::Low)
                .confidence(Confidence::Low)
                .persona(if asgi { Persona::Regular } else { Persona::Pedantic })
                .label("anyone")
                .remedy("name the network that the load balancer is in (the VPC's CIDR); `*` is right only where nobody else can connect and no decision rests on the address");
            Some(finding)
        })
        .collect()
}
