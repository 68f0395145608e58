//! `knee run` and `knee doctor`: the entrypoint, as the small program `knee-run` has it, too.

use clap::Args;
use std::ffi::OsString;

/// Start a service in its container as its task's real size allows, and stop it without loss
#[derive(Debug, Args)]
#[command(override_help = knee_run::HELP)]
pub struct Flags {
    /// Flags of the entrypoint and the command
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Becomes the entrypoint. Its exit code is the command's own, any of 256: none of knee's.
pub fn run(flags: Flags) -> ! {
    // The words begin behind the first `--` here; there it ends the flags again.
    let command_only = std::env::args_os().skip_while(|word| word != "run").nth(1);
    let mut words = flags.words;
    if command_only.is_some_and(|word| word == "--") {
        words.insert(0, "--".into());
    }
    std::process::exit(knee_run::main(words).into())
}

/// Print what sizing rests on, as it is seen here, without secrets: for a bug report
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee doctor                 in the container, before or beside the service
  knee doctor > report.txt    for a bug report")]
pub struct Doctor {}

/// Prints it.
pub fn doctor() -> ! {
    std::process::exit(knee_run::main(vec!["doctor".into()]).into())
}
