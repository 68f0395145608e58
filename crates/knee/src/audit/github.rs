//! Annotations of a GitHub workflow:
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>.

use super::{Report, region};
use knee_audit::Severity;

pub fn report(report: &Report<'_>) -> String {
    let files = &report.subject.picture.files;
    let lines = report.findings.iter().map(|(finding, _)| {
        let level = match finding.severity {
            Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low => "notice",
        };
        let at = region(files, &finding.primary.place);
        format!(
            "::{level} file={},line={},col={},title={}::{}\n",
            property(&report.named(at.path)),
            at.line,
            at.column,
            property(finding.rule),
            data(&format!("{}. {}", finding.message, finding.remedy)),
        )
    });
    lines.collect()
}

/// What would end a message, or a line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_in_a_path_ends_it() {
        assert_eq!(super::property("a,b:c\n%"), "a%2Cb%3Ac%0A%25");
    }
}
