//! `knee apply`: the winner of a run, written into the user's own files.

use crate::asked::Asked;
use crate::atomic;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::render::terminal;
use crate::run::Run;
use clap::Args;
use knee_core::event::PatchFact;
use knee_files::Patch;
use knee_tune::journal;
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

/// Show what a run proposes and write it into the service's own files
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee apply                  the latest run; shows the changes and asks
  knee apply 3 --yes          run 3, without asking

A file that has changed since the run is left alone.")]
pub struct Flags {
    /// Number or folder of the run; the latest one when left out
    run: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Shows, asks and writes.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let folder = journal::find(root, flags.run.as_deref())?;
    let run = Run::of(&journal::read(&folder)?);
    let proposed = proposed(&run, &folder)?;
    let patches = made_again(root, &folder, &run)?;
    if patches.is_empty() {
        out::talk("the files already say so; nothing to write\n");
        return Ok(Exit::Satisfied);
    }
    unchanged(proposed, &patches)?;
    proposed.iter().try_for_each(|patch| out::data(&terminal::diff(patch)))?;
    if !(flags.yes || agreed()?) {
        out::talk("nothing was written\n");
        return Ok(Exit::Unsatisfied);
    }
    write(root, &patches)?;
    Ok(Exit::Satisfied)
}

/// The patches that the run ended with.
fn proposed<'a>(run: &'a Run, folder: &Path) -> Result<&'a [PatchFact], Failure> {
    let shown = folder.display();
    let Some(verdict) = &run.verdict else {
        let what = format!("{shown}: the run has no verdict yet");
        return Err(Failure::new(Exit::Refused, what).remedy("`knee resume` goes on with it"));
    };
    if verdict.patches.is_empty() {
        let what = format!("{shown}: the run proposes no change of a file");
        return Err(
            Failure::new(Exit::Unsatisfied, what).remedy("`knee report` says what it found")
        );
    }
    Ok(&verdict.patches)
}

/// The winner's patches against the files as they are now.
fn made_again(root: &Path, folder: &Path, run: &Run) -> Result<Vec<Patch>, Failure> {
    let asked = Asked::of(folder)?;
    let service = knee_files::discover(root, &asked.about.overrides())?.service;
    let best = run.best().map(|trial| trial.settings.clone()).unwrap_or_default();
    Ok(knee_files::patches(&service, &best)?)
}

/// Refuses when a file no longer is what the run saw: then its patch would be another one.
fn unchanged(proposed: &[PatchFact], patches: &[Patch]) -> Result<(), Failure> {
    let fact = |p: &Patch| PatchFact { path: p.path.display().to_string(), diff: p.diff() };
    let now: Vec<PatchFact> = patches.iter().map(fact).collect();
    let in_both = |patch: &&PatchFact| proposed.contains(patch) && now.contains(patch);
    match proposed.iter().chain(&now).find(|patch| !in_both(patch)) {
        None => Ok(()),
        Some(patch) => Err(changed(Path::new(&patch.path))),
    }
}

fn changed(path: &Path) -> Failure {
    let what = format!("{}: changed since the run; nothing was written", path.display());
    let remedy = "undo the change, or run `knee tune` again for the files as they are now";
    Failure::new(Exit::Refused, what).remedy(remedy)
}

/// Asks on the terminal.
fn agreed() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let what = "standard input is no terminal, so nobody can be asked; nothing was written";
        return Err(Failure::new(Exit::Refused, what).remedy("`knee apply --yes` does not ask"));
    }
    out::talk("\nwrite these changes? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes all files, or none when one of them changed while the user was asked.
fn write(root: &Path, patches: &[Patch]) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |e: io::Error| Failure::new(Exit::Refused, format!("{path}: {e}"))
    };
    for patch in patches {
        let path = root.join(&patch.path);
        let now = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            now => now.map_err(failed(&path))?,
        };
        if now != patch.before {
            return Err(changed(&patch.path));
        }
    }
    for patch in patches {
        let path = root.join(&patch.path);
        atomic::write(&path, &patch.after).map_err(failed(&path))?;
        out::talk(&format!("written: {}\n", patch.path.display()));
    }
    Ok(())
}
