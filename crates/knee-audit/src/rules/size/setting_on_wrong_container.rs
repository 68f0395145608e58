//! A setting on a container that does not read it.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::{Container, Runtime};
use crate::rules::Rule;

/// The rule.
pub static RULE: Rule = Rule::new("setting-on-wrong-container", include_str!("setting_on_wrong_container.md"), check);

/// Variables that one runtime reads, and the runtime.
const READ: [(&str, &[Runtime]); 7] = [
    ("WEB_CONCURRENCY", &[Runtime::Gunicorn, Runtime::Uvicorn, Runtime::Node]),
    ("GUNICORN_CMD_ARGS", &[Runtime::Gunicorn]),
    ("NODE_OPTIONS", &[Runtime::Node]),
    ("UV_THREADPOOL_SIZE", &[Runtime::Node]),
    ("GOMAXPROCS", &[Runtime::Go]),
    ("GOMEMLIMIT", &[Runtime::Go]),
    ("GOGC", &[Runtime::Go]),
];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in subject.production() {
        for container in &service.containers {
            for (name, runtimes) in READ {
                let reads = |c: &Container| c.programs.iter().any(|p| runtimes.contains(&p.runtime));
                // A program that is not known may read anything.
                let known = !container.programs.is_empty() && container.programs.iter().all(|p| p.runtime != Runtime::Other);
                let Some(value) = container.env.get(name).filter(|_| known && !reads(container)) else { continue };
                let Some(meant) = service.containers.iter().find(|c| reads(c) && !c.env.contains_key(name)) else { continue };
                let Some(at) = value.place() else { continue };
                found.push(
                    Finding::new(RULE.name, &service.name, at, format!("{name} stands on the container `{}`, where nothing reads it", container.name))
                        .label(format!("no effect in `{}`", container.name))
                        .beside(Some(&meant.place), format!("`{}` would read it", meant.name))
                        .remedy(format!("move it to the container `{}`", meant.name)),
                );
            }
        }
    }
    found
}
