//! A task on Spot capacity that leaves most of its warning unused.

use crate::Subject;
use crate::finding::{Finding, Safety, Severity};
use crate::picture::{Container, Deployment, Found, Runtime};
use crate::rules::Rule;

/// The rule.
pub static RULE: Rule = Rule::new("spot-without-stop-timeout", include_str!("spot_without_stop_timeout.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    subject
        .production()
        .filter(|service| service.deployment == Deployment::Ecs && service.task.agent_stop_timeout.is_none())
        .filter(|service| service.task.spot.as_ref().and_then(Found::get) == Some(&true))
        .filter_map(|service| {
            let serving = |c: &&Container| !c.targets.is_empty() || c.programs.iter().any(|p| matches!(p.runtime, Runtime::Worker | Runtime::Celery));
            let container = service.containers.iter().find(serving).filter(|c| c.stop_timeout.is_none())?;
            let finding = Finding::new(
                RULE.name,
                &service.name,
                &container.place,
                "Spot capacity is taken away with two minutes' warning, but the container is killed after 30 s",
            )
            .severity(Severity::Low)
            .label("no stopTimeout: 30 s")
            .beside(service.task.spot.as_ref().and_then(Found::place), "runs on Spot")
            .remedy("set stopTimeout to 120 and use the time to finish what runs")
            .member(subject, &container.place, "stopTimeout", "120", Safety::Safe);
            Some(finding)
        })
        .collect()
}
