//! Fills in what was left open, and never what was set. The rules are the runtimes' own
//! ([`knee_core::runtimes::Runtime::choose`]); here they meet the command and its environment.

mod set;

use crate::recognise;
use crate::size::Size;
use knee_core::runtimes::{Choice, Room, Runtime};
use knee_core::settings::Site;
use knee_probe::elf;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// More descriptors than any service needs; some programs keep a table for all that they may open
/// (<https://github.com/awslabs/amazon-eks-ami/issues/1746>).
const MOST_FILES: u64 = 1 << 20;
/// A program's own text, to see whether it reads a variable.
const MOST_TEXT: u64 = 1 << 20;

/// What is filled in.
#[derive(Debug, Default, PartialEq)]
pub struct Filled {
    /// Variables with their new values.
    pub variables: BTreeMap<String, String>,
    /// A line for each value, with its reason.
    pub told: Vec<String>,
}

/// For a command, its environment, and a container of that size.
pub fn fill(command: &[String], size: &Size, variable: &dyn Fn(&str) -> Option<String>) -> Filled {
    let mut filled = Filled::default();
    let Some((runtime, words)) = find(command) else {
        filled.told.push("no runtime that is known starts here: nothing is filled in".into());
        return filled;
    };
    let mut set = set::read(runtime, &words, variable);
    for knob in runtime.asked.iter().filter(|knob| !asks(&words, knob)) {
        // It does nothing, so one process it is.
        set = set.with(*knob, 1);
    }
    let room = Room { cpu: size.cpu.value, memory: size.memory.as_ref().map(|m| m.value) };
    for choice in (runtime.choose)(&set, &room) {
        enter(runtime, &choice, variable, &mut filled);
    }
    if filled.told.is_empty() {
        filled.told.push(format!("{}: nothing was left open", runtime.title));
    }
    filled
}

/// Sets a choice where the environment can.
fn enter(
    runtime: &Runtime,
    choice: &Choice,
    variable: &dyn Fn(&str) -> Option<String>,
    filled: &mut Filled,
) {
    let knobs = (runtime.knobs)();
    let Some(knob) = knobs.iter().find(|knob| knob.name == choice.knob) else { return };
    let value = (runtime.write)(choice.knob, &choice.value);
    let entry = knob.sites.iter().rev().find_map(|site| match site {
        Site::Environment { name } => Some((name.to_string(), value.clone())),
        Site::EnvironmentFlag { name, long } => {
            let before = filled.variables.get(&**name).cloned().or_else(|| variable(name));
            let before = before.map(|b| format!("{} ", b.trim())).unwrap_or_default();
            Some((name.to_string(), format!("{before}{long}={value}").trim_start().to_string()))
        }
        _ => None,
    });
    let Some((name, entry)) = entry else { return };
    // What stood there before may be a secret: only what is added is told.
    filled.told.push(format!("{} {} ({name}): {}", choice.knob, value, choice.because));
    filled.variables.insert(name, entry);
}

/// The runtime that a command starts, behind entrypoint scripts and shells, and the words from its
/// program on.
fn find(command: &[String]) -> Option<(&'static Runtime, Vec<String>)> {
    let words: Vec<String> =
        command.iter().flat_map(|word| word.split_whitespace()).map(Into::into).collect();
    let program = |at: usize| {
        let words = words.get(at..)?;
        let path = located(words.first()?);
        // A Go program carries the description of its module in itself.
        let module = |name: &str| {
            (name == "go.mod" && elf::has_section(path.as_deref()?, ".go.buildinfo"))
                .then(String::new)
        };
        Some((recognise::by(words, &module)?, words.to_vec()))
    };
    (0..words.len()).find_map(program)
}

/// The file of a program, as execvp(3) finds it.
fn located(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether the program's own first file names a variable.
fn asks(words: &[String], name: &str) -> bool {
    let Some(script) = words.iter().skip(1).find(|word| !word.starts_with('-')) else {
        return false;
    };
    let small = fs::metadata(script).is_ok_and(|file| file.is_file() && file.len() <= MOST_TEXT);
    small && fs::read_to_string(Path::new(script)).is_ok_and(|text| text.contains(name))
}

/// Raises the soft limit of open files to the hard one, for this process and all that it starts,
/// and says so. `try_only` changes nothing.
pub fn files(try_only: bool) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current?;
    let most = limit.maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    if soft >= most {
        return None;
    }
    let raised = Rlimit { current: Some(most), maximum: limit.maximum };
    match if try_only { Ok(()) } else { setrlimit(Resource::Nofile, raised) } {
        Ok(()) => Some(format!("nofile {most}, was {soft}: what the hard limit allows")),
        Err(error) => Some(format!("nofile stays {soft}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::{Bytes, Sourced};

    fn size(cpu: f64, mib: u64) -> Size {
        let memory = (mib > 0).then(|| Sourced::assumed(Bytes::mib(mib), "a test"));
        Size { cpu: Sourced::assumed(cpu, "a test"), memory, seen: vec![], problems: vec![] }
    }

    fn filled(line: &[&str], cpu: f64, mib: u64, variables: &[(&str, &str)]) -> String {
        let command: Vec<String> = line.iter().map(|word| word.to_string()).collect();
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        };
        let filled = fill(&command, &size(cpu, mib), &variable);
        let entries = filled.variables.iter().map(|(name, value)| format!("{name}={value}"));
        entries.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn gunicorn_by_the_tasks_cpu_and_memory() {
        let app = ["gunicorn", "app:app"];
        assert_eq!(filled(&app, 0.25, 512, &[]), "WEB_CONCURRENCY=2");
        assert_eq!(filled(&app, 0.5, 1024, &[]), "WEB_CONCURRENCY=3");
        assert_eq!(filled(&app, 2.0, 4096, &[]), "WEB_CONCURRENCY=5");
        assert_eq!(filled(&["gunicorn", "-w", "9", "app:app"], 0.5, 1024, &[]), "");
        assert_eq!(filled(&app, 0.5, 1024, &[("WEB_CONCURRENCY", "7")]), "");
        let threads = ["sh", "-c", "exec gunicorn -k gthread app:app"];
        assert_eq!(
            filled(&threads, 1.0, 2048, &[("GUNICORN_CMD_ARGS", "--timeout 60")]),
            "GUNICORN_CMD_ARGS=--timeout 60 --threads=8; WEB_CONCURRENCY=1"
        );
    }

    #[test]
    fn node_gets_a_heap_that_fits_and_processes_only_where_it_asks() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_string()
        };
        let one = write("one.js", "require('http')");
        let many = write("many.js", "fork(process.env.WEB_CONCURRENCY)");
        assert_eq!(
            filled(&["node", &one], 2.0, 1024, &[]),
            "NODE_OPTIONS=--max-old-space-size=716"
        );
        assert_eq!(
            filled(&["node", &many], 2.0, 1024, &[("NODE_OPTIONS", "--enable-source-maps")]),
            "NODE_OPTIONS=--enable-source-maps --max-old-space-size=358; WEB_CONCURRENCY=2"
        );
        assert_eq!(filled(&["node", &one], 2.0, 0, &[]), "", "no memory limit, no heap limit");
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        assert_eq!(filled(&["sleep", "1"], 1.0, 512, &[]), "");
        assert_eq!(filled(&[], 1.0, 512, &[]), "");
    }
}
