//! An option that is written twice, of which the last one counts.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("option-given-twice", include_str!("option_given_twice.md"), check);

/// Options that take one value; others, as addresses to listen at, may be given several times.
const ONCE: [&[&str]; 7] = [
    &["-w", "--workers"],
    &["--threads"],
    &["-k", "--worker-class"],
    &["-t", "--timeout"],
    &["--graceful-timeout"],
    &["--keep-alive"],
    &["--max-requests"],
];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |r| matches!(r, Runtime::Gunicorn | Runtime::Uvicorn)) {
        let Some(words) = program.command.get() else { continue };
        for names in ONCE {
            let given: Vec<(&str, &str)> = (0..words.len()).filter_map(|at| option(words, at, names)).collect();
            let [.., before, (name, last)] = &given[..] else { continue };
            if before.1 == *last {
                continue;
            }
            let message = format!("{name} is given {} times: only the last one counts, {last}, and {} is lost", given.len(), before.1);
            found.push(
                Finding::new(RULE.name, &service.name, start(container, program), message)
                    .label(format!("{} {} and {name} {last}", before.0, before.1))
                    .remedy("leave one of them out; one of the two was probably meant to be another option, as --threads"),
            );
        }
    }
    found
}

/// The option's name and value, if one of these stands at that word.
fn option<'w>(words: &'w [String], at: usize, names: &[&str]) -> Option<(&'w str, &'w str)> {
    let word = words[at].as_str();
    let (name, joined) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    if !names.contains(&name) {
        return None;
    }
    Some((name, joined.or(words.get(at + 1).map(String::as_str))?))
}
