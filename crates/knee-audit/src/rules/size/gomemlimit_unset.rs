//! A Go program in a hard limit that its collector does not know.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Deployment, Runtime, observed};
use crate::rules::Rule;
use crate::rules::reading::{memory, mib, programs};

/// The rule.
pub static RULE: Rule = Rule::new("gomemlimit-unset", include_str!("gomemlimit_unset.md"), check);

/// A limit below this is reached by garbage alone.
const SMALL: u64 = 1024 * 1024 * 1024;

/// A heap that doubles beyond this share of the limit leaves nothing for the rest.
const NEAR: f64 = 0.8;

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
            let profile = subject.picture.measured(program);
            let heap = profile.and_then(|m| Some((m, observed(&m.profile.heap.as_ref()?.live)?)));
            // GOGC=100 lets the heap double; what was measured counts more than the limit's size.
            let small = match heap {
                Some((_, live)) => 2.0 * live > NEAR * limit as f64,
                None => container.memory.is_some() && limit <= SMALL,
            };
            let told = heap.map(|(_, live)| format!("{} of it alive when it was measured, twice that before a collection", mib(live)));
            let finding = Finding::new(
                RULE.name,
                &service.name,
                at,
                format!("Go does not know the limit of {}: its heap may double before a collection, and the container is killed", mib(limit as f64)),
            )
            .severity(if heap.is_some() && small { Severity::Medium } else { Severity::Low })
            .confidence(if heap.is_some() { Confidence::High } else { Confidence::Medium })
            .persona(if small { Persona::Regular } else { Persona::Pedantic })
            .label(mib(limit as f64))
            .beside(program.command.place(), "a Go program without GOMEMLIMIT")
            .beside(heap.map(|(m, _)| &m.heap), told.unwrap_or_default())
            .remedy(format!("set GOMEMLIMIT={:.0}MiB in the container's environment: nine tenths of the limit", 0.9 * limit as f64 / 1024.0 / 1024.0));
            Some(finding)
        })
        .collect()
}
