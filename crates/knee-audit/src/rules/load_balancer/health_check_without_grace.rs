//! Health checks that count while a task still starts.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Deployment, Runtime};
use crate::rules::Rule;

/// The rule.
pub static RULE: Rule = Rule::new("health-check-without-grace", include_str!("health_check_without_grace.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    subject
        .production()
        .filter(|service| service.deployment == Deployment::Ecs && service.task.health_check_grace.is_none())
        .filter_map(|service| {
            let container = service.containers.iter().find(|c| !c.targets.is_empty())?;
            // What takes seconds to start: an interpreter that loads an application.
            let program = container.programs.iter().find(|p| {
                matches!(p.runtime, Runtime::Gunicorn | Runtime::Uvicorn | Runtime::Hypercorn | Runtime::Octane | Runtime::Uwsgi)
            })?;
            let message = "health checks of the load balancer count from the first second: a task that starts slowly is replaced before it is ready";
            let finding = Finding::new(RULE.name, &service.name, &service.place, message)
                .severity(Severity::Low)
                .confidence(Confidence::Low)
                .persona(Persona::Pedantic)
                .beside(program.command.place(), "what has to start")
                .remedy("set the service's healthCheckGracePeriodSeconds to what a cold start takes, with room to spare");
            Some(finding)
        })
        .collect()
}
