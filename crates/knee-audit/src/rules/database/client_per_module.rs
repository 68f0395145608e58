//! A pool for each module of one program.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("client-per-module", include_str!("client_per_module.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Node)
        .filter_map(|(service, _, program)| {
            let sources = subject.code.node_of(&subject.picture.files, program);
            let clients: Vec<_> = sources.iter().filter_map(|source| source.prisma.first()).collect();
            let (first, others) = clients.split_first().filter(|(_, others)| !others.is_empty())?;
            let message = format!("{} modules make a PrismaClient each: every one has a pool of its own, of twice the host's CPUs and one", clients.len());
            let finding = Finding::new(RULE.name, &service.name, first, message)
                .confidence(Confidence::Medium)
                .label("a pool of its own")
                .remedy("make one client in a module of its own and import it; give it a connection_limit that the database has room for");
            Some(others.iter().fold(finding, |finding, other| finding.beside(Some(*other), "and another")))
        })
        .collect()
}
