//! A table for a comment or a summary.

use super::{Report, region};

pub fn report(report: &Report<'_>) -> String {
    if report.findings.is_empty() {
        return "knee audit found nothing.\n".into();
    }
    let files = &report.subject.picture.files;
    let mut text = String::from("| severity | place | finding | remedy |\n|---|---|---|---|\n");
    for (finding, _) in report.findings {
        let at = region(files, &finding.primary.place);
        text += &format!(
            "| {} | `{}:{}` | **{}**: {} | {} |\n",
            finding.severity,
            report.named(at.path),
            at.line,
            finding.rule,
            cell(&finding.message),
            cell(&finding.remedy),
        );
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
