//! A package manager as PID 1.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::LinkKind;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("package-runner-as-init", include_str!("package_runner_as_init.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        .filter_map(|(service, container, program)| {
            let runner = program.chain.links.iter().find_map(|link| match &link.kind {
                LinkKind::Runner(name) if matches!(&**name, "npm" | "yarn" | "pnpm" | "npx") => Some((name, &link.place)),
                _ => None,
            })?;
            let message = format!("{} stands between the stop signal and the program: it starts a shell that does not pass the signal on", runner.0);
            let finding = Finding::new(RULE.name, &service.name, runner.1, message)
                .label(format!("{} stays, and starts a shell", runner.0))
                .beside(program.command.place().filter(|p| *p != runner.1), "what is meant to get the signal")
                .remedy("start the program itself: CMD [\"node\", \"server.js\"]");
            let _ = container;
            Some(finding)
        })
        .collect()
}
