//! What `knee audit` shows: findings, facts and notes, in every form. Judges nothing.

mod facts;
mod github;
pub mod json;
mod markdown;
mod sarif;
mod text;

use clap::ValueEnum;
use knee_audit::finding::Safety;
use knee_audit::picture::{Files, Place};
use knee_audit::{Finding, Subject};

pub use facts::facts;
pub use text::{diff, many};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, with the places in the files
    Text,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations of a GitHub workflow
    Github,
    /// A table for a comment or a summary
    Markdown,
}

/// What is to be shown.
pub struct Report<'a> {
    /// What was read.
    pub subject: &'a Subject,
    /// The folder of what was read, as whoever started knee names it; see [`Report::named`].
    pub folder: &'a str,
    /// Findings in order, each with what it is known by.
    pub findings: &'a [(Finding, String)],
    /// Findings that are allowed, and why.
    pub allowed: &'a [(Finding, String)],
    /// Columns of the terminal; None where it is none.
    pub width: Option<usize>,
}

impl Report<'_> {
    /// A path for those who open it from where knee was started: a person, an editor, GitHub.
    fn named(&self, path: &str) -> String {
        named(self.folder, path)
    }
}

/// A path of what was read, with the folder that it is in.
pub fn named(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.into() } else { format!("{folder}/{path}") }
}

/// The report in a form.
pub fn report(report: &Report<'_>, format: Format) -> String {
    match format {
        Format::Text => text::report(report),
        Format::Json => json::report(report),
        Format::Sarif => sarif::report(report),
        Format::Github => github::report(report),
        Format::Markdown => markdown::report(report),
    }
}

/// 1-based lines and columns of a place, its end included; a place of many lines ends with its
/// first, which is what a reader is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region<'a> {
    path: &'a str,
    line: u32,
    column: u32,
    end_column: u32,
}

fn region<'a>(files: &'a Files, place: &Place) -> Region<'a> {
    let (path, line, column) = files.position(place);
    let text = files.text(place);
    let shown = text.lines().next().unwrap_or_default().trim_end();
    let end_column = column + shown.chars().count().max(1) as u32;
    Region { path, line, column, end_column }
}

/// Whether a finding can be mended, and how safely.
fn fixable(finding: &Finding) -> Option<Safety> {
    let unsafe_ones = finding.edits.iter().any(|edit| edit.safety == Safety::Unsafe);
    (!finding.edits.is_empty()).then_some(if unsafe_ones { Safety::Unsafe } else { Safety::Safe })
}
