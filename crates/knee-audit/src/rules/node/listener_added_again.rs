//! Listeners that come with each request and never go.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("listener-added-again", include_str!("listener_added_again.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |runtime| runtime == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        if sources.iter().all(|source| source.listens.is_empty()) {
            continue;
        }
        let silenced = |source: &&crate::source::node::Source| {
            let text = &subject.picture.files.get(source.file).text;
            let at = text.find("defaultMaxListeners = 0").or_else(|| text.find("setMaxListeners(0)"))?;
            Some(crate::picture::Place::new(source.file, at..at + 15))
        };
        let silenced = sources.iter().find_map(silenced);
        for (at, event) in sources.iter().flat_map(|source| &source.listeners) {
            let message = format!("each request or connection adds a listener of `{event}` to what all share, and none is taken away: memory and the work for each event grow for ever");
            found.push(
                Finding::new(RULE.name, &service.name, at, message)
                    .confidence(Confidence::Medium)
                    .label("added every time")
                    .beside(silenced.as_ref(), "Node's warning of it is switched off")
                    .remedy("add the listener once, where the object is made; or take it away when the connection closes"),
            );
        }
    }
    found
}
