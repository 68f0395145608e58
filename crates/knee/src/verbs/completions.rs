//! `knee completions`: what a shell completes after `knee`.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// Print what makes a shell complete verbs and flags
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee completions bash > ~/.local/share/bash-completion/completions/knee
  knee completions zsh > ~/.zfunc/_knee           with fpath+=~/.zfunc in .zshrc
  knee completions fish > ~/.config/fish/completions/knee.fish")]
pub struct Flags {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(flags: &Flags, mut line: Command) -> Result<Exit, Failure> {
    let mut script = vec![];
    generate(flags.shell, &mut line, "knee", &mut script);
    out::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Satisfied)
}
