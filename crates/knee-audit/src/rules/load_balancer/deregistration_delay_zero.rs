//! A target group that cuts what is in flight when a task leaves.

use crate::Subject;
use crate::finding::Finding;
use crate::rules::Rule;

/// The rule.
pub static RULE: Rule = Rule::new("deregistration-delay-zero", include_str!("deregistration_delay_zero.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let containers = subject.production().flat_map(|s| s.containers.iter().map(move |c| (s, c)));
    let targets = containers.flat_map(|(s, c)| c.targets.iter().map(move |t| (s, t)));
    targets
        .filter(|(_, target)| target.deregistration_delay.get() == Some(&0.0))
        .map(|(service, target)| {
            let at = target.deregistration_delay.place().unwrap_or(&target.place);
            Finding::new(
                RULE.name,
                &service.name,
                at,
                "a deregistration delay of 0 s cuts the requests that are in flight when a task is replaced",
            )
            .label("0 s")
            .remedy("take a little more than the longest request needs: 5 to 30 s for short ones")
        })
        .collect()
}
