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
    /// Relative standard deviation of what it carries, where the measurement itself tells.
    pub spread: Option<f64>,
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
const PLAUSIBLE: f64 = 0.15;
/// Trials after which nothing is hoped for any more where none held the goal.
const HOPE: usize = 3;
/// Gain, as a share, that is worth a doubling of what a setting takes.
const THRIFT: f64 = 0.01;

/// The next trial, given all trials so far.
pub fn next(problem: &Problem, tested: &[Tested]) -> Next {
    if tested.len() >= problem.most {
        return Next::Stop(format!("{}, as many as allowed", made(tested.len())));
    }
    let beliefs = Beliefs::new(problem, tested);
    let Some(best) = beliefs.best(tested) else { return first_that_holds(problem, tested) };
    let carried = tested.iter().filter_map(|t| t.found.rate()).fold(0.0, f64::max);
    if let Some(rate) = problem.goal.rate.filter(|rate| carried >= *rate) {
        return Next::Stop(format!("the asked {rate} requests/s are carried"));
    }
    let open = open(problem, tested);
    let worth = |(candidate, chance): &(&Candidate, Chance)| worth(chance.gain, candidate);
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

/// So many trials, in words.
pub fn made(trials: usize) -> String {
    if trials == 1 { "1 trial was made".into() } else { format!("{trials} trials were made") }
}

/// The rate that beats `best` by more than the noise, no more than what is asked for.
fn beaten(problem: &Problem, best: f64) -> f64 {
    let beat = best * (1.0 + 0.5 * problem.noise);
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
        return match problem.candidates.len() {
            1 => "no knob that may move bears on what gave out".into(),
            _ => "every setting that fits into the memory was measured".into(),
        };
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

/// Index of the best trial; today's (0) when none is better by what can be told apart. What a
/// setting takes counts against it for as much as it does in the search and no more: by how much
/// near settings differ is known better than one measurement of each tells.
pub fn best(problem: &Problem, tested: &[Tested]) -> usize {
    let beliefs = Beliefs::new(problem, tested);
    let carries = tested.iter().enumerate().filter(|(_, t)| t.found.rate().is_some());
    let believed: Vec<(usize, f64, f64)> = carries
        .filter_map(|(index, t)| {
            let candidate = problem.candidate(&t.settings)?;
            let mean = beliefs.at(candidate).mean;
            Some((index, mean, worth(mean, candidate)))
        })
        .collect();
    let most = believed.iter().map(|(_, mean, _)| *mean).fold(f64::NEG_INFINITY, f64::max);
    // Today's settings before all others that are as good.
    let today = believed.iter().find(|(index, ..)| *index == 0);
    let stays = today.filter(|(_, mean, _)| *mean > most - problem.noise / 2.0);
    let best = believed.iter().max_by(|a, b| a.2.total_cmp(&b.2));
    stays.or(best).map_or(0, |(index, ..)| *index)
}

/// A logarithm of what a candidate carries, or may gain, less what it takes for that.
fn worth(carries: f64, candidate: &Candidate) -> f64 {
    carries - THRIFT * candidate.takes().log2().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::model::{Concurrency, Serial};
    use knee_core::runtimes::Cost;

    fn workers(n: u32) -> Candidate {
        let count = f64::from(n);
        Candidate {
            settings: Settings::default().with("workers", i64::from(n)),
            concurrency: Some(Concurrency {
                processes: n,
                slots: Some(n),
                cores: count,
                serial: Serial::Worker,
            }),
            point: vec![count.ln(); 3],
            amounts: vec![count, count],
            cost: Cost::default(),
            forecast: None,
        }
    }

    /// One process with so many threads.
    fn threads(n: u32) -> Candidate {
        let mut candidate = workers(n);
        let concurrency = candidate.concurrency.as_mut().unwrap();
        (concurrency.processes, concurrency.cores) = (1, 1.0);
        candidate.point = vec![f64::from(n).ln(), 0.0, 0.0];
        // From a few on the CPU gives out.
        candidate.forecast = Some(f64::from(n * 19).min(500.0));
        candidate
    }

    fn problem(demand: Demand) -> Problem {
        Problem {
            candidates: [2, 1, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64].map(workers).to_vec(),
            demand: Some(demand),
            task_cpu: 1.0,
            goal: Goal::default(),
            noise: 0.03,
            memory: Memory { limit: 1e12, each: 40e6, shared: 30e6 },
            most: 8,
        }
    }

    fn tested(n: u32, found: Found) -> Tested {
        let settings = workers(n).settings;
        Tested { settings, found, memory: Some(30e6 + 40e6 * f64::from(n)), spread: None }
    }

    /// Runs the search on a landscape: its trials, and why it stopped.
    fn search(problem: &Problem, truth: impl Fn(u32) -> f64) -> (Vec<Tested>, String) {
        let mut trials: Vec<Tested> = vec![];
        let (mut n, mut to_beat) = (2, None);
        let why = loop {
            let found = match to_beat {
                _ if 30e6 + 40e6 * f64::from(n) > problem.memory.limit => Found::Unfit,
                Some(beat) if truth(n) < beat => Found::Below(beat),
                _ => Found::Carries(truth(n)),
            };
            trials.push(tested(n, found));
            match next(problem, &trials) {
                Next::Try { settings, beat, .. } => {
                    (n, to_beat) = (settings.int("workers").unwrap() as u32, beat);
                }
                Next::Stop(why) => break why,
            }
        };
        (trials, why)
    }

    fn chosen(problem: &Problem, trials: &[Tested]) -> u32 {
        trials[best(problem, trials)].settings.int("workers").unwrap() as u32
    }

    const ORDERS: Demand = Demand { cpu: 0.005, wait: 0.020 };

    #[test]
    fn it_finds_the_best_of_a_landscape_that_the_model_gets_wrong() {
        // The model thinks that more workers are ever better; here they get in each other's way.
        for (cpu, wait, peak) in [(0.005, 0.020, 6.0), (0.005, 0.020, 24.0), (0.02, 0.002, 2.0)] {
            let problem = problem(Demand { cpu, wait });
            let truth = |n: u32| 150.0 * (-(f64::from(n) / peak).ln().powi(2) / 4.0).exp();
            let grid = [1, 2, 3, 4, 6, 8, 12, 16, 24].map(truth).into_iter().fold(0.0, f64::max);
            let (trials, why) = search(&problem, truth);
            let best = truth(chosen(&problem, &trials));
            assert!(best > 0.95 * grid && trials.len() <= 8, "{best} of {grid}: {trials:?} {why}");
        }
    }

    #[test]
    fn it_stops_early_where_today_is_as_good_as_any() {
        let problem = problem(Demand { cpu: 0.05, wait: 0.0 });
        let (trials, why) = search(&problem, |_| 17.0);
        assert!(trials.len() <= 4 && why.contains("noise"), "{}: {why}", trials.len());
        assert_eq!(best(&problem, &trials), 0, "today's settings stay");
    }

    #[test]
    fn it_does_not_boast_where_there_is_nothing_to_turn() {
        let mut problem = problem(ORDERS);
        problem.candidates.truncate(1);
        let (_, why) = search(&problem, |_| 17.0);
        assert_eq!(why, "no knob that may move bears on what gave out");
        problem.candidates.push(workers(4));
        let (trials, why) = search(&problem, |_| 17.0);
        assert!(trials.len() == 2 && why.starts_with("every setting"), "{why}");
    }

    #[test]
    fn a_little_thrift_gives_no_capacity_away() {
        let candidates = [1, 32, 48].map(threads).to_vec();
        let demand = Demand { cpu: 0.0005, wait: 0.050 };
        let problem = Problem { noise: 0.04, candidates, ..problem(demand) };
        let best_of = |few: f64, many: f64| {
            let rates = [(1, 19.0), (32, few), (48, many)];
            let trials = rates.map(|(n, rate)| tested(n, Found::Carries(rate)));
            chosen(&problem, &trials)
        };
        assert_eq!(best_of(500.0, 540.0), 48, "8 % more, twice the noise");
        assert_eq!(best_of(500.0, 500.0), 32, "no more");
        assert_eq!(best_of(572.0, 500.0), 32);
    }

    #[test]
    fn it_stays_within_the_memory() {
        let mut problem = problem(Demand { cpu: 0.002, wait: 0.100 });
        problem.memory.limit = 600e6;
        let (trials, _) = search(&problem, |n| 9.0 * f64::from(n));
        assert!(trials.iter().filter(|t| t.found == Found::Unfit).count() <= 1, "{trials:?}");
        assert_eq!(chosen(&problem, &trials), 12, "{trials:?}");
    }

    #[test]
    fn it_stops_when_the_asked_rate_is_carried() {
        let mut problem = problem(ORDERS);
        problem.goal.rate = Some(20.0);
        let (trials, why) = search(&problem, |n| 30.0 * f64::from(n));
        assert_eq!(trials.len(), 1);
        assert!(why.contains("20 requests/s"), "{why}");
    }

    #[test]
    fn it_gives_up_where_nothing_holds() {
        let slow = problem(Demand { cpu: 0.005, wait: 0.500 });
        let (trials, why) = search(&slow, |_| 0.0);
        assert!(trials.len() == 1 && why.contains("alone takes 505 ms"), "{why}");
        let (trials, why) = search(&problem(ORDERS), |_| 0.0);
        assert!(trials.len() == 3 && why.contains("no setting"), "{why}");
    }

    #[test]
    fn the_same_trials_give_the_same_proposal() {
        let problem = problem(ORDERS);
        let (trials, why) = search(&problem, |n| 150.0f64.min(30.0 * f64::from(n)));
        for n in 1..trials.len() {
            let Next::Try { settings, .. } = next(&problem, &trials[..n]) else {
                panic!("stopped after {n} trials")
            };
            assert_eq!(settings, trials[n].settings);
        }
        assert_eq!(next(&problem, &trials), Next::Stop(why));
    }

    #[test]
    fn an_abandoned_trial_lowers_what_is_hoped_of_its_neighbours() {
        let problem = problem(ORDERS);
        let before = [tested(2, Found::Carries(50.0)), tested(6, Found::Carries(140.0))];
        let hoped = |trials: &[Tested]| {
            let beliefs = Beliefs::new(&problem, trials);
            beliefs.chance(&workers(24), beliefs.best(trials).unwrap()).probability
        };
        let mut after = before.to_vec();
        after.push(tested(16, Found::Below(144.0)));
        assert!(hoped(&after) < 0.7 * hoped(&before), "{} {}", hoped(&after), hoped(&before));
    }
}
