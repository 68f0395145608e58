//! What every rule owes: a page, a firing and a silent example on it, a source, a name.

use super::{FILES, rules};
use crate::{Finding, Subject, page::Example};

/// The findings of the rule in the repository that the files make.
fn found(rule: &'static super::Rule, files: &[Example]) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let copies = files.iter().flat_map(|file| (0..file.copies).map(move |n| (file, n)));
    for (file, n) in copies {
        let path = folder.path().join(file.path.replace('*', &n.to_string()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{}\n", file.text)).unwrap();
    }
    let subject = Subject::read(folder.path()).unwrap();
    (rule.check)(&subject)
}

#[test]
fn a_rule_fires_on_its_bad_example_and_is_silent_on_its_good_one() {
    let mut wrong = Vec::new();
    for rule in rules() {
        let (bad, good) = (rule.page.bad(), rule.page.good());
        assert!(!bad.is_empty() && !good.is_empty(), "{}: a page has two examples", rule.name);
        let firing = found(rule, &bad);
        if firing.is_empty() {
            wrong.push(format!("{} is silent on its bad example", rule.name));
        }
        for finding in firing {
            assert_eq!(finding.rule, rule.name);
            assert!(
                !finding.message.ends_with('.') && finding.message.len() < 200,
                "{}",
                finding.message
            );
            assert!(finding.remedy.len() > 20, "{}: what is to be done?", rule.name);
        }
        for finding in found(rule, &good) {
            wrong.push(format!("{} fires on its good example: {}", rule.name, finding.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rule_has_a_page_with_sources_under_its_name() {
    for (rule, (group, file)) in rules().iter().zip(FILES) {
        assert_eq!(rule.name, file.replace('_', "-"), "{group}");
        assert_eq!(rule.page.0.lines().next(), Some(&*format!("# {}", rule.name)));
        assert!(rule.page.what().ends_with('.'), "{}", rule.name);
        for section in ["Why", "Sources", "Fix"] {
            assert!(rule.page.section(section).len() > 30, "{}: {section}", rule.name);
        }
        assert!(!rule.page.sources().is_empty(), "{}", rule.name);
    }
}

#[test]
fn a_name_reads_well_behind_allow() {
    for rule in rules() {
        let plain =
            rule.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let start = rule.name.split('-').next().unwrap();
        assert!(
            plain && !matches!(start, "no" | "not" | "allow" | "missing" | "use"),
            "{}",
            rule.name
        );
        assert!(rule.name.contains('-'), "{}: more than a word", rule.name);
    }
}
