//! `knee resume`: an interrupted run goes on where it stopped.

use crate::asked::Asked;
use crate::conduct::{Conduct, conduct};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::Run;
use crate::verbs::tune::complete;
use clap::Args;
use knee_tune::journal::{self, Journal};
use std::path::Path;

/// Go on with a run that was interrupted
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee resume                 the latest run
  knee resume 3               run 3

What was measured before the interruption is kept; the flags are those of the first time.")]
pub struct Flags {
    /// Number or folder of the run; the latest one when left out
    run: Option<String>,
    /// What starts the service, once more: where it assigns variables, as their values are not kept
    #[arg(long, value_name = "LINE")]
    command: Option<String>,
    /// Print one JSON document at the end instead
    #[arg(long)]
    json: bool,
}

/// Reads the folder anew and goes on.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let folder = journal::find(root, flags.run.as_deref())?;
    let earlier = journal::read(&folder)?;
    if Run::of(&earlier).verdict.is_some() {
        let what = format!("{}: the run is complete", folder.display());
        return Err(Failure::new(Exit::Refused, what).remedy("`knee report` shows it"));
    }
    let asked = Asked::again(&folder, flags.command.as_deref())?;
    let discovery = knee_files::discover(root, &asked.about.overrides())?;
    complete(&discovery)?;
    let journal = Some(Journal::resume(folder)?);
    conduct(Conduct { discovery, asked: &asked, json: flags.json, earlier, journal })
}
