//! A server on EC2 with whatever limit of open files the machine gives.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{Deployment, Found, Launch};
use crate::rules::Rule;

/// The rule.
pub static RULE: Rule = Rule::new("nofile-default-on-ec2", include_str!("nofile_default_on_ec2.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let services = subject.production().filter(|s| {
        // A variable's default says nothing of where its setter lets the task run.
        let launch = s.task.launch.as_ref().filter(|launch| launch.unless.is_none());
        s.deployment == Deployment::Ecs && launch.and_then(Found::get) == Some(&Launch::Ec2)
    });
    services
        .flat_map(|service| service.containers.iter().map(move |c| (service, c)))
        .filter(|(_, container)| !container.targets.is_empty() && container.nofile.is_none())
        .map(|(service, container)| {
            Finding::new(
                RULE.name,
                &service.name,
                &container.place,
                "no limit of open files is set: on EC2 it is that of the machine's Docker daemon, often 1,024, and each connection needs one",
            )
            .severity(Severity::Low)
            .confidence(Confidence::Medium)
            .label("no ulimits")
            .beside(service.task.launch.as_ref().and_then(Found::place), "runs on EC2")
            .remedy("add a ulimit of the name nofile, soft and hard 65536; Fargate gives that much by itself")
        })
        .collect()
}
