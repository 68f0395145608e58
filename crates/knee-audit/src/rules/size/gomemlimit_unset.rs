//! A Go program in a hard limit that its collector does not know.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Deployment, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{memory, mib, programs};

/// The rule.
pub static RULE: Rule = Rule::new("gomemlimit-unset", include_str!("gomemlimit_unset.md"), check);

/// A limit below this is reached by garbage alone.
const SMALL: u64 = 1024 * 1024 * 1024;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Go)
        .filter(|(service, container, program)| {
            service.deployment == Deployment::Ecs
                && !container.env.contains_key("GOMEMLIMIT")
                && program.setting("go.gomemlimit").is_none()
                && !subject.code.go_of(program).flat_map(|s| &s.imports).any(|i| i.contains("automemlimit"))
        })
        .filter_map(|(service, container, program)| {
            let (limit, at) = memory(service, container)?;
            let small = container.memory.is_some() && limit <= SMALL;
            let finding = Finding::new(
                RULE.name,
                &service.name,
                at,
                format!("Go does not know the limit of {}: its heap may double before a collection, and the container is killed", mib(limit as f64)),
            )
            .severity(Severity::Low)
            .confidence(Confidence::Medium)
            .persona(if small { Persona::Regular } else { Persona::Pedantic })
            .label(mib(limit as f64))
            .beside(program.command.place(), "a Go program without GOMEMLIMIT")
            .remedy(format!("set GOMEMLIMIT={:.0}MiB in the container's environment: nine tenths of the limit", 0.9 * limit as f64 / 1024.0 / 1024.0));
            Some(finding)
        })
        .collect()
}
