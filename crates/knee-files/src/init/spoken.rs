//! A command of knee's own command line without the values that it assigns: they may be secrets, and
//! knee.toml is kept with the code. What is left names the variables.

use super::line_of;
use crate::discover::Discovery;
use crate::error::FilesError;
use crate::formats::argv::command_line;
use crate::formats::shell;
use crate::formats::word::Inner;
use crate::hidden;
use knee_core::sourced::{Origin, Sourced};

const FLAG: &str = "--command";

/// The discovery with `TOKEN=x prog` as `prog` that is given TOKEN from knee's own environment.
pub(super) fn without_values(discovery: &Discovery) -> Result<Discovery, FilesError> {
    let mut discovery = discovery.clone();
    let spoken = |origin: &Origin| matches!(origin, Origin::Flag { .. });
    let service = &mut discovery.service;
    let Some(container) =
        service.containers.get_mut(service.serving).filter(|c| spoken(&c.command.origin))
    else {
        return Ok(discovery);
    };
    let line = line_of(&container.command.value);
    let (rest, names) = split(&line);
    let left = hidden::assignments(rest).into_iter().map(|(name, _)| name).next();
    if left.is_some() || hidden::has_password(rest) {
        let refused = |problem: String| Err(FilesError::Flag { flag: FLAG, problem });
        return match left {
            Some(name) => refused(format!(
                "assigns {name}, and its value may be a secret, which knee.toml would keep; leave \
                 it out and write {name}=… knee init --env {name} --command '…'"
            )),
            None => refused(
                "has an address with a password, which knee.toml would keep; give the address by a \
                 variable: DATABASE_URL=… knee init --env DATABASE_URL --command 'prog $DATABASE_URL'"
                    .into(),
            ),
        };
    }
    if !names.is_empty() {
        container.command.value = command_line(rest);
        let origin = container.command.origin.clone();
        let named = |name| Sourced::new(name, origin.clone());
        discovery.env.extend(names.into_iter().map(named));
    }
    Ok(discovery)
}

/// One command behind its assignments, and the variables that these give a value of their own.
fn split(line: &str) -> (&str, Vec<String>) {
    let statements = shell::statements(&Inner::verbatim(line, 0..line.len()));
    let [statement] = statements.as_slice() else { return (line, Vec::new()) };
    let (Some(first), Some(program)) = (statement.assignments.first(), statement.words.first())
    else {
        return (line, Vec::new());
    };
    // `exec` and what else stands before them is no assignment of this command alone.
    let before = line[..first.1.range.start].trim_start();
    if before.trim_end_matches('=') != first.0 {
        return (line, Vec::new());
    }
    let names = statement.assignments.iter().map(|(name, _)| name.clone()).collect();
    (&line[program.range.start..], names)
}
