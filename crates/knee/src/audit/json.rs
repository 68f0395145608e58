//! One JSON document, with a version of its own.

use super::{Report, fixable, region};
use knee_audit::Finding;
use knee_audit::finding::Label;
use knee_audit::picture::Files;
use serde_json::{Value, json};

pub fn report(report: &Report<'_>) -> String {
    let files = &report.subject.picture.files;
    let findings: Vec<Value> =
        report.findings.iter().map(|(f, print)| finding(files, f, print)).collect();
    let allowed: Vec<Value> = report
        .allowed
        .iter()
        .map(|(finding, because)| {
            let at = region(files, &finding.primary.place);
            json!({ "rule": finding.rule, "path": at.path, "line": at.line, "because": because })
        })
        .collect();
    let notes = report.subject.picture.notes.iter().map(
        |note| json!({ "path": note.path, "line": note.at.map(|at| at.0), "text": note.text }),
    );
    let document = json!({
        "version": 1,
        "knee": env!("CARGO_PKG_VERSION"),
        "findings": findings,
        "allowed": allowed,
        "notes": notes.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn finding(files: &Files, finding: &Finding, print: &str) -> Value {
    json!({
        "rule": finding.rule,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "persona": finding.persona,
        "service": finding.service,
        "message": finding.message,
        "remedy": finding.remedy,
        "fingerprint": print,
        "place": place(files, &finding.primary),
        "further": finding.further.iter().map(|label| place(files, label)).collect::<Vec<_>>(),
        "fix": fixable(finding),
    })
}

fn place(files: &Files, label: &Label) -> Value {
    let at = region(files, &label.place);
    json!({ "path": at.path, "line": at.line, "column": at.column, "end_column": at.end_column, "label": label.text })
}
