//! A folder with `odd.py` in it, and runs on it that are as short as can be.

use crate::support::{free_port, traces};
use knee_core::event::{Event, Verdict};
use knee_files::{Overrides, discover};
use knee_tune::lab::{Lab, LabOptions};
use knee_tune::tune::{Lengths, TuneError, TuneRequest, tune};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A service in a folder of its own.
pub struct Subject {
    folder: tempfile::TempDir,
    pub port: u16,
    command: String,
    paths: &'static [&'static str],
    goal: &'static str,
    /// knee.toml
    knobs: &'static str,
    _alone: MutexGuard<'static, ()>,
}

/// A knob that is there and does something.
const POOL: &str = "[knobs.POOL_SIZE]\nenv = \"POOL_SIZE\"\nrange = \"1..2\"\ndefault = 1\n";

/// Long enough for an answer each, no longer.
const SHORT: Lengths = Lengths {
    step: 0.4,
    confirm: 0.6,
    warm_up: 0.1,
    search: 1.2,
    pair: 1.0,
    ready: 60.0,
    total: 300.0,
};

impl Subject {
    /// One that behaves so, while no other runs in this process; None without the privileges.
    pub fn new(manner: &'static str) -> Option<Subject> {
        static HOUSE: Mutex<()> = Mutex::new(());
        let alone = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = Lab::new(LabOptions::default()) {
            eprintln!("skipped: {error}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("odd.py"), include_str!("odd.py")).unwrap();
        let port = free_port();
        let command = format!("python3 -u odd.py {manner} {port}");
        let (paths, goal) = (&["/ok"], "p99<1s");
        Some(Subject { folder, port, command, paths, goal, knobs: POOL, _alone: alone })
    }

    pub fn asked_for(self, paths: &'static [&'static str]) -> Subject {
        Subject { paths, ..self }
    }

    pub fn with_goal(self, goal: &'static str) -> Subject {
        Subject { goal, ..self }
    }

    /// gunicorn with this app instead, and its own knobs.
    pub fn of_gunicorn(self, app: &str) -> Subject {
        fs::write(self.folder.path().join("app.py"), app).unwrap();
        let command =
            format!("gunicorn --bind 127.0.0.1:{} --no-control-socket app:app", self.port);
        Subject { command, knobs: "", ..self }
    }

    /// What a run is given.
    pub fn request(&self, change: impl FnOnce(&mut Lengths)) -> TuneRequest {
        fs::write(self.folder.path().join("knee.toml"), self.knobs).unwrap();
        let overrides = Overrides {
            command: Some(self.command.clone()),
            port: Some(self.port),
            task: "0.25,512MB".parse().ok(),
            goal: self.goal.parse().ok(),
            requests: self.paths.iter().map(|p| knee_core::workload::Request::get(*p)).collect(),
            ..Overrides::default()
        };
        let found = discover(self.folder.path(), &overrides).unwrap();
        assert_eq!(found.missing.len(), 0, "{:?}", found.missing);
        let mut lengths = SHORT;
        change(&mut lengths);
        let task = found.service.task.clone().unwrap();
        TuneRequest { most_trials: 2, lengths, ..TuneRequest::of(found, task) }
    }

    /// Why a run ends without a verdict. Nothing is left of it.
    pub fn fails(&self, change: impl FnOnce(&mut Lengths)) -> TuneError {
        let request = self.request(change);
        let ended = self.run(&request, &AtomicBool::new(false), &mut |_| {}).1;
        ended.expect_err("a verdict on a service that does not run")
    }

    /// Runs to the end, whatever that is: the events and how it ended. Nothing is left of it.
    pub fn run(
        &self,
        request: &TuneRequest,
        stop: &AtomicBool,
        on: &mut dyn FnMut(&Event),
    ) -> (Vec<Event>, Result<Verdict, TuneError>) {
        let mut events = vec![];
        let ended = tune(request, stop, &mut |event| {
            events.push(event.clone());
            on(event);
        });
        self.nothing_is_left();
        (events, ended)
    }

    /// No process, cgroup or temporary file; a mount is seen in no namespace but its container's.
    pub fn nothing_is_left(&self) {
        let me = std::process::id();
        assert_eq!(traces(me), Vec::<PathBuf>::new());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&format!("knee-{me}-")), "{mounts}");
        let port = self.port.to_string();
        let of_service = |process: fs::DirEntry| {
            let command = fs::read_to_string(process.path().join("cmdline")).ok()?;
            command.split(['\0', ':']).any(|word| word == port).then_some(command)
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        assert_eq!(processes.filter_map(of_service).collect::<Vec<_>>(), [""; 0]);
    }
}
