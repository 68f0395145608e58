//! Celery's scheduler in each of several tasks.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{Program, Service};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("scheduler-in-scaled-service", include_str!("scheduler_in_scaled_service.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        .filter(|(_, _, program)| schedules(program))
        .filter_map(|(service, container, program)| {
            let tasks = most(service)?;
            let count = *tasks.get()?;
            let message = format!("each of up to {count} tasks runs Celery's scheduler: every periodic task is sent {count} times");
            (count > 1).then(|| {
                Finding::new(RULE.name, &service.name, start(container, program), message)
                    .severity(Severity::High)
                    .confidence(Confidence::Medium)
                    .label("beat")
                    .beside(tasks.place(), format!("up to {count} tasks"))
                    .remedy("run beat in a service of its own with one task, or take a scheduler that holds a lock (celery-redbeat)")
            })
        })
        .collect()
}

/// The most tasks that a service is given.
fn most(service: &Service) -> Option<&crate::picture::Found<u64>> {
    service.task.maximum.as_ref().or(service.task.desired.as_ref())
}

/// Whether a command starts Celery's scheduler, alone or inside a worker, and none that holds a lock.
fn schedules(program: &Program) -> bool {
    let Some(words) = program.command.get() else { return false };
    let Some(at) = words.iter().position(|word| word.rsplit('/').next() == Some("celery")) else { return false };
    let words = &words[at + 1..];
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    let beat = has(&["beat"]) || (has(&["worker"]) && has(&["-B", "--beat"]));
    beat && !words.iter().any(|word| word.to_ascii_lowercase().contains("redbeat"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn a_scheduler_of_several_tasks() {
        let found = |command: &str, count: u8| {
            let dockerfile = format!("FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD {command}\n");
            let stack = format!("Resources:\n  S:\n    Type: AWS::ECS::Service\n    Properties: {{ DesiredCount: {count}, TaskDefinition: !Ref T }}\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions: [{{ Name: jobs, Image: 1.dkr.ecr.eu-west-1.amazonaws.com/jobs }}]\n");
            check(&subject(&[("jobs/Dockerfile", &*dockerfile), ("stack.yaml", &*stack)])).len()
        };
        let worker = r#"["celery", "-A", "jobs", "worker", "-B"]"#;
        assert_eq!((found(worker, 2), found(worker, 1)), (1, 0));
        assert_eq!(found(r#"["celery", "-A", "jobs", "beat"]"#, 2), 1);
        assert_eq!(found(r#"["celery", "-A", "jobs", "beat", "-S", "redbeat.RedBeatScheduler"]"#, 2), 0);
        assert_eq!(found(r#"["celery", "-A", "jobs", "worker"]"#, 2), 0);
    }
}
