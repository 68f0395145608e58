//! The words of a report and what they mean, for `knee explain` and for the report itself.

/// A section per word; `## name` begins one.
const TERMS: &str = include_str!("../../../docs/terms.md");

/// Every word with its text.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let section = |text: &'static str| {
        let (name, rest) = text.split_once('\n')?;
        Some((name.trim(), rest.trim()))
    };
    TERMS.split("\n## ").skip(1).filter_map(section)
}

/// What one word means.
pub fn of(name: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == name).map(|(_, text)| text)
}
