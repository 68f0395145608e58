//! Work for libuv's threads, of which there are four.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("thread-pool-below-users", include_str!("thread_pool_below_users.md"), check);

/// Modules whose calls run on libuv's threads for milliseconds and more.
const USERS: [&str; 5] = ["bcrypt", "argon2", "@node-rs/bcrypt", "@node-rs/argon2", "sharp"];

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Node)
        .filter_map(|(service, container, program)| {
            let sources = subject.code.node_of(&subject.picture.files, program);
            let user = sources.iter().flat_map(|source| &source.imports).find(|i| USERS.contains(&i.as_str()))?;
            let said = program.setting("node.uv_threadpool_size").is_some()
                || program.sources.iter().any(|id| subject.picture.files.get(*id).text.contains("UV_THREADPOOL_SIZE"));
            (!said).then(|| {
                let message = format!("`{user}` computes on libuv's four threads, which files and name look-ups need, too: four such calls at once hold them all");
                Finding::new(RULE.name, &service.name, start(container, program), message)
                    .severity(Severity::Low)
                    .confidence(Confidence::Medium)
                    .persona(Persona::Pedantic)
                    .label("UV_THREADPOOL_SIZE is 4, the default")
                    .remedy("set UV_THREADPOOL_SIZE in the container's environment; `knee tune` finds the number that pays")
            })
        })
        .collect()
}
