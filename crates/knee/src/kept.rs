//! What stands in a run's folder beside its events, and what a run means for the person.

use crate::atomic;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::render::json;
use crate::report;
use crate::run::Run;
use knee_core::event::{Conclusion, Event};
use std::path::Path;

const REPORT: &str = "report.html";

/// Writes `summary.json` and the HTML report anew from the run's events.
pub fn write(folder: &Path, events: &[Event]) -> Result<(), Failure> {
    let summary = json::text(&json::document(&Run::of(events), folder));
    for (name, text) in [("summary.json", summary), (REPORT, report::html(events))] {
        put(&folder.join(name), &text)?;
    }
    Ok(())
}

/// Writes a file for the person.
pub fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |e| Failure::new(Exit::Refused, format!("{}: {e}", path.display()));
    atomic::write(path, text).map_err(failed)
}

/// What a run is called: its number.
pub fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or(folder.as_os_str()).display().to_string()
}

/// Says what can be done with a run.
pub fn what_next(folder: &Path, run: &Run) {
    let number = name(folder);
    let mut text = String::from("\n");
    match &run.verdict {
        None => text += &format!("  go on    knee resume {number}\n"),
        Some(verdict) if !verdict.patches.is_empty() => {
            text += &format!("  apply    knee apply {number}\n");
        }
        Some(_) => {}
    }
    text += &format!("  report   {}\n", folder.join(REPORT).display());
    out::talk(&text);
}

/// How knee ends after a run.
pub fn exit(run: &Run) -> Exit {
    match run.verdict.as_ref().map(|verdict| verdict.conclusion) {
        Some(Conclusion::Improved | Conclusion::Satisfied) => Exit::Satisfied,
        Some(Conclusion::NoGain | Conclusion::GoalMissed) => Exit::Unsatisfied,
        Some(Conclusion::Inconclusive) | None => Exit::Inconclusive,
    }
}
