//! What was discovered: each value with its origin and what it overrode.

use knee_audit::Subject;
use knee_audit::picture::{Files, Origin};
use serde_json::{Value, json};

/// The facts, as text or as a JSON document.
pub fn facts(subject: &Subject, as_json: bool) -> String {
    let files = &subject.picture.files;
    let facts = subject.facts();
    if as_json {
        let facts: Vec<Value> = facts
            .iter()
            .map(|fact| {
                let at = at(files, &fact.origin);
                let overrode = fact
                    .overrode
                    .iter()
                    .map(|o| json!({ "value": o.value, "origin": origin(files, &o.origin) }));
                json!({
                    "of": fact.of,
                    "key": fact.key,
                    "value": fact.value,
                    "path": at.map(|(path, _)| path),
                    "line": at.map(|(_, line)| line),
                    "origin": origin(files, &fact.origin),
                    "overrode": overrode.collect::<Vec<_>>(),
                })
            })
            .collect();
        return format!(
            "{:#}\n",
            json!({ "version": 1, "knee": env!("CARGO_PKG_VERSION"), "facts": facts })
        );
    }
    let mut text = String::new();
    let mut of = None;
    for fact in &facts {
        if of != Some(&fact.of) {
            text += &format!("{}{}\n", if of.is_some() { "\n" } else { "" }, fact.of);
            of = Some(&fact.of);
        }
        text += &format!("  {} = {}  ({})\n", fact.key, fact.value, origin(files, &fact.origin));
        for lost in &fact.overrode {
            text += &format!("      over {}  ({})\n", lost.value, origin(files, &lost.origin));
        }
    }
    text
}

fn at<'a>(files: &'a Files, origin: &Origin) -> Option<(&'a str, u32)> {
    match origin {
        Origin::At(place) => {
            let (path, line, _) = files.position(place);
            Some((path, line))
        }
        Origin::Default(_) => None,
    }
}

fn origin(files: &Files, origin: &Origin) -> String {
    match origin {
        Origin::At(place) => {
            let (path, line, _) = files.position(place);
            format!("{path}:{line}")
        }
        Origin::Default(program) => format!("default of {program}"),
    }
}
