//! `knee init`: what was read, as a commented knee.toml.

use crate::asked::About;
use crate::atomic;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use clap::Args;
use std::path::Path;

/// Write what knee reads in the service's folder to a commented knee.toml
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee init                        writes knee.toml
  knee init --print                only shows it
  knee init --command 'gunicorn -b 127.0.0.1:8000 app:app' --task 0.5,1GB

What stands in another file stays there: its key is commented out in knee.toml.
docs/knee.toml.md has every key.")]
pub struct Flags {
    #[command(flatten)]
    about: About,
    /// Print it instead of writing it
    #[arg(long)]
    print: bool,
    /// Write it although there is one; what the present one says is kept, its comments are not
    #[arg(long, conflicts_with = "print")]
    force: bool,
}

const CONFIG: &str = "knee.toml";

/// Reads and writes.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let discovery = knee_files::discover(root, &flags.about.overrides())?;
    let text = knee_files::init(&discovery)?;
    if flags.print {
        out::data(&text)?;
        return Ok(Exit::Satisfied);
    }
    let path = root.join(CONFIG);
    if path.exists() && !flags.force {
        let what = format!("{}: there is one already; nothing was written", path.display());
        let remedy = "`knee init --print` shows what would be written, `--force` writes it";
        return Err(Failure::new(Exit::Refused, what).remedy(remedy));
    }
    let failed = |e| Failure::new(Exit::Refused, format!("{}: {e}", path.display()));
    atomic::write(&path, &text).map_err(failed)?;
    out::talk(&format!("written: {}\n", path.display()));
    for missing in &discovery.missing {
        out::talk(&format!("  still needed: {}, for example {}\n", missing.what, missing.example));
    }
    Ok(Exit::Satisfied)
}
