//! `knee report`: a run that was kept, shown again.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept;
use crate::out;
use crate::render::json;
use crate::render::plain::Plain;
use crate::render::terminal::Terminal;
use crate::render::words;
use crate::run::Run;
use clap::Args;
use knee_core::event::Event;
use knee_tune::journal;
use std::path::Path;

/// Show a run again and write its HTML report anew
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee report                 the latest run
  knee report 3               run 3
  knee report 3 --json        as JSON, see docs/schema/tune-1.json")]
pub struct Flags {
    /// Number or folder of the run; the latest one when left out
    run: Option<String>,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

/// Shows it. A run without a verdict is shown as far as it came.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let folder = journal::find(root, flags.run.as_deref())?;
    let events = journal::read(&folder)?;
    let run = Run::of(&events);
    if run.started.is_none() {
        let what = format!("{}: the run was interrupted before it began", folder.display());
        return Err(Failure::new(Exit::Nothing, what).remedy("`knee tune` makes a new one"));
    }
    kept::write(&folder, &events)?;
    if flags.json {
        out::data(&json::text(&json::document(&run, &folder)))?;
    } else {
        out::data(&shown(&events))?;
        if run.verdict.is_none() {
            out::data(&format!("\n{}\n", words::verdict(&run)[0]))?;
        }
    }
    kept::what_next(&folder, &run);
    Ok(kept::exit(&run))
}

fn shown(events: &[Event]) -> String {
    match out::width() {
        Some(width) => Terminal::new(width).replay(events),
        None => Plain::default().replay(events),
    }
}
