//! Which setting to measure next, and when to stop.
//!
//! The model's forecast is the first belief; what was measured corrects it, near points more
//! than far ones (a Gaussian process over the logarithm of measured over forecast). The
//! search stops when no setting can plausibly beat the best by more than the noise. Pure:
//! the same trials give the same proposal, so an interrupted run goes on where it was.

use crate::space::Candidate;
use knee_core::Goal;
use knee_core::settings::Settings;
use knee_plan::gaussian::{Belief, Kernel, Process, exceeds};
use knee_plan::{Demand, bound, capacity};

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
    /// Most trials, today's settings among them.
    pub most: usize,
}

/// A trial as the search sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// What was tried.
    pub settings: Settings,
    /// Requests/s that held the goal; None when it was rejected.
    pub capacity: Option<f64>,
    /// Memory that it took, bytes, where known.
    pub memory: Option<f64>,
    /// Serving processes, where known.
    pub processes: Option<u32>,
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
        /// The most that it can reach, requests/s; infinite where no model says.
        bound: f64,
    },
    /// Measure no more, for this reason.
    Stop(String),
}

/// The least probability of beating the best that is worth a trial.
const PLAUSIBLE: f64 = 0.10;
/// Slack on a bound: CPU per request at low load is itself a measurement.
const SLACK: f64 = 1.10;
/// Share of the task's memory that stays free, unless knee.toml says otherwise.
pub const HEAD_ROOM: f64 = 0.10;

/// The next trial, given all trials so far and the memory that settings may take, bytes.
pub fn next(problem: &Problem, tested: &[Tested], memory: f64) -> Next {
    if tested.len() >= problem.most {
        return Next::Stop(format!("{} trials were made, as many as allowed", tested.len()));
    }
    let surface = Surface::new(problem, tested);
    let Some(best) = surface.best(tested) else {
        return first_that_holds(problem, tested, memory);
    };
    if let Some(rate) = problem.goal.rate.filter(|rate| best >= *rate) {
        return Next::Stop(format!("the asked {rate} requests/s are carried"));
    }
    let fits = memory_model(tested, memory);
    let open = problem
        .candidates
        .iter()
        .filter(|c| !tested.iter().any(|t| t.settings == c.settings) && fits.allows(c));
    let chance = |c: &Candidate| surface.chance(c, best);
    let Some((candidate, likely)) =
        open.map(|c| (c, chance(c))).max_by(|a, b| worth(a).total_cmp(&worth(b)))
    else {
        return Next::Stop("every setting within the memory was measured".into());
    };
    if likely.probability < PLAUSIBLE {
        return Next::Stop(format!(
            "no untested setting is likely to beat the best by more than the noise ({:.0} %): the most plausible, {}, with a probability of {:.0} %",
            problem.noise * 100.0,
            candidate.settings,
            likely.probability * 100.0
        ));
    }
    Next::Try {
        settings: candidate.settings.clone(),
        because: format!("may reach {:.0} requests/s, expected {:.0}", likely.high, likely.mean),
        bound: surface.bound(candidate),
    }
}

/// When nothing held the goal yet: what the model forecasts highest, if anything.
fn first_that_holds(problem: &Problem, tested: &[Tested], memory: f64) -> Next {
    let surface = Surface::new(problem, &[]);
    let fits = memory_model(tested, memory);
    let untested = problem
        .candidates
        .iter()
        .filter(|c| !tested.iter().any(|t| t.settings == c.settings) && fits.allows(c));
    match untested.max_by(|a, b| surface.forecast(a).total_cmp(&surface.forecast(b))) {
        Some(c) if tested.len() < 3 => Next::Try {
            settings: c.settings.clone(),
            because: "nothing held the goal yet; the model forecasts most here".into(),
            bound: surface.bound(c),
        },
        _ => Next::Stop("no setting that was tried holds the goal at any rate".into()),
    }
}

/// How good a candidate may be.
struct Chance {
    probability: f64,
    gain: f64,
    mean: f64,
    high: f64,
    slots: f64,
}

/// Expected gain, and among equals the setting that takes less.
fn worth((_, chance): &(&Candidate, Chance)) -> f64 {
    chance.gain - 0.002 * chance.slots.max(1.0).ln()
}

/// What is believed of every setting.
struct Surface<'a> {
    problem: &'a Problem,
    process: Process,
    shift: f64,
    baseline: f64,
}

impl<'a> Surface<'a> {
    fn new(problem: &'a Problem, tested: &[Tested]) -> Self {
        let baseline = tested.iter().find_map(|t| t.capacity.filter(|c| *c > 0.0)).unwrap_or(1.0);
        let mut surface =
            Surface { problem, process: Process::new(KERNEL, vec![], &[]), shift: 0.0, baseline };
        let known: Vec<(&Candidate, f64)> = tested
            .iter()
            .filter_map(|t| {
                let c = problem.candidates.iter().find(|c| c.settings == t.settings)?;
                let measured = t.capacity?.max(baseline * 0.02);
                Some((c, (measured / surface.forecast(c)).ln()))
            })
            .filter(|(_, residual)| residual.is_finite())
            .collect();
        if known.is_empty() {
            return surface;
        }
        let n = known.len() as f64;
        surface.shift = known.iter().map(|(_, r)| r).sum::<f64>() / n;
        let residuals: Vec<f64> = known.iter().map(|(_, r)| r - surface.shift).collect();
        let spread = (residuals.iter().map(|r| r * r).sum::<f64>() / n).sqrt();
        let kernel = Kernel {
            amplitude: if problem.demand.is_some() {
                spread.clamp(0.10, 0.5)
            } else {
                spread.clamp(0.3, 1.0)
            },
            noise: problem.noise,
            ..KERNEL
        };
        let points = known.iter().map(|(c, _)| c.point.clone()).collect();
        surface.process = Process::new(kernel, points, &residuals);
        surface
    }

    /// Forecast of the model alone; today's capacity where there is none.
    fn forecast(&self, candidate: &Candidate) -> f64 {
        let p = self.problem;
        match (&p.demand, &candidate.concurrency) {
            (Some(demand), Some(c)) => capacity(c, demand, p.task_cpu, &p.goal).max(1e-3),
            _ => self.baseline,
        }
    }

    /// The most that the candidate can reach, requests/s.
    fn bound(&self, candidate: &Candidate) -> f64 {
        let p = self.problem;
        match (&p.demand, &candidate.concurrency) {
            (Some(demand), Some(c)) => bound(c, demand, p.task_cpu).rate,
            _ => f64::INFINITY,
        }
    }

    /// Belief about the logarithm of the capacity.
    fn belief(&self, candidate: &Candidate) -> Belief {
        let Belief { mean, deviation } = self.process.at(&candidate.point);
        Belief { mean: self.forecast(candidate).ln() + self.shift + mean, deviation }
    }

    /// The highest capacity that was measured.
    fn best(&self, tested: &[Tested]) -> Option<f64> {
        tested.iter().filter_map(|t| t.capacity).filter(|c| *c > 0.0).max_by(f64::total_cmp)
    }

    /// How likely, and by how much, the candidate beats `best`.
    fn chance(&self, candidate: &Candidate, best: f64) -> Chance {
        let Belief { mean, deviation } = self.belief(candidate);
        let most = (self.bound(candidate) * SLACK).ln();
        let target = best.ln() + self.problem.noise;
        let z = (target - mean) / deviation.max(1e-9);
        let out_of_reach = most < target;
        let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let probability = if out_of_reach { 0.0 } else { exceeds(z) };
        Chance {
            probability,
            gain: if out_of_reach { 0.0 } else { deviation * (density - z * exceeds(z)).max(0.0) },
            mean: mean.exp(),
            high: (mean + 1.96 * deviation).min(most).exp(),
            slots: candidate.concurrency.map_or(1.0, |c| f64::from(c.slots.unwrap_or(c.processes))),
        }
    }
}

/// Prior: a factor of two in the number of slots or processes is related, a factor of ten hardly.
const KERNEL: Kernel = Kernel { amplitude: 0.25, length: 1.5, noise: 0.05 };

/// What memory settings take, learned from the trials.
struct MemoryModel {
    limit: f64,
    line: Option<(f64, f64)>,
    broken: Option<u32>,
}

fn memory_model(tested: &[Tested], limit: f64) -> MemoryModel {
    let points: Vec<(f64, f64)> =
        tested.iter().filter_map(|t| Some((f64::from(t.processes?), t.memory?))).collect();
    // One point alone: all of it grows with the processes, the careful assumption.
    let line =
        knee_plan::statistics::line(&points).filter(|(_, slope)| *slope > 0.0).or_else(|| {
            points.iter().map(|(n, m)| (0.0, m / n.max(1.0))).max_by(|a, b| a.1.total_cmp(&b.1))
        });
    let broken = tested.iter().filter(|t| t.capacity.is_none()).filter_map(|t| t.processes).min();
    MemoryModel { limit, line, broken }
}

impl MemoryModel {
    fn allows(&self, candidate: &Candidate) -> bool {
        let Some(c) = candidate.concurrency else { return true };
        let fits = self
            .line
            .is_none_or(|(shared, each)| shared + each * f64::from(c.processes) <= self.limit);
        fits && self.broken.is_none_or(|n| c.processes < n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::model::{Concurrency, Serial};

    fn workers(n: u32) -> Candidate {
        Candidate {
            settings: Settings::default().with("workers", i64::from(n)),
            concurrency: Some(Concurrency {
                processes: n,
                slots: Some(n),
                cores: n.into(),
                serial: Serial::Worker,
            }),
            point: vec![f64::from(n).ln(), f64::from(n).ln(), f64::from(n).ln()],
        }
    }

    fn problem(demand: Demand) -> Problem {
        Problem {
            candidates: [2, 1, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64].map(workers).to_vec(),
            demand: Some(demand),
            task_cpu: 1.0,
            goal: Goal::default(),
            noise: 0.03,
            most: 8,
        }
    }

    /// Runs the search on a landscape; capacity and number of trials of the best.
    fn search(
        problem: &Problem,
        truth: impl Fn(u32) -> f64,
        memory: f64,
    ) -> (f64, Vec<Tested>, String) {
        let mut tested = vec![];
        let mut settings = problem.candidates[0].settings.clone();
        let why = loop {
            let n = settings.int("workers").unwrap() as u32;
            let taken = 30e6 + 40e6 * f64::from(n);
            tested.push(Tested {
                settings,
                capacity: (taken < memory * 1.1).then(|| truth(n)),
                memory: Some(taken),
                processes: Some(n),
            });
            match next(problem, &tested, memory) {
                Next::Try { settings: s, .. } => settings = s,
                Next::Stop(why) => break why,
            }
        };
        let best = tested.iter().filter_map(|t| t.capacity).fold(0.0, f64::max);
        (best, tested, why)
    }

    #[test]
    fn it_finds_the_best_of_a_landscape_that_the_model_gets_wrong() {
        // The model thinks that more workers are ever better; here they get in each other's way.
        for (cpu, wait, peak) in [(0.005, 0.020, 6.0), (0.005, 0.020, 24.0), (0.02, 0.002, 2.0)] {
            let problem = problem(Demand { cpu, wait });
            let truth = |n: u32| 150.0 * (-(f64::from(n) / peak).ln().powi(2) / 4.0).exp();
            let grid =
                [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].map(truth).into_iter().fold(0.0, f64::max);
            let (best, tested, why) = search(&problem, truth, 1e12);
            assert!(best > 0.95 * grid && tested.len() <= 8, "{best} of {grid}: {tested:?} {why}");
        }
    }

    #[test]
    fn it_stops_early_where_today_is_as_good_as_any() {
        let problem = problem(Demand { cpu: 0.05, wait: 0.0 });
        let (_, tested, why) = search(&problem, |_| 17.0, 1e12);
        assert!(tested.len() <= 7 && why.contains("noise"), "{}: {why}", tested.len());
    }

    #[test]
    fn it_stays_within_the_memory() {
        let problem = problem(Demand { cpu: 0.002, wait: 0.100 });
        let (_, tested, _) = search(&problem, |n| 9.0 * f64::from(n), 600e6);
        let most = tested.iter().filter_map(|t| t.processes).max().unwrap();
        assert!(most <= 16, "{tested:?}");
        assert!(tested.iter().any(|t| t.processes == Some(12)), "{tested:?}");
    }

    #[test]
    fn it_stops_when_the_asked_rate_is_carried() {
        let mut problem = problem(Demand { cpu: 0.005, wait: 0.020 });
        problem.goal.rate = Some(20.0);
        let (_, tested, why) = search(&problem, |n| 30.0 * f64::from(n), 1e12);
        assert_eq!(tested.len(), 1);
        assert!(why.contains("20 requests/s"), "{why}");
    }

    #[test]
    fn it_gives_up_where_nothing_holds() {
        let problem = problem(Demand { cpu: 0.005, wait: 0.500 });
        let (best, tested, why) = search(&problem, |_| 0.0, 1e12);
        assert!(best == 0.0 && tested.len() == 3 && why.contains("no setting"), "{why}");
    }
}
