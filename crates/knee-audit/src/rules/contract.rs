//! What every rule owes: a page, a firing and a silent example on it, a source, a name.

use super::{FILES, rules};
use crate::fix::fixes;
use crate::{Finding, Persona, Severity, Subject, page::Example};
use knee_core::profile::{Estimate, Heap, Memory, Profile};

/// The findings of the rule in the repository that the files make.
fn found(rule: &'static super::Rule, files: &[Example]) -> Vec<Finding> {
    let folder = written(files);
    let subject = Subject::read(folder.path()).unwrap();
    (rule.check)(&subject)
}

/// What a rule is given of files by path and text, for what its page has no room for.
pub(crate) fn subject<'a>(files: &[(&'a str, &'a str)]) -> Subject {
    let example = |(path, text): &(&'a str, &'a str)| Example { path, text, copies: 1 };
    let folder = written(&files.iter().map(example).collect::<Vec<_>>());
    Subject::read(folder.path()).unwrap()
}

/// The repository that the files make.
fn written(files: &[Example]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copies = files.iter().flat_map(|file| (0..file.copies).map(move |n| (file, n)));
    for (file, n) in copies {
        let path = folder.path().join(file.path.replace('*', &n.to_string()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{}\n", file.text)).unwrap();
    }
    folder
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

/// What a fix owes, on every rule's bad example: each file reads as well as before, the finding is
/// gone and no other has come, and a second run changes nothing.
fn a_fix_mends_and_does_nothing_else(unsafe_too: bool) -> Vec<&'static str> {
    let (mut wrong, mut mended) = (Vec::new(), Vec::new());
    let named = |findings: &[Finding]| findings.iter().map(|f| f.rule).collect::<Vec<_>>();
    for rule in rules() {
        let folder = written(&rule.page.bad());
        let before = Subject::read(folder.path()).unwrap();
        let findings = before.findings(Persona::Auditor);
        let fixed = fixes(&before, &findings, unsafe_too);
        if fixed.is_empty() {
            continue;
        }
        for fixed in &fixed {
            std::fs::write(folder.path().join(&fixed.path), &fixed.after).unwrap();
        }
        let repaired: Vec<&str> = fixed.iter().flat_map(|fixed| fixed.rules.clone()).collect();
        let after = Subject::read(folder.path()).unwrap();
        let left = after.findings(Persona::Auditor);
        if after.picture.notes.len() > before.picture.notes.len() {
            wrong.push(format!("{}: {:?}", rule.name, after.picture.notes));
        }
        if after.picture.services.len() != before.picture.services.len() {
            wrong.push(format!("{}: a service came or went", rule.name));
        }
        let (old, now) = (named(&findings), named(&left));
        if let Some(new) = now.iter().find(|name| !old.contains(name)) {
            wrong.push(format!("{}: its fix brings {new}", rule.name));
        }
        if let Some(left) = now.iter().find(|name| repaired.contains(name)) {
            wrong.push(format!("{}: {left} is still there: {}", rule.name, fixed[0].after));
        }
        if !fixes(&after, &left, unsafe_too).is_empty() {
            wrong.push(format!("{}: a second run changes something", rule.name));
        }
        mended.extend(repaired);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    mended
}

#[test]
fn safe_fixes_mend_and_do_nothing_else() {
    let mended = a_fix_mends_and_does_nothing_else(false);
    for rule in rules().iter().filter(|rule| rule.page.section("Fix").trim().starts_with("Safe")) {
        assert!(mended.contains(&rule.name), "{}: its page promises a safe fix", rule.name);
    }
}

#[test]
fn unsafe_fixes_mend_and_do_nothing_else() {
    let mended = a_fix_mends_and_does_nothing_else(true);
    for rule in rules().iter().filter(|rule| !rule.page.section("Fix").trim().starts_with("None")) {
        assert!(mended.contains(&rule.name), "{}: its page promises a fix", rule.name);
    }
}

/// A lock that a run wrote of a service with that runtime, whose processes take so many bytes each.
fn lock(runtime: &str, bytes: f64, heap: Option<Heap>) -> String {
    let profile = Profile {
        version: Default::default(),
        service: "web".into(),
        runtime: runtime.into(),
        classes: Vec::new(),
        background: seen(0.0),
        contention: seen(0.0),
        crowding: seen(0.0),
        wake: seen(0.0),
        memory: Memory { shared: seen(0.0), per_process: seen(bytes), per_request: seen(0.0) },
        start: seen(0.0),
        heap,
        residual: Default::default(),
        measured: None,
    };
    serde_json::to_string(&profile).unwrap()
}

fn seen(value: f64) -> Estimate {
    Estimate::observed(value, 1.0, "run 1")
}

/// The findings of a rule where that lock lies beside the files.
fn found_with(rule: &'static super::Rule, files: Vec<Example<'_>>, lock: &str) -> Vec<Finding> {
    let lock = Example { path: "knee.lock", text: lock, copies: 1 };
    found(rule, &files.into_iter().chain([lock]).collect::<Vec<_>>())
}

/// A measured heap decides whether Go needs to be told its limit, and how grave V8's is.
#[test]
fn a_measured_heap_counts() {
    let with = |name: &str, runtime: &str, bytes: f64, live: f64| {
        let rule = super::rule(name).unwrap();
        let heap = Heap { per_request: seen(1e5), live: seen(live), collector: seen(0.1) };
        found_with(rule, rule.page.bad(), &lock(runtime, bytes, Some(heap))).remove(0)
    };
    let mega = 1024.0 * 1024.0;
    let go = |live: f64| with("gomemlimit-unset", "go", 1.0, live);
    assert_eq!(
        (go(120.0 * mega).severity, go(20.0 * mega).persona),
        (Severity::Medium, Persona::Pedantic)
    );
    assert!(go(120.0 * mega).further.iter().any(|label| label.text.contains("measured")));
    let node = |bytes: f64| with("heap-beyond-memory", "node", bytes, 1.0);
    assert_eq!(
        (node(900.0 * mega).severity, node(100.0 * mega).severity),
        (Severity::High, Severity::Medium)
    );
    assert!(node(100.0 * mega).further.iter().any(|label| label.text.contains("measured")));
}

/// What was measured of the service stands for what is assumed of any: less of it silences a rule
/// on its bad example, more of it makes it fire on its good one.
#[test]
fn a_measured_profile_counts_more_than_a_default() {
    for (name, runtime) in
        [("workers-beyond-memory", "gunicorn"), ("fpm-children-beyond-memory", "php-fpm")]
    {
        let rule = super::rule(name).unwrap();
        let with = |files, runtime, bytes| found_with(rule, files, &lock(runtime, bytes, None));
        assert!(with(rule.page.bad(), runtime, 1.0).is_empty(), "{name}: it fits");
        let fired = with(rule.page.good(), runtime, 1e9);
        assert!(fired[0].message.contains("as measured"), "{}", fired[0].message);
        assert!(fired[0].further.iter().any(|label| label.text.contains("measured")));
        assert!(with(rule.page.good(), "go", 1e9).is_empty(), "another runtime's");
    }
}
