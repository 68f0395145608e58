//! A client of axios that waits for ever.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;
use crate::source::node::{Client, Source};

/// The rule.
pub static RULE: Rule = Rule::new("axios-without-timeout", include_str!("axios_without_timeout.md"), check);

/// Folders of what runs in a browser or by hand.
const ELSEWHERE: [&str; 10] = ["client", "frontend", "components", "public", "ui", "hooks", "assets", "scripts", "tools", "cli"];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |runtime| runtime == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        let text = |source: &Source| subject.picture.files.get(source.file).text.clone();
        let defaults = ["axios.defaults.timeout", "config.timeout"];
        if sources.iter().any(|source| defaults.iter().any(|set| text(source).contains(set))) {
            continue;
        }
        let texts: Vec<_> = sources.iter().map(|source| text(source)).collect();
        for source in &sources {
            let path = &subject.picture.files.get(source.file).path;
            let browser = source.imports.iter().any(|import| import == "react" || import == "vue");
            if browser || path.ends_with('x') || path.split('/').any(|part| ELSEWHERE.contains(&part)) {
                continue;
            }
            let waits = |client: &&Client| client.spread.iter().all(|name| says_nothing_of_time(&texts, name));
            let mut calls = source.untimed.iter().filter(waits);
            let Some(first) = calls.next() else { continue };
            let others: Vec<_> = calls.collect();
            let many = if others.is_empty() { String::new() } else { format!(", as {} more in this file", others.len()) };
            let message = format!("{} has no timeout{many}: when the other side hangs, so does every request that waits for it", first.call);
            let finding = Finding::new(RULE.name, &service.name, &first.place, message)
                .severity(if first.call == "axios.create" { Severity::Medium } else { Severity::Low })
                .confidence(if first.spread.is_empty() { Confidence::High } else { Confidence::Medium })
                .label("waits for ever")
                .remedy("give it timeout, in milliseconds, shorter than what the one who asks waits for");
            found.push(others.iter().fold(finding, |finding, other| finding.beside(Some(&other.place), "and this one")));
        }
    }
    found
}

/// Whether what is spread into the options is seen, and without a time-out.
fn says_nothing_of_time(texts: &[std::sync::Arc<str>], name: &str) -> bool {
    let made = [format!("function {name}("), format!("const {name} ="), format!("const {name}:")];
    let found = texts.iter().find_map(|text| made.iter().find_map(|made| text.split_once(made.as_str())));
    found.is_some_and(|(_, rest)| {
        let end = rest.find("\n}").unwrap_or(rest.len());
        !rest[..end].to_ascii_lowercase().contains("timeout")
    })
}
