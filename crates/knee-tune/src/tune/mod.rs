//! A tuning run from today's settings to the confirmed winner.
//!
//! What lives here: the order of things. What never does: how a service is started (`lab`),
//! how load is made (`knee-measure`), which setting is next (`strategy`).

mod alone;
mod confirm;
mod fitness;
mod run;
mod speed;
mod trials;

use crate::calibrate::CalibrationError;
use crate::lab::{Lab, LabError, LabOptions};
use crate::space;
use knee_core::event::{Event, Fact, Verdict};
use knee_core::workload::Request;
use knee_core::{Goal, Service, Sourced, Task};
use knee_files::Discovery;
use knee_measure::MeasureError;
use run::Run;
use std::sync::atomic::AtomicBool;

/// What a run is given.
#[derive(Clone, Debug)]
pub struct TuneRequest {
    /// The service, as it was read.
    pub service: Service,
    /// What was read, for people.
    pub facts: Vec<Fact>,
    /// Size of the task that it runs in.
    pub task: Sourced<Task>,
    /// What has to be held.
    pub goal: Sourced<Goal>,
    /// What is sent; at least one.
    pub requests: Vec<Request>,
    /// Go on without limits where privileges are missing.
    pub unconfined: bool,
    /// Most trials, today's settings among them.
    pub most_trials: usize,
    /// Share of the task's memory that has to stay free, in [0, 1).
    pub head_room: f64,
    /// Makes the arrivals repeatable.
    pub seed: u64,
    /// How long is measured.
    pub lengths: Lengths,
    /// Events of an interrupted run to go on with; empty for a new one.
    pub earlier: Vec<Event>,
}

impl TuneRequest {
    /// What was found, in a task of that size; trials, lengths and all else as they are where nobody says
    /// otherwise.
    pub fn of(found: Discovery, task: Sourced<Task>) -> TuneRequest {
        TuneRequest {
            service: found.service,
            facts: found.facts,
            task,
            goal: found.goal,
            requests: found.requests,
            unconfined: false,
            most_trials: TRIALS,
            head_room: found.head_room.value,
            seed: 1,
            lengths: Lengths::default(),
            earlier: vec![],
        }
    }
}

/// How long a run measures, seconds. Shorter lengths make wider intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lengths {
    /// A step of a capacity search.
    pub step: f64,
    /// The step that confirms a capacity.
    pub confirm: f64,
    /// Unmeasured start of each step.
    pub warm_up: f64,
    /// Time after which a capacity search begins no further step, but for its confirmation.
    pub search: f64,
    /// The same for each side of an interleaved pair, where the capacity is already known roughly.
    pub pair: f64,
    /// How long a service may take until it is ready.
    pub ready: f64,
    /// The whole run: a trial is begun only while what then remains suffices to confirm the best.
    pub total: f64,
}

impl Default for Lengths {
    fn default() -> Self {
        Lengths {
            step: 2.5,
            confirm: 6.0,
            warm_up: 0.5,
            search: 18.0,
            pair: 14.0,
            ready: 60.0,
            total: 300.0,
        }
    }
}

/// Most trials, today's settings among them, unless the user says otherwise.
pub const TRIALS: usize = 8;

/// Why a run ended without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// Ctrl-C or SIGTERM; everything was undone.
    #[error("interrupted; everything was undone")]
    Interrupted,
    /// The service could not be started or did not stay.
    #[error(transparent)]
    Lab(LabError),
    /// The service was not ready in time on a host that left it too little CPU.
    #[error("{doubt}; {error}")]
    Crowded {
        /// How it was not ready.
        error: LabError,
        /// What took the CPU.
        doubt: String,
    },
    /// The launch could not be written.
    #[error(transparent)]
    Files(#[from] knee_files::FilesError),
    /// The generator could not do its work.
    #[error(transparent)]
    Measure(MeasureError),
    /// Requests that fail even alone.
    #[error("{}{log}", wrong.join("; "))]
    Unanswered {
        /// `GET /orders answers 404`, for each.
        wrong: Vec<String>,
        /// What the service wrote last.
        log: crate::lab::Tail,
    },
    /// Nothing answered at low load.
    #[error("{error}{}{log}", said(doubts))]
    Calibration {
        /// What came back instead.
        error: CalibrationError,
        /// Why that may not be the service's fault: the host or the generator was starved.
        doubts: Vec<String>,
        /// What the service wrote last.
        log: crate::lab::Tail,
    },
    /// The goal asks for more than this host can send.
    #[error(
        "the goal asks for {rate:.0} requests/s, and the load generator can be trusted up to {ceiling:.0} on this host"
    )]
    BeyondGenerator {
        /// What the goal asks for, requests/s.
        rate: f64,
        /// What the generator can send reliably, requests/s.
        ceiling: f64,
    },
    /// Other programs take the CPUs that the generator needs.
    #[error("the load generator could send nothing on this host: other programs take its CPUs")]
    Starved,
    /// The host could not be read.
    #[error(transparent)]
    Probe(#[from] knee_probe::ProbeError),
}

/// Doubts behind a message.
fn said(doubts: &[String]) -> String {
    doubts.iter().map(|doubt| format!("; {doubt}")).collect()
}

impl From<LabError> for TuneError {
    fn from(error: LabError) -> Self {
        if matches!(error, LabError::Stopped) {
            TuneError::Interrupted
        } else {
            TuneError::Lab(error)
        }
    }
}

impl From<MeasureError> for TuneError {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Stopped => TuneError::Interrupted,
            error => TuneError::Measure(error),
        }
    }
}

/// Runs the search and its confirmation. `on` is handed every event as it happens; `stop`
/// ends the run early with everything undone.
///
/// # Errors
/// Today's settings do not run or answer nothing, the laboratory or the generator cannot do its
/// work, or `stop` said so. What goes wrong under other settings is no error: they are rejected.
pub fn tune(
    request: &TuneRequest,
    stop: &AtomicBool,
    on: &mut dyn FnMut(&Event),
) -> Result<Verdict, TuneError> {
    let lab = Lab::new(LabOptions { unconfined: request.unconfined })?;
    let mut run = Run::new(request, stop, &lab, on)?;
    run.start();
    let today = space::settle(&request.service, &request.service.current());
    run.first(&today)?;
    let stopped_because = run.search()?;
    let verdict = run.conclude(stopped_because)?;
    run.tell(&Event::Ended(Box::new(verdict.clone())));
    Ok(verdict)
}
