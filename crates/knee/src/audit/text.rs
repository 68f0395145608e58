//! For people: diagnostics as rustc shows them.

use super::{Report, fixable, region};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use knee_audit::finding::{Label, Safety};
use knee_audit::{Finding, Severity};
use std::ops::Range;

/// A longer line is a file made by a machine: its place is named, and nothing of it shown.
const LONGEST: usize = 240;
/// Words that a line with a secret is likely to have.
const SECRET: [&str; 6] = ["password", "passwd", "secret", "token", "api_key", "private_key"];

pub fn report(report: &Report<'_>) -> String {
    let renderer = Renderer::styled().term_width(report.width.unwrap_or(100));
    let mut text = String::new();
    for (finding, _) in report.findings {
        text += &renderer.render(&[diagnostic(report, finding)]);
        text += "\n\n";
    }
    text + &summary(report)
}

/// A unified diff of a file.
pub fn diff(path: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    diff.unified_diff().header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

fn diagnostic<'a>(report: &Report<'a>, finding: &'a Finding) -> Group<'a> {
    let level = match finding.severity {
        Severity::High => Level::ERROR,
        Severity::Medium => Level::WARNING,
        Severity::Low => Level::INFO.with_name("note"),
    };
    let mut group = Group::with_title(level.primary_title(&*finding.message).id(finding.rule));
    // Places of one file stand in one snippet, the primary one's first.
    let mut labels: Vec<(&Label, bool)> = vec![(&finding.primary, true)];
    labels.extend(finding.further.iter().map(|label| (label, false)));
    while let Some((first, _)) = labels.first() {
        let file = first.place.file;
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            labels.iter().partition(|(l, _)| l.place.file == file);
        group = element(group, report, &here);
        labels = elsewhere;
    }
    group = group.element(Level::HELP.message(&*finding.remedy));
    if fixable(finding) == Some(Safety::Safe) {
        group = group.element(Level::NOTE.message("`--fix` mends this"));
    }
    group
}

fn element<'a>(group: Group<'a>, report: &Report<'a>, labels: &[(&'a Label, bool)]) -> Group<'a> {
    let files = &report.subject.picture.files;
    let (first, _) = labels[0];
    let file = files.get(first.place.file);
    let hidden = labels.iter().any(|(label, _)| !shown(&file.text, label.place.span.start));
    if hidden {
        let at = region(files, &first.place);
        let origin = Origin::path(report.named(at.path))
            .line(at.line as usize)
            .char_column(at.column as usize);
        return group.element(origin);
    }
    let annotations = labels.iter().map(|(label, primary)| {
        let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        kind.span(clipped(&file.text, &label.place.span)).label(&*label.text)
    });
    group.element(
        Snippet::source(&*file.text).path(report.named(&file.path)).annotations(annotations),
    )
}

/// Whether the line may be shown.
fn shown(text: &str, at: usize) -> bool {
    let at = at.min(text.len());
    let begin = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let lower = line.to_lowercase();
    let secret = SECRET.iter().any(|word| lower.contains(word)) || knee_files::has_password(line);
    line.len() <= LONGEST && !secret
}

/// The first line of a range: a definition of a hundred lines is pointed at, not underlined.
fn clipped(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let line = text[start..span.end.clamp(start, text.len())].lines().next().unwrap_or_default();
    start..start + line.trim_end().len()
}

fn summary(report: &Report<'_>) -> String {
    let count = |severity| report.findings.iter().filter(|(f, _)| f.severity == severity).count();
    let (high, medium, low) =
        (count(Severity::High), count(Severity::Medium), count(Severity::Low));
    let production = report.subject.production().count();
    let mut text = format!(
        "{} in {}: {high} high, {medium} medium, {low} low",
        many(report.findings.len(), "finding"),
        many(production, "service")
    );
    if !report.allowed.is_empty() {
        text += &format!("; {} allowed", report.allowed.len());
    }
    let safe = report.findings.iter().filter(|(f, _)| fixable(f) == Some(Safety::Safe)).count();
    if safe > 0 {
        text += &format!("; {safe} can be mended with --fix");
    }
    text += "\n";
    if let Some((finding, _)) = report.findings.first() {
        text += &format!(
            "`knee explain {}` says why, with sources, and how to suppress it\n",
            finding.rule
        );
    }
    text
}

/// `1 finding`, `2 findings`.
pub fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_secrets_and_endless_ones_are_not_shown() {
        assert!(shown("workers = 4\n", 0));
        assert!(!shown("a\nDB_PASSWORD=x workers = 4\n", 4));
        assert!(!shown("CMD celery --broker redis://:x@h/0 --pool solo\n", 4));
        assert!(!shown(&"x".repeat(300), 7));
    }

    #[test]
    fn a_place_of_many_lines_is_clipped_to_its_first() {
        assert_eq!(clipped("ab\ncd\n", &(0..5)), 0..2);
        assert_eq!(clipped("ab", &(2..9)), 2..2);
    }
}
