//! One tuning run from the door's side: kept as it happens, shown as it happens, ended by
//! whoever asks, and written up.

use crate::asked::Asked;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept;
use crate::out;
use crate::render::json;
use crate::run::Run;
use crate::screen::Screen;
use crate::signals::Signals;
use knee_core::event::Event;
use knee_files::Discovery;
use knee_tune::journal::{self, Journal};
use knee_tune::tune::{TuneError, TuneRequest, tune};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// What a run is made from.
pub struct Conduct<'a> {
    /// The service, as it was read.
    pub discovery: Discovery,
    /// What was asked for.
    pub asked: &'a Asked,
    /// Whether standard output is to hold one document.
    pub json: bool,
    /// Events of the run before it was interrupted.
    pub earlier: Vec<Event>,
    /// Where they stand; a new run makes its folder when it starts.
    pub journal: Option<Journal>,
}

/// Runs it.
pub fn conduct(conduct: Conduct<'_>) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    let Conduct { discovery, asked, json, earlier, journal } = conduct;
    let root = discovery.service.root.clone();
    let mut follow = Follow {
        root: &root,
        asked,
        journal,
        screen: Screen::new(json, "preparing the laboratory"),
        signals: &signals,
        failed: None,
    };
    follow.replay(&earlier);
    let request = request(discovery, asked, earlier)?;
    let result = tune(&request, signals.stop(), &mut |event| follow.on(event));
    let folder = follow.end()?;
    match (result, folder) {
        (Err(TuneError::Interrupted), folder) => Ok(interrupted(&signals, folder.as_deref())),
        (Err(error), _) => Err(error.into()),
        (Ok(_), Some(folder)) => finish(&folder, json),
        (Ok(_), None) => unreachable!("a run that ended has told events"),
    }
}

fn request(
    discovery: Discovery,
    asked: &Asked,
    earlier: Vec<Event>,
) -> Result<TuneRequest, Failure> {
    let no_task = || {
        Failure::new(Exit::Refused, "the task's size is not known")
            .remedy("name it: --task CPU,MEMORY, for example --task 0.5,1GB")
    };
    let task = discovery.service.task.clone().ok_or_else(no_task)?;
    Ok(TuneRequest {
        unconfined: asked.unconfined,
        most_trials: asked.trials(&discovery.stated.tune),
        seed: asked.seed(&discovery.stated.tune),
        lengths: asked.lengths(),
        earlier,
        ..TuneRequest::of(discovery, task)
    })
}

/// Writes the run up and says what can be done now.
fn finish(folder: &Path, json: bool) -> Result<Exit, Failure> {
    let events = journal::read(folder)?;
    let run = Run::of(&events);
    kept::write(folder, &events)?;
    if json {
        out::data(&json::text(&json::document(&run, folder)))?;
    }
    kept::what_next(folder, &run);
    Ok(kept::exit(&run))
}

fn interrupted(signals: &Signals, folder: Option<&Path>) -> Exit {
    let next = folder.map_or(String::new(), |folder| {
        format!("; go on with: knee resume {}", kept::name(folder))
    });
    out::talk(&format!("\ninterrupted; everything was undone{next}\n"));
    signals.exit().unwrap_or(Exit::Interrupted)
}

/// Follows the events of a run.
struct Follow<'a> {
    root: &'a Path,
    asked: &'a Asked,
    journal: Option<Journal>,
    screen: Screen,
    signals: &'a Signals,
    failed: Option<Failure>,
}

impl Follow<'_> {
    fn replay(&mut self, events: &[Event]) {
        let shown = self.screen.replay(events);
        self.note(shown);
    }

    /// Keeps an event before it shows it. What cannot be kept or read by anybody ends the run.
    fn on(&mut self, event: &Event) {
        let kept = self.keep(event);
        self.note(kept);
        let shown = self.screen.on(event);
        self.note(shown);
    }

    fn keep(&mut self, event: &Event) -> Result<(), Failure> {
        if self.journal.is_none() {
            let journal = Journal::create(self.root)?;
            self.asked.keep(journal.folder())?;
            self.journal = Some(journal);
        }
        Ok(self.journal.as_mut().map_or(Ok(()), |journal| journal.append(event))?)
    }

    fn note(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.failed.get_or_insert(failure);
            self.signals.stop().store(true, Ordering::Relaxed);
        }
    }

    /// The run's folder, or what ended the run from here.
    fn end(self) -> Result<Option<PathBuf>, Failure> {
        let folder = self.journal.map(|journal| journal.folder().to_path_buf());
        self.failed.map_or(Ok(folder), Err)
    }
}
