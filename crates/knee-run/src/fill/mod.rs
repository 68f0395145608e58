//! Fills in what was left open, and never what was set. The rules are the runtimes' own
//! ([`knee_core::runtimes::Runtime::choose`]); here they meet the command and its environment.

pub mod find;
pub mod fpm;
mod nginx;
mod overlay;
pub mod set;
mod site;
pub mod tell;

pub use overlay::{Overlay, Written};

use crate::lock::Lock;
use crate::size::Size;
use find::Found;
use knee_core::Bytes;
use knee_core::runtimes::Room;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// More descriptors than any service needs; some programs keep a table for all that they may open
/// (<https://github.com/awslabs/amazon-eks-ami/issues/1746>).
const MOST_FILES: u64 = 1 << 20;

/// What is filled in.
#[derive(Debug, Default, PartialEq)]
pub struct Filled {
    /// The command with what was added to it.
    pub command: Vec<OsString>,
    /// Variables with their new values.
    pub variables: BTreeMap<String, String>,
    /// A line for each value, with its reason.
    pub told: Vec<String>,
}

/// What filling in rests on, and how a file is written.
pub struct Means<'a> {
    /// The container's size.
    pub size: &'a Size,
    /// Commands that serve, and share the memory.
    pub sharing: usize,
    /// What was measured of the service.
    pub lock: Option<Lock>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether runtimes are to tell how they are doing.
    pub watched: bool,
    /// Writes a file, or says whether it could.
    pub put: &'a mut dyn FnMut(&Overlay) -> io::Result<()>,
}

/// How many of what a command starts serve, rather than stand in front of what does.
pub fn serving(command: &[OsString]) -> usize {
    find::find(&words(command)).iter().filter(|found| !found.runtime.front).count()
}

/// Whether a command starts the runtime of that id.
pub fn starts(command: &[OsString], id: &str) -> bool {
    find::find(&words(command)).iter().any(|found| found.runtime.id == id)
}

fn words(command: &[OsString]) -> Vec<String> {
    command.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// For a command.
pub fn fill(command: &[OsString], means: &mut Means) -> Filled {
    let mut filled = Filled { command: command.to_vec(), ..Filled::default() };
    let all = find::find(&words(command));
    if all.is_empty() {
        filled.told.push("no runtime that is known starts here: nothing is filled in".into());
    }
    let each = means.size.memory.as_ref().map(|m| Bytes(m.value.0 / means.sharing.max(1) as u64));
    for found in &all {
        let measured = means.lock.as_ref().filter(|lock| lock.runtime == found.runtime.id);
        let needs = measured.map(|lock| lock.needs.clone());
        let room =
            Room { cpu: means.size.cpu.value, memory: each, files: Some(most_files()), needs };
        one(found, &room, means, &mut filled);
    }
    filled
}

fn one(found: &Found, room: &Room, means: &mut Means, filled: &mut Filled) {
    let runtime = found.runtime;
    let config = set::config(runtime, &found.words);
    let mut set = set::read(runtime, &found.words, means.variable, config.as_deref());
    for knob in runtime.asked.iter().filter(|knob| !asks(&found.words, knob)) {
        // It does nothing, so one process it is.
        set = set.with(*knob, 1);
    }
    let mut writer = site::Writer::new(found, config.as_deref(), means.variable);
    let choices = (runtime.choose)(&set, room);
    choices.iter().for_each(|choice| writer.enter(choice, filled));
    if choices.is_empty() {
        filled.told.push(format!("{}: nothing was left open", runtime.title));
    }
    if means.watched {
        writer.ask(tell::asks(found, config.as_deref(), means.put, filled));
    }
    writer.finish(means.put, filled);
    if means.watched {
        tell::tell(found, means.variable, means.put, filled);
    }
}

/// Whether the program's own first file names a variable.
fn asks(words: &[String], name: &str) -> bool {
    let Some(script) = words.iter().skip(1).find(|word| !word.starts_with('-')) else {
        return false;
    };
    find::text(Path::new(script)).is_some_and(|text| text.contains(name))
}

/// The most open files that a process may be allowed.
fn most_files() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(MOST_FILES).min(MOST_FILES)
}

/// Raises the soft limit of open files to the hard one, for this process and all that it starts,
/// and says so. `try_only` changes nothing.
pub fn files(try_only: bool) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current?;
    let most = most_files();
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
    use crate::size::metadata::Documents;
    use knee_core::Sourced;
    use std::fs;

    fn size(cpu: f64, mib: u64) -> Size {
        let memory = (mib > 0).then(|| Sourced::assumed(Bytes::mib(mib), "a test"));
        let (seen, problems, documents) = (vec![], vec![], Documents::default());
        Size { cpu: Sourced::assumed(cpu, "a test"), memory, seen, problems, documents }
    }

    fn filled(line: &[&str], cpu: f64, mib: u64, variables: &[(&str, &str)]) -> String {
        let command: Vec<OsString> = line.iter().map(OsString::from).collect();
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        };
        let mut means = Means {
            size: &size(cpu, mib),
            sharing: 1,
            lock: None,
            variable: &variable,
            watched: false,
            put: &mut |_| Ok(()),
        };
        let filled = fill(&command, &mut means);
        let entries = filled.variables.iter().map(|(name, value)| format!("{name}={value}"));
        let added = filled.command.iter().skip(command.len());
        let added = added.map(|word| word.to_string_lossy().into_owned());
        entries.chain(added).collect::<Vec<_>>().join("; ")
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
    fn node_is_preloaded_with_what_tells_and_its_folder_goes_with_the_file() {
        let mut overlays = Vec::new();
        let mut means = Means {
            size: &size(1.0, 512),
            sharing: 1,
            lock: None,
            variable: &|name| (name == "NODE_OPTIONS").then(|| "--trace-gc".into()),
            watched: true,
            put: &mut |overlay| {
                overlays.push((overlay.path.clone(), overlay.fills.clone()));
                Ok(())
            },
        };
        let filled = fill(&["node".into(), "a.js".into()], &mut means);
        let options = &filled.variables["NODE_OPTIONS"];
        assert!(options.starts_with("--trace-gc ") && options.contains("--require "), "{options}");
        let (file, folder) = &overlays[0];
        assert!(options.ends_with(file.to_str().unwrap()), "{options}");
        let told = filled.variables.values().any(|v| Some(Path::new(v)) == folder.as_deref());
        assert!(told && overlays.len() == 2, "{filled:?} {folder:?}");
        assert_eq!(overlays[1].0.parent(), file.parent(), "it loads the other from beside it");
    }

    #[test]
    fn processes_of_python_and_php() {
        assert_eq!(filled(&["uvicorn", "app:app"], 2.0, 4096, &[]), "WEB_CONCURRENCY=2");
        assert_eq!(filled(&["uvicorn", "app:app", "--workers", "3"], 2.0, 4096, &[]), "");
        let celery = ["celery", "-A", "shop", "worker"];
        assert_eq!(filled(&celery, 1.5, 4096, &[]), "--concurrency=2");
        assert_eq!(filled(&["hypercorn", "app:app"], 2.0, 4096, &[]), "--workers=2");
        assert_eq!(filled(&["celery", "-A", "shop", "worker", "-c2"], 1.5, 4096, &[]), "");
        assert_eq!(filled(&["celery", "-A", "shop", "worker", "-P", "solo"], 1.5, 4096, &[]), "");
        let octane = ["php", "artisan", "octane:start", "--server=swoole", "--workers=auto"];
        assert_eq!(filled(&octane, 1.0, 2048, &[]), "--workers=3");
        assert_eq!(filled(&["sh", "-c", "celery -A shop worker"], 1.5, 4096, &[]), "");
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        assert_eq!(filled(&["sleep", "1"], 1.0, 512, &[]), "");
        assert_eq!(filled(&[], 1.0, 512, &[]), "");
    }
}
