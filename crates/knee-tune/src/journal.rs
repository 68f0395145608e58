//! The journal of a run: one line of JSON per event, written as it happens.
//!
//! `.knee/runs/<number>/events.jsonl` below the service's folder. A run that was interrupted
//! is read back up to its last whole line; it can be resumed and rendered again.

use knee_core::event::Event;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A run being written.
pub struct Journal {
    folder: PathBuf,
    file: File,
}

/// A journal that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line that is no event.
    #[error("{path}:{line}: no event of this version of knee ({problem}); run `knee tune` again")]
    Broken {
        /// The journal.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such run.
    #[error("no run {name} in {runs}; `knee tune` makes one")]
    NoRun {
        /// What was asked for.
        name: String,
        /// Where runs are kept.
        runs: PathBuf,
    },
}

/// The file of a run that holds its events.
pub const EVENTS: &str = "events.jsonl";

impl Journal {
    /// Begins the next run below a service's folder.
    pub fn create(root: &Path) -> Result<Journal, JournalError> {
        let runs = runs(root);
        fs::create_dir_all(&runs).map_err(at(&runs))?;
        let ignore = root.join(".knee/.gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(at(&ignore))?;
        }
        let mut number = numbers(&runs)?.last().map_or(1, |n| n + 1);
        let folder = loop {
            let folder = runs.join(number.to_string());
            match fs::create_dir(&folder) {
                // Another knee was quicker: take the next number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                made => break made.map(|()| folder.clone()).map_err(at(&folder))?,
            }
        };
        Journal::open(folder)
    }

    /// Goes on with an interrupted run; a half-written last line is cut off.
    pub fn resume(folder: PathBuf) -> Result<Journal, JournalError> {
        let path = folder.join(EVENTS);
        let text = fs::read(&path).map_err(at(&path))?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let journal = Journal::open(folder)?;
        journal.file.set_len(whole as u64).map_err(at(&path))?;
        Ok(journal)
    }

    fn open(folder: PathBuf) -> Result<Journal, JournalError> {
        let path = folder.join(EVENTS);
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(at(&path))?;
        Ok(Journal { folder, file })
    }

    /// Adds an event as one whole line.
    pub fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(event).expect("an event is always JSON");
        line.push(b'\n');
        self.file.write_all(&line).map_err(at(&self.folder))
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The events of a run's folder, up to its last whole line.
pub fn read(folder: &Path) -> Result<Vec<Event>, JournalError> {
    let path = folder.join(EVENTS);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| JournalError::Broken {
            path: path.clone(),
            line: i + 1,
            problem: e.to_string(),
        })
    };
    whole.lines().enumerate().map(parse).collect()
}

/// The folder of a run: by its number, by its path, or the latest where nothing is named.
pub fn find(root: &Path, name: Option<&str>) -> Result<PathBuf, JournalError> {
    let runs = runs(root);
    let folder = match name {
        Some(name) if Path::new(name).join(EVENTS).is_file() => Some(PathBuf::from(name)),
        Some(name) => Some(runs.join(name)),
        None => numbers(&runs)?.last().map(|n| runs.join(n.to_string())),
    };
    folder.filter(|f| f.join(EVENTS).is_file()).ok_or_else(|| JournalError::NoRun {
        name: name.unwrap_or("yet").into(),
        runs: runs.clone(),
    })
}

fn runs(root: &Path) -> PathBuf {
    root.join(".knee/runs")
}

/// The numbers of all runs, ascending; none where the folder is missing.
fn numbers(runs: &Path) -> Result<Vec<u64>, JournalError> {
    let entries = match fs::read_dir(runs) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(at(runs))?,
    };
    let mut numbers: Vec<u64> =
        entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn at(path: &Path) -> impl Fn(io::Error) -> JournalError {
    move |source| JournalError::Io { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::settings::Settings;

    fn trying(number: u32) -> Event {
        let settings = Settings::default().with("workers", 4);
        Event::Trying { number, settings, because: "today".into(), forecast: None }
    }

    #[test]
    fn what_was_written_is_read_and_a_torn_line_is_cut() {
        let root = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(root.path()).unwrap();
        journal.append(&trying(1)).unwrap();
        journal.append(&trying(2)).unwrap();
        let folder = journal.folder().to_path_buf();
        drop(journal);
        let mut torn = fs::read(folder.join(EVENTS)).unwrap();
        torn.extend(b"{\"event\":\"try");
        fs::write(folder.join(EVENTS), torn).unwrap();
        assert_eq!(read(&folder).unwrap(), [trying(1), trying(2)]);
        Journal::resume(folder.clone()).unwrap().append(&trying(3)).unwrap();
        assert_eq!(read(&folder).unwrap(), [trying(1), trying(2), trying(3)]);
    }

    #[test]
    fn runs_are_numbered_and_found() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(find(root.path(), None), Err(JournalError::NoRun { .. })));
        for _ in 0..11 {
            Journal::create(root.path()).unwrap();
        }
        let latest = find(root.path(), None).unwrap();
        assert!(latest.ends_with(".knee/runs/11"), "{latest:?}");
        assert!(find(root.path(), Some("3")).unwrap().ends_with("3"));
        assert_eq!(find(root.path(), latest.to_str()).unwrap(), latest);
        assert!(find(root.path(), Some("99")).is_err());
    }

    #[test]
    fn a_broken_line_is_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = Journal::create(root.path()).unwrap().folder().to_path_buf();
        fs::write(folder.join(EVENTS), "{\"event\":\"unheard\"}\n").unwrap();
        assert!(read(&folder).unwrap_err().to_string().contains("events.jsonl:1"));
    }
}
