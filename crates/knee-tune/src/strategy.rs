//! Which setting to measure next, which one is best, and when to stop.
//!
//! The model's forecast is the first belief; what was measured corrects it (see `belief`). The
//! search stops when no setting can plausibly beat the best by more than the noise. Pure: the
//! same trials give the same proposal, so an interrupted run goes on where it was.

use crate::belief::{Beliefs, Chance};
use crate::memory::Room;
use crate::space::Candidate;
use knee_core::Goal;
use knee_core::settings::Settings;
use knee_core::units::Seconds;
use knee_plan::Demand;

/// What the search knows besides its trials.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What may be tried, today's settings first.
    pub candidates: Vec<Candidate>,
    /// What one request takes; None where no model fits, then only trials tell.
    pub demand: Option<Demand>,
    /// vCPU of the task.
    pub task_cpu: f64,
    /// What has to be held.
    pub goal: Goal,
    /// Relative standard deviation of one measured capacity.
    pub noise: f64,
    /// What memory there is, and what was calibrated of its use.
    pub memory: Memory,
    /// Most trials, today's settings among them.
    pub most: usize,
}

impl Problem {
    /// The candidate with these settings.
    pub fn candidate(&self, settings: &Settings) -> Option<&Candidate> {
        self.candidates.iter().find(|c| c.settings == *settings)
    }
}

/// Memory of a task, bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// What settings may take.
    pub limit: f64,
    /// What one more process takes, by the calibration.
    pub each: f64,
    /// What does not grow with processes, by the calibration.
    pub shared: f64,
}

/// A trial as the search sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// What was tried.
    pub settings: Settings,
    /// What was found.
    pub found: Found,
    /// Memory that it took, bytes, where known.
    pub memory: Option<f64>,
}

/// What a trial found, requests/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// The highest rate that held the goal; 0 when none did.
    Carries(f64),
    /// Abandoned: less than this.
    Below(f64),
    /// It cannot be taken, whatever it carries.
    Unfit,
}

impl Found {
    /// What it carries, when that was measured and is more than nothing.
    pub fn rate(self) -> Option<f64> {
        match self {
            Found::Carries(rate) if rate > 0.0 => Some(rate),
            _ => None,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Measure this.
    Try {
        /// The settings.
        settings: Settings,
        /// Why it is worth a trial.
        because: String,
        /// What it is expected to carry, requests/s; None where no model says.
        forecast: Option<f64>,
        /// The rate that it has to hold to be the best; below it, its capacity is of no interest.
        beat: Option<f64>,
    },
    /// Measure no more, for this reason.
    Stop(String),
}

/// The least probability of beating the best by more than the noise that is worth a trial.
const PLAUSIBLE: f64 = 0.10;
/// Trials after which nothing is hoped for any more where none held the goal.
const HOPE: usize = 3;
/// Gain, as a share, that is worth a doubling of what a setting takes.
const THRIFT: f64 = 0.004;

/// The next trial, given all trials so far.
pub fn next(problem: &Problem, tested: &[Tested]) -> Next {
    if tested.len() >= problem.most {
        return Next::Stop(format!("{} trials were made, as many as allowed", tested.len()));
    }
    let beliefs = Beliefs::new(problem, tested);
    let Some(best) = beliefs.best(tested) else { return first_that_holds(problem, tested) };
    let carried = tested.iter().filter_map(|t| t.found.rate()).fold(0.0, f64::max);
    if let Some(rate) = problem.goal.rate.filter(|rate| carried >= *rate) {
        return Next::Stop(format!("the asked {rate} requests/s are carried"));
    }
    let open = open(problem, tested);
    let worth = |(candidate, chance): &(&Candidate, Chance)| {
        chance.gain - THRIFT * candidate.takes().log2().max(0.0)
    };
    let likely = |c: &&Candidate| {
        let chance = beliefs.chance(c, best);
        (chance.probability >= PLAUSIBLE).then_some(chance)
    };
    let promising = open.iter().filter_map(|c| Some((*c, likely(c)?)));
    match promising.max_by(|a, b| worth(a).total_cmp(&worth(b))) {
        Some((candidate, chance)) => Next::Try {
            settings: candidate.settings.clone(),
            because: format!(
                "may reach {:.0} requests/s, expected {:.0}",
                chance.high, chance.mean
            ),
            forecast: problem.demand.map(|_| chance.mean),
            beat: Some(beaten(problem, best.exp())),
        },
        None => Next::Stop(exhausted(problem, &beliefs, &open, best)),
    }
}

/// The rate that beats `best` by more than the noise, no more than what is asked for.
fn beaten(problem: &Problem, best: f64) -> f64 {
    let beat = best * (1.0 + problem.noise);
    problem.goal.rate.map_or(beat, |rate| beat.min(rate))
}

/// What was not tried and may fit into the memory.
fn open<'a>(problem: &'a Problem, tested: &[Tested]) -> Vec<&'a Candidate> {
    let room = Room::new(problem, tested);
    let untried = |c: &&Candidate| !tested.iter().any(|t| t.settings == c.settings);
    problem.candidates.iter().filter(untried).filter(|c| room.fits(c)).collect()
}

fn exhausted(problem: &Problem, beliefs: &Beliefs, open: &[&Candidate], best: f64) -> String {
    let likeliest = open
        .iter()
        .map(|c| (c, beliefs.chance(c, best)))
        .max_by(|a, b| a.1.probability.total_cmp(&b.1.probability));
    let Some((candidate, chance)) = likeliest else {
        return "every setting that fits into the memory was measured".into();
    };
    format!(
        "no untested setting is likely to beat the best by more than the noise ({:.0} %): the \
         likeliest, {}, with a probability of {:.0} %",
        problem.noise * 100.0,
        candidate.settings,
        chance.probability * 100.0
    )
}

/// When nothing held the goal yet: what the model forecasts highest, if anything.
fn first_that_holds(problem: &Problem, tested: &[Tested]) -> Next {
    let beliefs = Beliefs::new(problem, &[]);
    let goal = problem.goal.latency;
    if let Some(alone) = problem.demand.map(|d| d.cpu + d.wait).filter(|alone| *alone > goal.0) {
        let alone = Seconds(alone);
        return Next::Stop(format!(
            "a request alone takes {alone}, more than the goal's {goal}: no setting can hold it"
        ));
    }
    let open = open(problem, tested);
    let forecast = |c: &&Candidate| beliefs.forecast(c);
    match open.into_iter().max_by(|a, b| forecast(a).total_cmp(&forecast(b))) {
        Some(c) if tested.len() < HOPE => Next::Try {
            settings: c.settings.clone(),
            because: "nothing held the goal yet; most is expected here".into(),
            forecast: problem.demand.map(|_| beliefs.forecast(c)),
            beat: None,
        },
        Some(_) => Next::Stop("no setting that was tried holds the goal at any rate".into()),
        None => Next::Stop("no other setting fits into the memory".into()),
    }
}

/// Index of the best trial; today's (0) when none is better by what can be told apart. Among
/// equals the one that takes less.
pub fn best(problem: &Problem, tested: &[Tested]) -> usize {
    let beliefs = Beliefs::new(problem, tested);
    let believed: Vec<(usize, &Candidate, f64)> = tested
        .iter()
        .enumerate()
        .filter(|(_, t)| t.found.rate().is_some())
        .filter_map(|(i, t)| {
            let candidate = problem.candidate(&t.settings)?;
            Some((i, candidate, beliefs.at(candidate).mean))
        })
        .collect();
    let most = believed.iter().map(|(_, _, mean)| *mean).fold(f64::NEG_INFINITY, f64::max);
    let equals = believed.iter().filter(|(_, _, mean)| *mean > most - problem.noise / 2.0);
    let thrifty = |(index, candidate, _): &&(usize, &Candidate, f64)| {
        // Today's settings before all others that are as good.
        if *index == 0 { f64::NEG_INFINITY } else { candidate.takes() }
    };
    equals.min_by(|a, b| thrifty(a).total_cmp(&thrifty(b))).map_or(0, |(index, ..)| *index)
}
