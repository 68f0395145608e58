//! Fixes: the edits of findings, made in texts. Writing them is the door's affair.

use crate::Subject;
use crate::finding::{Edit, Finding, Safety};
use crate::picture::FileId;
use std::collections::BTreeMap;

/// A file that fixes change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The file.
    pub file: FileId,
    /// Relative to the root.
    pub path: String,
    /// As it was read.
    pub before: String,
    /// As it becomes.
    pub after: String,
    /// Names of the rules whose findings are mended, in order.
    pub rules: Vec<&'static str>,
}

/// The texts with the safe edits made, and the unsafe ones where they are asked for. The edits of a
/// finding are made all or none; of two that touch each other the first finding's are.
pub fn fixes(subject: &Subject, findings: &[Finding], unsafe_too: bool) -> Vec<Fixed> {
    let mut chosen: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    let mut rules: BTreeMap<FileId, Vec<&'static str>> = BTreeMap::new();
    for finding in findings {
        let allowed = finding.edits.iter().all(|edit| unsafe_too || edit.safety == Safety::Safe);
        let free = |edit: &Edit| {
            let others = chosen.get(&edit.place.file).into_iter().flatten();
            others.into_iter().all(|other| {
                edit.place.span.end < other.place.span.start
                    || other.place.span.end < edit.place.span.start
            })
        };
        if finding.edits.is_empty() || !allowed || !finding.edits.iter().all(free) {
            continue;
        }
        for edit in &finding.edits {
            chosen.entry(edit.place.file).or_default().push(edit);
            rules.entry(edit.place.file).or_default().push(finding.rule);
        }
    }
    let fixed = chosen.into_iter().map(|(file, mut edits)| {
        edits.sort_by_key(|edit| edit.place.span.start);
        let read = subject.picture.files.get(file);
        let mut after = read.text.to_string();
        for edit in edits.iter().rev() {
            after.replace_range(edit.place.span.clone(), &edit.replacement);
        }
        let rules = rules.remove(&file).unwrap_or_default();
        Fixed { file, path: read.path.clone(), before: read.text.to_string(), after, rules }
    });
    fixed.filter(|fixed| fixed.before != fixed.after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{File, Files, Picture, Place};

    #[test]
    fn edits_that_touch_are_not_both_made() {
        let files = Files {
            read: vec![File { path: "a".into(), text: "one two three".into() }],
            ..Files::default()
        };
        let subject =
            Subject { picture: Picture { files, ..Picture::default() }, ..Subject::default() };
        let finding = |span: std::ops::Range<usize>, text: &str, safety| {
            let place = Place::new(FileId(0), span);
            Finding::new("x-y", "web", &place, "m").fix(&place, text, safety)
        };
        let findings = [
            finding(8..13, "3", Safety::Safe),
            finding(0..3, "1", Safety::Safe),
            finding(2..5, "?", Safety::Safe),
            finding(4..7, "2", Safety::Unsafe),
        ];
        assert_eq!(fixes(&subject, &findings, false)[0].after, "1 two 3");
        assert_eq!(fixes(&subject, &findings, true)[0].after, "1 2 3");
        assert_eq!(fixes(&subject, &findings, false)[0].rules.len(), 2);
    }
}
