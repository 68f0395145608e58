//! Verbs over a run that was kept.

use crate::cli::{knee, run};
use crate::schema;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A service's folder with run 3 in it.
struct Kept(tempfile::TempDir);

impl Kept {
    fn new() -> Kept {
        let kept = Kept(tempfile::tempdir().unwrap());
        fs::create_dir_all(kept.run()).unwrap();
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/run/events.jsonl");
        fs::copy(recorded, kept.run().join("events.jsonl")).unwrap();
        kept
    }

    fn root(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn run(&self) -> PathBuf {
        self.0.path().join(".knee/runs/3")
    }
}

#[test]
fn a_run_is_shown_again() {
    let kept = Kept::new();
    let (code, out, err) = run(knee().args(["-C", kept.root(), "report"]));
    assert_eq!(code, 0, "{err}");
    for part in [
        "read command: gunicorn --bind 127.0.0.1:8081",
        "(Dockerfile:11)",
        "calibrated at 12.0 requests/s",
        "trial 2: threads=12 worker-class=gthread workers=2: 104/s",
        "verdict: orders-gunicorn carries 68 % more load",
        "verdict: threads=12 worker-class=gthread workers=2",
        "+CMD [\"gunicorn\"",
    ] {
        assert!(out.contains(part), "no `{part}` in:\n{out}");
    }
    assert!(!out.contains('\x1b'), "no terminal, no escapes");
    assert!(err.contains("knee apply 3") && err.contains("/runs/3/report.html"), "{err}");
    assert!(kept.run().join("report.html").is_file());
    let summary = fs::read_to_string(kept.run().join("summary.json")).unwrap();
    schema::check("tune-1", &serde_json::from_str(&summary).unwrap());
}

#[test]
fn json_is_as_its_schema_says() {
    let kept = Kept::new();
    let (code, out, _) = run(knee().args(["-C", kept.root(), "report", "3", "--json"]));
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&out).unwrap();
    schema::check("tune-1", &document);
    assert_eq!(document["best"]["settings"]["workers"], 2);
    assert_eq!(document["baseline"]["capacity"], 62.1);
    assert_eq!(document["trials"][1]["forecast"], 110.0);
    assert_eq!(document["bound"]["resource"], "cpu_quota");
    assert_eq!(document["trials"].as_array().unwrap().len(), 4);
}

#[test]
fn an_interrupted_run_is_shown_as_far_as_it_came() {
    let kept = Kept::new();
    let events = kept.run().join("events.jsonl");
    let text = fs::read_to_string(&events).unwrap();
    // Up to the first trial, and half a line of the next event.
    let until = text.find("{\"event\": \"tried\"").unwrap();
    let half = until + text[until..].find('\n').unwrap() + 20;
    fs::write(&events, &text[..half]).unwrap();
    let (code, out, err) = run(knee().args(["-C", kept.root(), "report", "--json"]));
    assert_eq!(code, 4, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    schema::check("tune-1", &document);
    assert_eq!(document["best"], Value::Null);
    assert!(err.contains("knee resume 3"), "{err}");
    let (_, out, _) = run(knee().args(["-C", kept.root(), "report"]));
    assert!(out.ends_with("carry most so far, 62.1 requests/s\n"), "{out}");
}

#[test]
fn a_missing_or_broken_run_is_named() {
    let kept = Kept::new();
    let (code, _, err) = run(knee().args(["-C", kept.root(), "report", "9"]));
    assert_eq!(code, 3);
    assert!(err.contains("no run 9"), "{err}");
    fs::write(kept.run().join("events.jsonl"), "{}\n").unwrap();
    let (code, _, err) = run(knee().args(["-C", kept.root(), "report"]));
    assert_eq!(code, 2);
    assert!(err.contains("events.jsonl:1"), "{err}");
    fs::write(kept.run().join("events.jsonl"), "").unwrap();
    let (code, _, err) = run(knee().args(["-C", kept.root(), "report"]));
    assert_eq!(code, 3);
    assert!(err.contains("before it began"), "{err}");
}
