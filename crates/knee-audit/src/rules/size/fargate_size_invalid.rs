//! A pair of CPU and memory that Fargate does not offer.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Found, Launch};
use crate::rules::Rule;
use crate::rules::reading::mib;

/// The rule.
pub static RULE: Rule = Rule::new("fargate-size-invalid", include_str!("fargate_size_invalid.md"), check);

/// CPU units, least and most memory in GiB, and its step:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size>.
const SIZES: [(f64, f64, f64, f64); 6] = [
    (512.0, 1.0, 4.0, 1.0),
    (1024.0, 2.0, 8.0, 1.0),
    (2048.0, 4.0, 16.0, 1.0),
    (4096.0, 8.0, 30.0, 1.0),
    (8192.0, 16.0, 60.0, 4.0),
    (16384.0, 32.0, 120.0, 8.0),
];

fn check(subject: &Subject) -> Vec<Finding> {
    subject
        .production()
        .filter(|service| service.task.launch.as_ref().and_then(Found::get) == Some(&Launch::Fargate))
        .filter_map(|service| {
            let (cpu, memory) = (service.task.cpu.as_ref()?, service.task.memory.as_ref()?);
            let (vcpu, bytes) = (*cpu.get()?, *memory.get()?);
            let problem = problem(vcpu * 1024.0, bytes as f64 / 1024.0 / 1024.0)?;
            let finding = Finding::new(RULE.name, &service.name, memory.place()?, format!("Fargate has no task of {vcpu} vCPU and {}: {problem}", mib(bytes as f64)))
                .severity(Severity::High)
                .label(mib(bytes as f64))
                .beside(cpu.place(), format!("{vcpu} vCPU"))
                .remedy("take a pair that Fargate offers; the registration of the task definition fails otherwise");
            Some(finding)
        })
        .collect()
}

/// What is wrong with a pair, if something is.
fn problem(units: f64, mib: f64) -> Option<String> {
    if units == 256.0 {
        return (![512.0, 1024.0, 2048.0].contains(&mib)).then(|| "it takes 0.5, 1 or 2 GiB".into());
    }
    let Some((_, least, most, step)) = SIZES.iter().find(|(cpu, ..)| *cpu == units) else {
        return Some("it takes 0.25, 0.5, 1, 2, 4, 8 or 16 vCPU".into());
    };
    let gib = mib / 1024.0;
    let fits = gib >= *least && gib <= *most && (gib - least) % step == 0.0;
    (!fits).then(|| format!("it takes {least} to {most} GiB in steps of {step}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        for (units, mib) in [(256.0, 512.0), (512.0, 4096.0), (1024.0, 2048.0), (4096.0, 30720.0), (16384.0, 122_880.0)] {
            assert_eq!(problem(units, mib), None, "{units} {mib}");
        }
        for (units, mib) in [(256.0, 4096.0), (512.0, 512.0), (1024.0, 1024.0), (8192.0, 18432.0), (300.0, 512.0)] {
            assert!(problem(units, mib).is_some(), "{units} {mib}");
        }
    }
}
