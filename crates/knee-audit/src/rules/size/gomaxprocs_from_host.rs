//! Go threads for the CPUs of the host, not of the task.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Deployment, Found, Launch, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("gomaxprocs-from-host", include_str!("gomaxprocs_from_host.md"), check);

/// What sets GOMAXPROCS from ECS' metadata. automaxprocs does not: it reads the container's own cgroup.
const KNOWS_ECS: [&str; 2] = ["github.com/rdforte/gomaxecs", "go.uber.org/gomaxecs"];

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Go)
        .filter(|(service, container, _)| service.deployment == Deployment::Ecs && !container.env.contains_key("GOMAXPROCS"))
        .filter_map(|(service, container, program)| {
            let cpu = service.task.cpu.as_ref()?;
            let share = *cpu.get()?;
            let imports = subject.code.go_of(program).flat_map(|source| &source.imports).any(|i| KNOWS_ECS.iter().any(|k| i.starts_with(k)));
            if imports || program.setting("go.gomaxprocs").is_some() {
                return None;
            }
            let shared = service.task.launch.as_ref().and_then(Found::get) == Some(&Launch::Ec2);
            let finding = Finding::new(
                RULE.name,
                &service.name,
                cpu.place().unwrap_or(&container.place),
                format!("the task has {share} vCPU, but Go starts a thread for each CPU of the host: the quota is used up early in each period"),
            )
            .severity(if shared { Severity::Medium } else { Severity::Low })
            .confidence(Confidence::Medium)
            .persona(if shared { Persona::Regular } else { Persona::Pedantic })
            .label(format!("{share} vCPU, which Go does not see"))
            .beside(program.command.place(), "runs with GOMAXPROCS of the host")
            .remedy(format!("set GOMAXPROCS={} in the container's environment, or start it under `knee run`", share.ceil().max(1.0)));
            Some(finding)
        })
        .collect()
}
