//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use super::{Report, fixable, region};
use knee_audit::finding::{Label, Safety};
use knee_audit::picture::{FileId, Place};
use knee_audit::{Finding, Severity, rules};
use serde_json::{Value, json};

pub fn report(report: &Report<'_>) -> String {
    let results: Vec<Value> =
        report.findings.iter().map(|(f, print)| result(report, f, print)).collect();
    let described: Vec<Value> = rules()
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": { "text": rule.page.what() },
                "fullDescription": { "text": rule.page.section("Why").trim() },
                "helpUri": rule.page.sources().first(),
                "help": { "text": format!("knee explain {}", rule.name) },
            })
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "knee",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": described,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn result(report: &Report<'_>, finding: &Finding, print: &str) -> Value {
    let level = match finding.severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    };
    let index = rules().iter().position(|rule| rule.name == finding.rule);
    let related = finding.further.iter().map(|label| location(report, label));
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level,
        "message": { "text": format!("{}. {}.", finding.message, finding.remedy) },
        "locations": [location(report, &finding.primary)],
        "relatedLocations": related.collect::<Vec<_>>(),
        "partialFingerprints": { "knee/v1": print },
        "properties": { "confidence": finding.confidence, "service": finding.service },
    });
    if let Some(safety) = fixable(finding) {
        result["fixes"] = json!([fix(report, finding, safety)]);
    }
    result
}

/// The fix of a finding: its edits, by file.
fn fix(report: &Report<'_>, finding: &Finding, safety: Safety) -> Value {
    let files = &report.subject.picture.files;
    let mut changed: Vec<FileId> = finding.edits.iter().map(|edit| edit.place.file).collect();
    changed.dedup();
    let changes = changed.into_iter().map(|file| {
        let own = finding.edits.iter().filter(|edit| edit.place.file == file);
        let replacements = own.map(|edit| {
            let (_, line, column) = files.position(&edit.place);
            let end = Place::new(file, edit.place.span.end..edit.place.span.end);
            let (_, end_line, end_column) = files.position(&end);
            json!({
                "deletedRegion": {
                    "startLine": line,
                    "startColumn": column,
                    "endLine": end_line,
                    "endColumn": end_column,
                },
                "insertedContent": { "text": edit.replacement },
            })
        });
        json!({
            "artifactLocation": { "uri": encoded(&report.named(&files.get(file).path)), "uriBaseId": "%SRCROOT%" },
            "replacements": replacements.collect::<Vec<_>>(),
        })
    });
    let needs = if safety == Safety::Unsafe { "; look at it afterwards" } else { "" };
    json!({
        "description": { "text": format!("{}{needs}", finding.remedy) },
        "artifactChanges": changes.collect::<Vec<_>>(),
    })
}

fn location(report: &Report<'_>, label: &Label) -> Value {
    let at = region(&report.subject.picture.files, &label.place);
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": encoded(&report.named(at.path)), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": at.line, "startColumn": at.column, "endColumn": at.end_column },
        },
    });
    if !label.text.is_empty() {
        location["message"] = json!({ "text": label.text });
    }
    location
}

/// A path as a relative URI.
fn encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(super::encoded("a b/ü.py"), "a%20b/%C3%BC.py");
    }
}
