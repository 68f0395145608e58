//! A package manager as PID 1.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::{Container, Deployment, LinkKind, Program};
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("package-runner-as-init", include_str!("package_runner_as_init.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        // A Procfile's platform and systemd signal every process, not the first alone.
        .filter(|(service, _, _)| service.deployment != Deployment::Process)
        .filter(|(_, container, program)| !passes_on(container, program))
        .filter_map(|(service, _, program)| {
            let runner = program.chain.links.iter().find_map(|link| match &link.kind {
                LinkKind::Runner(name) if matches!(&**name, "npm" | "yarn" | "pnpm" | "npx") => Some((name, &link.place)),
                _ => None,
            })?;
            let message = format!("{} stands between the stop signal and the program: it starts a shell that does not pass the signal on", runner.0);
            let finding = Finding::new(RULE.name, &service.name, runner.1, message)
                .label(format!("{} stays, and starts a shell", runner.0))
                .beside(program.command.place().filter(|p| *p != runner.1), "what is meant to get the signal")
                .remedy("start the program itself: CMD [\"node\", \"server.js\"]");
            Some(finding)
        })
        .collect()
}

/// Whether npm alone stands there and Alpine's shell behind it: npm passes SIGTERM on since version 7,
/// and that shell becomes the program.
fn passes_on(container: &Container, program: &Program) -> bool {
    let base = container.image.as_ref().and_then(|image| image.base.as_ref()?.get());
    let others = program.chain.links.iter().any(|link| match &link.kind {
        LinkKind::Runner(name) => name != "npm",
        LinkKind::Shell { script, .. } => *script,
        _ => false,
    });
    base.is_some_and(|base| base.contains("alpine")) && !others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn npm_on_alpine_passes_signals_on() {
        let found = |base: &str, command: &str| {
            let dockerfile = format!("FROM {base}\nCOPY . /app\nWORKDIR /app\nCMD [\"{command}\", \"start\"]\n");
            let package = r#"{"scripts": {"start": "node server.js"}}"#;
            check(&subject(&[("Dockerfile", &dockerfile), ("package.json", package), ("server.js", "1\n")])).len()
        };
        assert_eq!((found("node:22-slim", "npm"), found("node:22-alpine", "npm")), (1, 0));
        assert_eq!(found("node:22-alpine", "yarn"), 1);
        let package = r#"{"scripts": {"start": "node server.js"}}"#;
        let files = [("Procfile", "web: npm start\n"), ("package.json", package)];
        assert!(check(&subject(&files)).is_empty());
    }
}
