//! `Event`: the only way out of a tuning run. Libraries never print, renderers never
//! compute; the stored log of a run is a line of JSON per event and can be rendered again.

use crate::goal::Goal;
use crate::observe::{Bound, Calibration, Capacity, Limit, Step, Validity};
use crate::service::{Part, PlacedKnob};
use crate::settings::{Settings, Value};
use crate::sourced::Sourced;
use crate::task::Task;
use crate::workload::Request;
use serde::{Deserialize, Serialize};

/// What happened in a run, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Started(Box<Started>),
    /// The service was measured at low load.
    Calibrated {
        /// What it told.
        calibration: Calibration,
        /// What no setting can exceed at the CPU per request that it told.
        bound: Bound,
    },
    /// A candidate is about to be measured.
    Trying {
        /// Its number, counted from 1; 1 is today's settings.
        number: u32,
        /// The candidate.
        settings: Settings,
        /// Why it is worth a trial.
        because: String,
        /// What it is expected to carry, requests/s; None where no model says.
        #[serde(default)]
        forecast: Option<f64>,
    },
    /// One step of the candidate's capacity search.
    Stepped {
        /// Which trial.
        number: u32,
        /// The step.
        step: Box<Step>,
    },
    /// A candidate was measured, abandoned or rejected.
    Tried(Box<Trial>),
    /// One pair of today's settings against the winner.
    Paired {
        /// Its number, counted from 1.
        number: u32,
        /// Most pairs: measuring ends as soon as the gain is certain or out of sight.
        of: u32,
        /// Capacity of today's settings, requests/s.
        baseline: f64,
        /// Capacity of the winner, requests/s.
        best: f64,
        /// The factor that the host's speed put on either, as far as knee's yardstick tells: 0.9
        /// where a host that ran slower took a tenth.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<(f64, f64)>,
    },
    /// The search and the confirmation are over.
    Ended(Box<Verdict>),
}

/// What a run starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Version of knee.
    pub knee: String,
    /// Start, seconds since 1970-01-01 UTC.
    pub at: u64,
    /// The service's name.
    pub service: String,
    /// What was read, for people: what, value, origin.
    pub facts: Vec<Fact>,
    /// Task size.
    pub task: Sourced<Task>,
    /// The goal.
    pub goal: Sourced<Goal>,
    /// What is sent. Headers and bodies are not kept.
    pub requests: Vec<Request>,
    /// Knobs that may move: name, range, today's value.
    pub knobs: Vec<KnobFact>,
    /// The host.
    pub machine: Machine,
    /// How the task was imitated, or that it was not.
    pub confinement: String,
    /// Makes the arrivals repeatable.
    #[serde(default)]
    pub seed: u64,
    /// Reasons for care that hold for the whole run.
    pub validity: Validity,
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is: `command`, `port`, `task`.
    pub what: String,
    /// Its value with its origin. Never a secret.
    pub value: Sourced<String>,
}

/// A knob as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnobFact {
    /// Its name.
    pub name: String,
    /// The runtime's id, or `generic`.
    pub runtime: String,
    /// What it does.
    pub doc: String,
    /// Unit, or empty.
    pub unit: String,
    /// Its range, as text.
    pub range: String,
    /// Today's value.
    pub current: Sourced<Value>,
}

impl KnobFact {
    /// Of a knob of a service, and of the part that has it.
    pub fn of((part, placed): (&Part, &PlacedKnob)) -> KnobFact {
        KnobFact {
            name: placed.knob.name.to_string(),
            runtime: part.runtime.to_string(),
            doc: placed.knob.doc.to_string(),
            unit: placed.knob.unit.to_string(),
            range: placed.knob.range.to_string(),
            current: placed.current.clone(),
        }
    }
}

/// The host that measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// CPU model.
    pub cpu: String,
    /// CPUs online.
    pub cpus: u32,
    /// Memory.
    pub memory: u64,
    /// Kernel release.
    pub kernel: String,
    /// cgroup version in use: 1, 2, or 0 for none.
    pub cgroup: u8,
}

/// One candidate's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, counted from 1.
    pub number: u32,
    /// The candidate.
    pub settings: Settings,
    /// The most that the model says it can reach, requests/s; None where no model says.
    /// (JSON knows no infinity.)
    pub bound: Option<f64>,
    /// What was measured; None when it was abandoned or rejected before.
    pub capacity: Option<Capacity>,
    /// What showed early that it does not beat the best, if so.
    pub abandoned: Option<Box<Abandoned>>,
    /// Why it cannot be taken, if so: memory, errors, never ready.
    pub rejected: Option<String>,
    /// How long it took, seconds.
    pub seconds: f64,
}

/// A candidate whose capacity was not searched: at a rate that it had to hold to be the best,
/// it missed the goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Abandoned {
    /// It carries less than this, requests/s.
    pub below: f64,
    /// The step that showed it.
    pub step: Step,
    /// What gave out.
    pub limited_by: Limit,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// A better setting was found and confirmed; with a rate asked for, it is carried.
    Improved,
    /// Today's settings carry the rate that the goal asks for: nothing was searched.
    Satisfied,
    /// Nothing beats today's settings by more than the noise.
    NoGain,
    /// No setting that was tried holds the goal, at any rate or at the rate asked for.
    GoalMissed,
    /// The measurements do not allow to say: the verdict's validity tells why.
    Inconclusive,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it came to.
    pub conclusion: Conclusion,
    /// Number of the trial with today's settings.
    pub baseline: u32,
    /// Number of the best trial; the baseline's when nothing better was found.
    pub best: u32,
    /// Why the search stopped.
    pub stopped_because: String,
    /// The most that any setting could reach with the least CPU that a request was seen to take; None in
    /// logs that do not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// Today against the winner; None when there was nothing to confirm.
    pub confirmation: Option<Confirmation>,
    /// What was proposed or written, by path.
    pub patches: Vec<PatchFact>,
    /// Whether to believe it.
    pub validity: Validity,
}

/// The gain with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Interleaved pairs measured.
    pub pairs: Vec<(f64, f64)>,
    /// Geometric mean of best over baseline, less 1: 0.4 is 40 % more.
    pub gain: f64,
    /// 95 % interval of the gain.
    pub interval: (f64, f64),
    /// Whether the interval excludes no gain.
    pub significant: bool,
    /// The gain without a correction for the host's speed; None where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncorrected: Option<Estimate>,
}

/// A gain as a share, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// 0.4 is 40 % more.
    pub gain: f64,
    /// Its ends.
    pub interval: (f64, f64),
}

/// A proposed change of a user's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchFact {
    /// Path relative to the service's root.
    pub path: String,
    /// Unified diff.
    pub diff: String,
}
