//! What is not to be reported: comments beside the place, the configuration, a baseline.
//!
//! A comment and a line of configuration give a reason. A baseline gives none: it holds what was
//! there when the audit came.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::Place;
use crate::rules::rule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What comments begin with, behind the sign of the language.
const MARK: &str = "knee: allow ";

/// A rule that the configuration allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Name of the rule.
    pub rule: String,
    /// Files that it holds for, relative to the root: a path, or a folder with everything below.
    /// None for all.
    pub path: Option<String>,
    /// Why.
    pub because: String,
}

/// What was there when the audit came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Version of the form.
    pub version: u32,
    /// The findings.
    pub findings: Vec<Known>,
}

/// A finding of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Known {
    /// Name of the rule.
    pub rule: String,
    /// The file.
    pub path: String,
    /// What the finding is known by: it survives lines that come and go elsewhere in the file.
    pub fingerprint: String,
}

/// Findings apart by whether they are to be reported.
#[derive(Debug, Default)]
pub struct Sorted {
    /// To be reported.
    pub kept: Vec<Finding>,
    /// Not to be, and why not.
    pub allowed: Vec<(Finding, String)>,
    /// Comments that allow nothing: without a reason, or of a rule that there is not.
    pub notes: Vec<(Place, String)>,
}

/// A comment that allows a rule.
struct Comment {
    place: Place,
    /// 1-based line on which it stands.
    line: u32,
    /// Whether nothing else stands on its line: it then means the next one.
    alone: bool,
    rule: String,
    because: String,
}

/// Sorts findings by what is allowed.
pub fn sort(
    subject: &Subject,
    findings: Vec<Finding>,
    allows: &[Allow],
    baseline: &Baseline,
) -> Sorted {
    let mut sorted = Sorted::default();
    let comments = comments(subject, &mut sorted.notes);
    let prints = fingerprints(subject, &findings);
    for (finding, print) in findings.into_iter().zip(prints) {
        let (path, line, _) = subject.picture.files.position(&finding.primary.place);
        let commented = comments.iter().find(|comment| {
            comment.rule == finding.rule
                && comment.place.file == finding.primary.place.file
                && (comment.line == line || (comment.alone && comment.line + 1 == line))
        });
        let configured =
            allows.iter().find(|allow| allow.rule == finding.rule && allow.holds(path));
        let known = baseline.findings.iter().any(|known| {
            known.rule == finding.rule && known.path == path && known.fingerprint == print
        });
        let why = commented.map(|c| c.because.clone()).or(configured.map(|c| c.because.clone()));
        match why.or(known.then(|| "in the baseline".into())) {
            Some(why) => sorted.allowed.push((finding, why)),
            None => sorted.kept.push(finding),
        }
    }
    sorted
}

impl Allow {
    fn holds(&self, path: &str) -> bool {
        self.path.as_deref().is_none_or(|allowed| {
            let allowed = allowed.trim_start_matches("./").trim_end_matches('/');
            path == allowed || path.strip_prefix(allowed).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

impl Baseline {
    /// Version of the form that is written and read.
    pub const VERSION: u32 = 1;

    /// A baseline of these findings.
    pub fn of(subject: &Subject, findings: &[Finding]) -> Baseline {
        let prints = fingerprints(subject, findings);
        let known = findings.iter().zip(prints).map(|(finding, fingerprint)| Known {
            rule: finding.rule.into(),
            path: subject.picture.files.position(&finding.primary.place).0.into(),
            fingerprint,
        });
        let mut findings: Vec<Known> = known.collect();
        findings.sort();
        Baseline { version: Self::VERSION, findings }
    }
}

/// What each finding is known by: its rule, its file, the text of its line, and which of several
/// such it is.
pub fn fingerprints(subject: &Subject, findings: &[Finding]) -> Vec<String> {
    let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
    let files = &subject.picture.files;
    findings
        .iter()
        .map(|finding| {
            let (path, line, _) = files.position(&finding.primary.place);
            let text = files.get(finding.primary.place.file).text.lines().nth(line as usize - 1);
            let print = fnv(&[finding.rule, path, text.unwrap_or_default().trim()]);
            let nth = seen.entry(print).and_modify(|n| *n += 1).or_insert(0);
            format!("{print:016x}{}", if *nth > 0 { format!("-{nth}") } else { String::new() })
        })
        .collect()
}

/// FNV-1a, which stays the same from version to version: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn comments(subject: &Subject, notes: &mut Vec<(Place, String)>) -> Vec<Comment> {
    let mut found = Vec::new();
    for (id, file) in subject.picture.files.iter().filter(|(_, file)| file.text.contains(MARK)) {
        let mut offset = 0;
        for (index, line) in file.text.split('\n').enumerate() {
            let begin = offset;
            offset += line.len() + 1;
            let Some(at) = line.find(MARK) else { continue };
            let before = line[..at].trim();
            if !["#", "//", "/*", ";", "<!--"].iter().any(|sign| before.ends_with(sign)) {
                continue;
            }
            let place = Place::new(id, begin + at..begin + line.trim_end().len());
            let said = line[at + MARK.len()..]
                .trim()
                .trim_end_matches("*/")
                .trim_end_matches("-->")
                .trim();
            let (name, rest) = said.split_once([' ', ':', ',']).unwrap_or((said, ""));
            let because = rest
                .trim_start_matches([' ', ':', ',', '-', '–'])
                .trim_start_matches("because")
                .trim();
            if rule(name).is_none() {
                notes.push((
                    place,
                    format!("there is no rule `{name}`: this comment allows nothing"),
                ));
            } else if because.is_empty() {
                notes.push((
                    place,
                    format!(
                        "say why: `{MARK}{name} because …`; without a reason nothing is allowed"
                    ),
                ));
            } else {
                let alone = ["#", "//", "/*", ";", "<!--"].contains(&before);
                let (rule, because) = (name.into(), because.into());
                found.push(Comment { place, line: index as u32 + 1, alone, rule, because });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{File, Files, Picture};

    const RULE: &str = "workers-from-host-cpus";

    fn subject(text: &str) -> Subject {
        let file = File { path: "a/gunicorn.conf.py".into(), text: text.into() };
        let files = Files { read: vec![file], ..Files::default() };
        Subject { picture: Picture { files, ..Picture::default() }, ..Subject::default() }
    }

    fn finding(subject: &Subject) -> Finding {
        let at = subject.picture.files.read[0].text.find("workers =").unwrap();
        let place = Place::new(crate::picture::FileId(0), at..at + 7);
        Finding::new(RULE, "web", &place, "so many")
    }

    fn kept(text: &str, allows: &[Allow]) -> (usize, usize) {
        let subject = subject(text);
        let sorted = sort(&subject, vec![finding(&subject)], allows, &Baseline::default());
        (sorted.kept.len(), sorted.notes.len())
    }

    #[test]
    fn a_comment_with_a_reason_allows_its_line_or_the_next() {
        assert_eq!(
            kept(
                "workers = cpus  # knee: allow workers-from-host-cpus because the host is ours\n",
                &[]
            ),
            (0, 0)
        );
        assert_eq!(
            kept("# knee: allow workers-from-host-cpus: the host is ours\nworkers = cpus\n", &[]),
            (0, 0)
        );
        assert_eq!(kept("# knee: allow workers-from-host-cpus\nworkers = cpus\n", &[]), (1, 1));
        assert_eq!(kept("# knee: allow frobnication because\nworkers = cpus\n", &[]), (1, 1));
        assert_eq!(
            kept("x = 1  # knee: allow workers-from-host-cpus because\nworkers = cpus\n", &[]),
            (1, 1)
        );
        assert_eq!(
            kept("x = 'knee: allow workers-from-host-cpus because'\nworkers = cpus\n", &[]),
            (1, 0)
        );
    }

    #[test]
    fn the_configuration_allows_a_rule_in_a_folder() {
        let allow = |path: Option<&str>| Allow {
            rule: RULE.into(),
            path: path.map(Into::into),
            because: "so".into(),
        };
        assert_eq!(kept("workers = cpus", &[allow(None)]).0, 0);
        assert_eq!(kept("workers = cpus", &[allow(Some("a/"))]).0, 0);
        assert_eq!(kept("workers = cpus", &[allow(Some("b"))]).0, 1);
        assert_eq!(kept("workers = cpus", &[allow(Some("a/gunicorn.conf.p"))]).0, 1);
    }

    #[test]
    fn a_baseline_survives_lines_above() {
        let before = subject("workers = cpus\n");
        let baseline = Baseline::of(&before, &[finding(&before)]);
        let after = subject("# new\n\n  workers = cpus\n");
        assert!(sort(&after, vec![finding(&after)], &[], &baseline).kept.is_empty());
        let changed = subject("workers = 2 * cpus\n");
        assert_eq!(sort(&changed, vec![finding(&changed)], &[], &baseline).kept.len(), 1);
    }
}
