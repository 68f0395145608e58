//! More connections than the database accepts.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Place, Program};
use crate::rules::Rule;
use crate::rules::reading::{processes, programs};

/// The rule.
pub static RULE: Rule = Rule::new("connections-beyond-limit", include_str!("connections_beyond_limit.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    // Of several databases it is not known which one is meant.
    let [database] = &subject.picture.databases[..] else { return Vec::new() };
    let Some(limit) = database.max_connections.get() else { return Vec::new() };
    programs(subject, |_| true)
        .filter_map(|(service, _, program)| {
            let (at, each) = pool(subject, program)?;
            let (processes, _) = processes(program)?;
            let tasks = service.task.maximum.as_ref().or(service.task.desired.as_ref())?;
            let count = *tasks.get()? as f64;
            let needed = each * processes * count;
            (needed > *limit).then(|| {
                let message = format!("{each} connections in each of {processes} processes of {count} tasks are {needed}, the database accepts {limit}");
                Finding::new(RULE.name, &service.name, at, message)
                    .severity(Severity::High)
                    .label(format!("{each} connections of a process"))
                    .beside(tasks.place(), format!("{count} tasks"))
                    .beside(database.max_connections.place(), format!("{limit} connections"))
                    .remedy("make the pool smaller, or put a pooler (PgBouncer, RDS Proxy) before the database")
            })
        })
        .collect()
}

/// The one pool of a program, where its size is stated; of several it is not known which are used.
fn pool<'a>(subject: &'a Subject, program: &'a Program) -> Option<(&'a Place, f64)> {
    let go = subject.code.go_of(program).flat_map(|source| &source.max_open);
    let python = subject.code.python_of(program).flat_map(|source| &source.pools);
    let mut pools = go.chain(python);
    let (at, most) = pools.next()?;
    pools.next().is_none().then_some((at, *most))
}
