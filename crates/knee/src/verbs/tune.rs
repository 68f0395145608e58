//! `knee tune`: a service goes in, measured best settings come out.

use crate::asked::Asked;
use crate::conduct::{Conduct, conduct};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::render::{plain, terminal};
use clap::Args;
use knee_files::{Discovery, Missing};
use std::path::Path;

/// Find a service's best settings by measurement, under the limits of its task
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee tune                        everything is read from the service's files
  knee tune --goal 'p99<250ms' --task 0.5,1GB
  knee tune --command 'gunicorn -b 127.0.0.1:8000 app:app' --request 'GET /'
  knee tune --json > run.json      as JSON, see docs/schema/tune-1.json

Nothing of yours is changed: the winner is proposed as a diff, and `knee apply`
writes it. `knee init` writes what was read to knee.toml, where you can change it.
Ctrl-C undoes everything; `knee resume` goes on.")]
pub struct Flags {
    #[command(flatten)]
    asked: Asked,
    /// Print one JSON document at the end instead
    #[arg(long)]
    json: bool,
}

/// Reads, says what it read, and runs.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let discovery = knee_files::discover(root, &flags.asked.about.overrides())?;
    complete(&discovery)?;
    let asked = &flags.asked;
    conduct(Conduct { discovery, asked, json: flags.json, earlier: vec![], journal: None })
}

/// Refuses to begin while something is missing, after saying what was found.
pub fn complete(discovery: &Discovery) -> Result<(), Failure> {
    if discovery.missing.is_empty() {
        return Ok(());
    }
    let facts = &discovery.facts;
    out::talk(&match out::talk_width() {
        Some(width) => terminal::facts(facts, width),
        None => plain::facts(facts),
    });
    let what = discovery.missing.iter().map(|m| format!("missing: {}", m.what));
    let remedy = discovery.missing.iter().map(remedy);
    // Without a command there is no service at all.
    let none = discovery.missing.iter().any(|missing| missing.flag == "--command");
    let exit = if none { Exit::Nothing } else { Exit::Refused };
    let failure = Failure::new(exit, what.collect::<Vec<_>>().join("\n       "));
    Err(failure.remedy(remedy.collect::<Vec<_>>().join("\n      ")))
}

fn remedy(missing: &Missing) -> String {
    format!("{}, for example {}", missing.flag, missing.example)
}
