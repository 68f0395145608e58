//! What the words of the report mean, in the words of `knee explain`.

use crate::terms;

/// The words of a run's report.
pub const TUNE: [&str; 16] = [
    "goal",
    "offered rate",
    "latency",
    "p99",
    "held",
    "capacity",
    "knee",
    "gave out",
    "calibration",
    "bound",
    "expected",
    "trial",
    "confirmation",
    "vCPU",
    "memory",
    "validity",
];
/// The words of a measurement's.
pub const MEASURE: [&str; 11] = [
    "goal",
    "offered rate",
    "latency",
    "p99",
    "answered",
    "held",
    "failures",
    "capacity",
    "knee",
    "gave out",
    "validity",
];

/// A word with its meaning.
pub struct Term {
    /// The word.
    pub name: &'static str,
    /// Its meaning.
    pub text: Vec<Piece>,
}

/// A part of a text that is set in one kind of type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// `code`, `em` or empty.
    pub kind: &'static str,
    /// The part.
    pub text: &'static str,
}

/// These words with their meanings.
pub fn of(names: &[&'static str]) -> Vec<Term> {
    let term = |name: &&'static str| Some(Term { name, text: pieces(terms::of(name)?) });
    names.iter().filter_map(term).collect()
}

/// What can be done about a resource, by its name.
pub fn advice(resource: &str) -> Vec<Piece> {
    terms::of(resource).map(pieces).unwrap_or_default()
}

/// The text at its `code` and its *emphasis*.
fn pieces(text: &'static str) -> Vec<Piece> {
    let plain = |text: &'static str| {
        let kinds = ["", "em"].into_iter().cycle();
        kinds.zip(text.split('*')).map(|(kind, text)| Piece { kind, text }).collect::<Vec<_>>()
    };
    let parts = text.split('`').enumerate();
    let typed = parts.flat_map(|(i, part)| match i % 2 {
        0 => plain(part),
        _ => vec![Piece { kind: "code", text: part }],
    });
    typed.filter(|piece| !piece.text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::observe::Resource;

    #[test]
    fn every_word_of_a_report_has_a_meaning() {
        assert_eq!(of(&TUNE).len(), TUNE.len());
        assert_eq!(of(&MEASURE).len(), MEASURE.len());
        assert!(!advice(&Resource::WorkerPool.to_string()).is_empty());
    }

    #[test]
    fn code_and_emphasis_are_told_apart() {
        let kinds: Vec<_> =
            pieces("was *due* at `x*y`.").iter().map(|p| (p.kind, p.text)).collect();
        assert_eq!(kinds, [("", "was "), ("em", "due"), ("", " at "), ("code", "x*y"), ("", ".")]);
    }
}
