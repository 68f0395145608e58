//! The command line: verbs and what they share. Each verb's own flags stand in its module.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::{
    apply, audit, completions, explain, init, measure, plan, report, resume, run, tune, watch,
};
use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// Tunes PHP, Node.js, Python and Go services for high concurrency on AWS ECS, and proves each
/// change with a measurement.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = AFTER, arg_required_else_help = true)]
pub struct Cli {
    /// The service's folder
    #[arg(short = 'C', long, global = true, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
Begin in your service's folder:
  knee audit                             what is wrong with it under load, without running it
  knee tune                              best settings of this service
  knee tune --goal 'p99<250ms' --task 0.5,1GB
  knee apply                             write them into its files
  knee measure http://127.0.0.1:8000/    where something that runs gives out
  knee watch                             what limits the services that run here now
  knee plan --rate 2000                  which tasks, how many, at what price
  knee explain exit-codes                what a script learns from how knee ended

`knee help VERB` has examples for each.";

#[derive(Debug, Subcommand)]
enum Verb {
    Audit(audit::Flags),
    Tune(Box<tune::Flags>),
    Measure(Box<measure::Flags>),
    Plan(Box<plan::Flags>),
    Report(report::Flags),
    Apply(apply::Flags),
    Resume(resume::Flags),
    Init(Box<init::Flags>),
    Run(run::Flags),
    Doctor(run::Doctor),
    Watch(watch::Flags),
    Explain(explain::Flags),
    Completions(completions::Flags),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> Result<Exit, Failure> {
        let root = self.directory;
        match self.verb {
            Verb::Audit(flags) => audit::run(&root, &flags),
            Verb::Tune(flags) => tune::run(&root, &flags),
            Verb::Measure(flags) => measure::run(&root, &flags),
            Verb::Plan(flags) => plan::run(&root, &flags),
            Verb::Report(flags) => report::run(&root, &flags),
            Verb::Apply(flags) => apply::run(&root, &flags),
            Verb::Resume(flags) => resume::run(&root, &flags),
            Verb::Init(flags) => init::run(&root, &flags),
            Verb::Run(flags) => run::run(flags),
            Verb::Doctor(_) => run::doctor(),
            Verb::Watch(flags) => watch::run(&flags),
            Verb::Explain(flags) => explain::run(&flags),
            Verb::Completions(flags) => completions::run(&flags, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
