//! What differs: settings against today's, and unified diffs line by line.

use knee_core::settings::{Settings, Value};

/// A knob that two settings set differently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change<'a> {
    /// The knob.
    pub knob: &'a str,
    /// Today's value, if it has one.
    pub from: Option<&'a Value>,
    /// The new value, if it has one.
    pub to: Option<&'a Value>,
}

/// The knobs that `after` sets otherwise than `before`, in alphabetical order.
pub fn between<'a>(before: &'a Settings, after: &'a Settings) -> Vec<Change<'a>> {
    let added = after.0.keys().filter(|knob| !before.0.contains_key(*knob));
    let mut knobs: Vec<&String> = before.0.keys().chain(added).collect();
    knobs.sort();
    let changes = knobs.into_iter().map(|knob| Change {
        knob,
        from: before.0.get(knob),
        to: after.0.get(knob),
    });
    changes.filter(|change| change.from != change.to).collect()
}

/// Changes in a few words: `workers 12 instead of 3`, or how many there are.
pub fn words(changes: &[Change<'_>]) -> String {
    let one = |c: &Change<'_>| match (c.from, c.to) {
        (Some(from), Some(to)) => format!("{} {to} instead of {from}", c.knob),
        (None, Some(to)) => format!("{} {to}", c.knob),
        (_, None) => format!("no {}", c.knob),
    };
    match changes {
        [] => "the same settings".into(),
        [only] => one(only),
        [first, second] => format!("{} and {}", one(first), one(second)),
        more => format!("{} settings changed", more.len()),
    }
}

/// A line of a unified diff.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// `add`, `del`, `hunk` or `ctx`.
    pub class: &'static str,
    /// The line with its sign.
    pub text: &'a str,
}

/// The lines of a unified diff by kind, without the two lines that name the file.
pub fn lines(diff: &str) -> Vec<Line<'_>> {
    let named = |line: &&str| line.starts_with("--- ") || line.starts_with("+++ ");
    let header = diff.lines().take(2).filter(named).count();
    let class = |line: &str| match line.as_bytes().first() {
        Some(b'+') => "add",
        Some(b'-') => "del",
        Some(b'@') => "hunk",
        _ => "ctx",
    };
    diff.lines().skip(header).map(|text| Line { class: class(text), text }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let today = Settings::default().with("workers", 3).with("threads", 1).with("class", "sync");
        let best = today.with("workers", 12);
        assert_eq!(words(&between(&today, &today)), "the same settings");
        assert_eq!(words(&between(&today, &best)), "workers 12 instead of 3");
        let best = best.with("threads", 2);
        assert_eq!(
            words(&between(&today, &best)),
            "threads 2 instead of 1 and workers 12 instead of 3"
        );
        assert_eq!(words(&between(&today, &best.with("backlog", 511))), "3 settings changed");
    }

    #[test]
    fn a_removed_line_of_dashes_is_no_header() {
        let diff = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,2 @@\n--- old comment\n+-- new\n same\n";
        let classes: Vec<_> = lines(diff).iter().map(|l| l.class).collect();
        assert_eq!(classes, ["hunk", "del", "add", "ctx"]);
    }
}
