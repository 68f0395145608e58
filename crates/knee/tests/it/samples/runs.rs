//! Runs that end in every way.

use super::formula::{Formula, pool};
use super::read::{patch, started};
use knee_core::event::{Abandoned, Conclusion, Event, Trial, Verdict};
use knee_core::limit::{self, Scene};
use knee_core::observe::{Calibration, Capacity, Outcome, Step, Validity};
use knee_core::settings::Settings;
use knee_core::{Bytes, Goal, Seconds, Task};
use knee_measure::{SearchOptions, check_rate, search_capacity};
use knee_plan::pairs::{self, Pair, Side};
use knee_plan::{Demand, bound, ceiling};
use std::convert::Infallible;

/// A run by the name of what it shows.
pub struct Sample {
    pub name: &'static str,
    pub events: Vec<Event>,
}

/// Tells a run from its beginning.
type Told = fn() -> Vec<Event>;

/// One of each kind.
pub fn all() -> Vec<Sample> {
    let samples: [(&'static str, Told); 10] = [
        ("gain", gain),
        ("no-gain", no_gain),
        ("memory", memory),
        ("inconclusive", inconclusive),
        ("interrupted", interrupted),
        ("confirming", confirming),
        ("goal-missed", goal_missed),
        ("first-that-holds", first_that_holds),
        ("satisfied", satisfied),
        ("recorded", recorded),
    ];
    samples.map(|(name, events)| Sample { name, events: events() }).into()
}

/// Two workers where the quota carries many more.
fn gain() -> Vec<Event> {
    let mut run = Script::new(Goal::default(), "1,2GB", 2);
    run.search(&[8, 12, 6, 4, 3]);
    run.confirm(3);
    run.end(
        Conclusion::Improved,
        "no untested setting is likely to beat the best by more than the noise (4 %): the most plausible, workers=10, with a probability of 6 %",
    )
}

/// Eight workers are as good as any.
fn no_gain() -> Vec<Event> {
    let mut run = Script::new(Goal::default(), "0.5,1GB", 8);
    run.search(&[12, 10]);
    run.confirm(5);
    run.end(
        Conclusion::NoGain,
        "no untested setting is likely to beat the best by more than the noise (4 %): the most plausible, workers=9, with a probability of 8 %",
    )
}

/// What carries more does not fit the task.
fn memory() -> Vec<Event> {
    let mut run = Script::new(Goal::default(), "1,2GB", 4);
    run.formula.per_worker = Bytes::mib(420);
    run.search(&[8, 5]);
    run.end(Conclusion::NoGain, "every setting within the memory was measured")
}

/// The generator had no CPU of its own.
fn inconclusive() -> Vec<Event> {
    let mut run = Script::new(Goal::default(), "2,4GB", 4);
    run.doubt = Some(
        "the generator sent 31 % of its requests more than 1 ms late (median 0.4 ms, worst 48 ms)",
    );
    run.caveat("2 vCPU for the task and 0.5 for the generator do not fit on 2 CPUs");
    run.search(&[8]);
    run.end(Conclusion::Inconclusive, "every setting within the memory was measured")
}

/// Ctrl-C in the middle of the third trial.
fn interrupted() -> Vec<Event> {
    let mut events = gain();
    let third = events.iter().position(|e| matches!(e, Event::Trying { number: 3, .. })).unwrap();
    events.truncate(third + 4);
    events
}

/// Ctrl-C in the middle of the confirmation.
fn confirming() -> Vec<Event> {
    let mut events = gain();
    let first = events.iter().position(|e| matches!(e, Event::Paired { .. })).unwrap();
    events.truncate(first + 2);
    events
}

/// One request alone takes longer than the goal allows.
fn goal_missed() -> Vec<Event> {
    let mut run = Script::new("p99<40ms".parse().unwrap(), "0.5,1GB", 5);
    run.formula.demand.wait = 0.045;
    run.search(&[16, 8]);
    run.end(Conclusion::GoalMissed, "no setting that was tried holds the goal at any rate")
}

/// Today's single worker holds nothing at the rate asked for, twelve do.
fn first_that_holds() -> Vec<Event> {
    let goal = "p95<200ms,errors<0.5%,rate>=120".parse().unwrap();
    let mut run = Script::new(goal, "1,2GB", 1);
    run.search(&[12]);
    run.end(Conclusion::Improved, "the asked 120 requests/s are carried")
}

/// Today's settings carry the rate asked for.
fn satisfied() -> Vec<Event> {
    let mut run = Script::new("p99<250ms,rate>=60".parse().unwrap(), "1,2GB", 5);
    run.search(&[]);
    run.end(Conclusion::Satisfied, "the asked 60 requests/s are carried")
}

/// A real one: a short run of `examples/gunicorn`.
fn recorded() -> Vec<Event> {
    let lines = include_str!("../../../testdata/run/events.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A run as it is written.
struct Script {
    formula: Formula,
    goal: Goal,
    today: Settings,
    trials: Vec<Trial>,
    pairs: Vec<(f64, f64)>,
    validity: Validity,
    /// Why no step of it says anything, if so.
    doubt: Option<&'static str>,
    events: Vec<Event>,
}

/// Share of the memory that a setting may take.
const ROOM: f64 = 0.9;

impl Script {
    fn new(goal: Goal, task: &str, workers: i64) -> Script {
        let task: Task = task.parse().unwrap();
        let today = Settings::default()
            .with("backlog", 2048)
            .with("threads", 1)
            .with("worker-class", "sync")
            .with("workers", workers);
        let formula = Formula {
            task,
            demand: Demand { cpu: 0.005, wait: 0.020 },
            per_worker: Bytes::mib(31),
            shared: Bytes::mib(58),
            seed: 7,
        };
        let started = started(&goal, task, &today);
        Script {
            formula,
            goal,
            today,
            trials: vec![],
            pairs: vec![],
            validity: Validity::default(),
            doubt: None,
            events: vec![Event::Started(Box::new(started))],
        }
    }

    fn caveat(&mut self, text: &str) {
        self.validity.caveats.push(text.into());
    }

    /// Today's settings, then these numbers of workers.
    fn search(&mut self, workers: &[i64]) {
        let today = self.today.clone();
        self.trying(&today, "today's settings".into(), None);
        let demand = self.formula.demand;
        self.events.push(Event::Calibrated {
            calibration: Calibration {
                cpu: Seconds(demand.cpu),
                wait: Seconds(demand.wait),
                per_worker: self.formula.per_worker,
                shared: self.formula.shared,
                rate: 20.0,
                settings: today.clone(),
                light: None,
                kinds: vec![],
            },
            bound: ceiling(&demand, self.formula.task.cpu),
        });
        self.tried(&today);
        for n in workers {
            let settings = today.with("workers", *n);
            let forecast =
                knee_plan::capacity(&pool(*n), &demand, self.formula.task.cpu, &self.goal);
            let because =
                format!("may reach {:.0} requests/s, expected {forecast:.0}", forecast * 1.12);
            self.trying(&settings, because, Some(forecast));
            self.tried(&settings);
        }
    }

    fn trying(&mut self, settings: &Settings, because: String, forecast: Option<f64>) {
        let number = self.trials.len() as u32 + 1;
        self.events.push(Event::Trying { number, settings: settings.clone(), because, forecast });
    }

    fn tried(&mut self, settings: &Settings) {
        let c = pool(settings.int("workers").unwrap());
        let best = self.best().and_then(|b| b.capacity.as_ref()).map_or(0.0, |c| c.rate);
        let probe = (best > 0.0).then(|| self.step(settings, best * 1.02, 2.5));
        let trial = Trial {
            number: self.trials.len() as u32 + 1,
            settings: settings.clone(),
            bound: Some(bound(&c, &self.formula.demand, self.formula.task.cpu).rate),
            capacity: None,
            abandoned: None,
            rejected: None,
            seconds: 21.4,
        };
        let trial = match probe {
            Some(step)
                if step.outcome != Outcome::Held
                    && self.goal.rate.is_none()
                    && self.trials.len() > 2 =>
            {
                let shown = Capacity { curve: vec![step.clone()], ..self.nothing() };
                let limited_by = limit::name(&shown, &self.scene(settings));
                let abandoned = Abandoned { below: step.offered, step, limited_by };
                Trial { abandoned: Some(Box::new(abandoned)), seconds: 6.2, ..trial }
            }
            _ => {
                let capacity = self.capacity(settings);
                Trial { rejected: self.unfit(&capacity), capacity: Some(capacity), ..trial }
            }
        };
        self.trials.push(trial.clone());
        self.events.push(Event::Tried(Box::new(trial)));
    }

    fn step(&mut self, settings: &Settings, rate: f64, seconds: f64) -> Step {
        let c = pool(settings.int("workers").unwrap());
        let mut step = self.formula.step(&c, rate, seconds, &self.goal);
        step.validity.invalid.extend(self.doubt.map(String::from));
        let number = self.trials.len() as u32 + 1;
        self.events.push(Event::Stepped { number, step: Box::new(step.clone()) });
        step
    }

    fn capacity(&mut self, settings: &Settings) -> Capacity {
        let goal = self.goal;
        let find = if goal.rate.is_some() { check_rate } else { search_capacity };
        let mut measure = |rate, seconds| Ok::<_, Infallible>(self.step(settings, rate, seconds));
        let options = SearchOptions { first: 40.0, budget: 60.0, ..SearchOptions::default() };
        let Ok(mut capacity) = find(&mut measure, &goal, &options, &mut |_| {});
        capacity.limited_by = limit::name(&capacity, &self.scene(settings));
        capacity
    }

    fn nothing(&self) -> Capacity {
        Capacity {
            spread: None,
            rate: 0.0,
            at: None,
            curve: vec![],
            limited_by: knee_core::observe::Limit {
                resource: knee_core::observe::Resource::Unknown,
                evidence: String::new(),
            },
            validity: Validity::default(),
        }
    }

    fn scene(&self, settings: &Settings) -> Scene {
        Scene {
            task: self.formula.task,
            concurrency: Some(pool(settings.int("workers").unwrap())),
            alone: Some(self.formula.demand.cpu + self.formula.demand.wait),
            nofile: Some(65_536),
        }
    }

    fn unfit(&self, capacity: &Capacity) -> Option<String> {
        let used = capacity.at.as_ref()?.usage.as_ref()?.memory;
        let memory = self.formula.task.memory;
        (used.0 as f64 > ROOM * memory.0 as f64)
            .then(|| format!("takes {used} of the task's {memory}; 10 % have to stay free"))
    }

    /// The trial that carries most and can be taken.
    fn best(&self) -> Option<&Trial> {
        let rate = |t: &Trial| t.capacity.as_ref().map_or(0.0, |c| c.rate);
        let usable = self.trials.iter().filter(|t| t.rejected.is_none());
        usable.rev().max_by(|a, b| rate(a).total_cmp(&rate(b)))
    }

    fn confirm(&mut self, of: u32) {
        let rate = |t: &Trial| t.capacity.as_ref().unwrap().rate;
        let (before, after) = (rate(&self.trials[0]), rate(self.best().unwrap()));
        for number in 1..=of {
            let baseline = before * (1.0 + 0.03 * self.formula.noise());
            let best = after * (1.0 + 0.03 * self.formula.noise());
            self.pairs.push((baseline, best));
            self.events.push(Event::Paired { number, of, baseline, best, host: None });
        }
    }

    fn end(mut self, conclusion: Conclusion, stopped_because: &str) -> Vec<Event> {
        let improved = conclusion == Conclusion::Improved;
        let best = self.best().filter(|_| improved).unwrap_or(&self.trials[0]);
        let patches = if improved { vec![patch(&self.today, &best.settings)] } else { vec![] };
        let number = best.number;
        self.validity.invalid.extend(self.doubt.map(String::from));
        self.events.push(Event::Ended(Box::new(Verdict {
            conclusion,
            baseline: 1,
            best: number,
            stopped_because: stopped_because.into(),
            bound: Some(ceiling(&self.formula.demand, self.formula.task.cpu)),
            confirmation: pairs::gain(&self.pairs.iter().map(as_measured).collect::<Vec<_>>()),
            patches,
            validity: self.validity,
        })));
        self.events
    }
}

/// A pair on a host whose speed nobody watched.
fn as_measured((baseline, best): &(f64, f64)) -> Pair {
    let side = |rate: f64| Side { rate, host: 1.0 };
    Pair { baseline: side(*baseline), best: side(*best) }
}
