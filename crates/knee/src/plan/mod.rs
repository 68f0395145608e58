//! `knee plan`: what is put together for an answer, and how it is shown.
//!
//! What lives here: finding a profile, asking `knee_plan`, words. What never does: a forecast.

mod assume;
mod basis;
mod document;
mod measured;
mod traffic;
mod words;

pub use assume::{Assumed, KEYS};
pub use basis::{Basis, write_lock};
pub use document::document;
pub use measured::{LOOK, Sized};
pub use traffic::{Arrivals, arrivals, clients};
pub use words::{dollars, headline, notes, row, text};

use crate::exit::Exit;
use crate::failure::Failure;
use knee_core::runtimes::{self, Runtime, Surroundings};
use knee_core::service::Service;
use knee_core::settings::{Effect, Knob, Range, Settings, Value};
use knee_core::{Bytes, Goal, Task};
use knee_plan::forecast::{self, Effort, Traffic};
use knee_plan::plan::{Growth, Plan, Request, Sweep, plan, sweep};
use knee_plan::prices::Prices;
use knee_tune::space::{self, Searched};
use std::collections::BTreeSet;

/// What was asked for.
#[derive(Debug)]
pub struct Question {
    /// Requests/s in all; None is what the best of the run carried.
    pub rate: Option<f64>,
    /// What has to be held; None is the run's own goal.
    pub goal: Option<Goal>,
    /// Only this task size.
    pub task: Option<Task>,
    /// Knobs that are set, by name.
    pub set: Vec<(String, String)>,
    /// Connections to the backend for all tasks together.
    pub connections: Option<u32>,
    /// How requests come, and what their clients do.
    pub traffic: Traffic,
    /// Fewest tasks.
    pub at_least: u32,
    /// How load grows.
    pub growth: Growth,
    /// What tasks cost.
    pub prices: Prices,
    /// Speed of a task's vCPU over that of the CPU on which the profile was measured.
    pub speed: f64,
    /// One seed, one answer.
    pub seed: u64,
}

/// What is answered.
#[derive(Debug)]
pub struct Answer {
    /// What it rests on.
    pub basis: Basis,
    /// What to run.
    pub plan: Plan,
    /// The main knob turned in the cheapest task; None where nothing can be run.
    pub sweep: Option<Sweep>,
    /// The knobs whose values say what a choice is; the others are as today.
    pub told: BTreeSet<String>,
    /// What tasks cost.
    pub prices: Prices,
    /// How requests come, where that was said.
    pub traffic: Option<String>,
    /// Whether clients give up.
    pub impatient: bool,
    /// Where the rate comes from, if it was not asked for.
    pub rate_from: Option<String>,
    /// Reasons to read it with care.
    pub caveats: Vec<String>,
}

/// Answers.
pub fn answer(question: Question, basis: Basis) -> Result<Answer, Failure> {
    let runtime = runtimes::by_id(&basis.profile.runtime).ok_or_else(|| {
        let what = format!("`{}` is no runtime that this knee knows", basis.profile.runtime);
        Failure::new(Exit::Refused, what).remedy("measure again with this knee")
    })?;
    let set = settings(&question.set, basis.service.as_ref(), runtime)?;
    let goal = question.goal.or(basis.goal).unwrap_or_default();
    let known = rate(&question, &goal, &basis);
    let candidates = |around: &Surroundings| candidates(&basis, runtime, &set, around);
    let mut request = Request {
        profile: &basis.profile,
        candidates: &candidates,
        sizes: question.task.map_or_else(Task::fargate_sizes, |task| vec![task]),
        rate: known.as_ref().map_or(ONE, |(rate, _)| *rate),
        goal,
        memory_free: basis.memory_free,
        growth: question.growth,
        prices: &question.prices,
        at_least: question.at_least,
        connections: question.connections,
        traffic: question.traffic.clone(),
        speed: question.speed,
        effort: Effort { seed: question.seed, ..Effort::FULL },
    };
    let rate_from = match known {
        Some((_, from)) => from,
        None => Some(one_task(&mut request, question.task)),
    };
    let plan = plan(&request);
    let sweep = turned(&request, &plan, runtime, &set);
    let caveats = caveats(&plan, &basis, question.speed);
    let moves = |knob: &Knob| matches!(knob.effect, Effect::Concurrency | Effect::Memory);
    let knobs = (runtime.knobs)().into_iter().filter(moves).map(|knob| knob.name.to_string());
    let told = knobs.chain(set.0.keys().cloned()).collect();
    Ok(Answer {
        plan,
        sweep,
        told,
        traffic: traffic::words(&question.traffic),
        impatient: question.traffic.clients.timeout.is_some(),
        rate_from,
        caveats,
        prices: question.prices.clone(),
        basis,
    })
}

impl Answer {
    /// The settings of a choice as far as they say what it is.
    pub fn settings(&self, settings: &Settings) -> Settings {
        let told = settings.0.iter().filter(|(knob, _)| self.told.contains(*knob));
        Settings(told.map(|(knob, value)| (knob.clone(), value.clone())).collect())
    }
}

/// The rate that was asked for, else the one that the best settings of the run carried, and where the latter is
/// from.
fn rate(question: &Question, goal: &Goal, basis: &Basis) -> Option<(f64, Option<String>)> {
    if let Some(rate) = question.rate.or(goal.rate) {
        return Some((rate, None));
    }
    let (rate, run) = basis.carried.clone()?;
    let from = format!("as much as one task carried in {run}; --rate asks for another");
    Some((rate, Some(from)))
}

/// A rate that a task carries, if it carries any.
const ONE: f64 = 1.0;

/// Where nobody names a rate and nothing was measured: as much as one task is forecast to carry, of the size
/// that was named or of 1 vCPU. Says so.
fn one_task(request: &mut Request<'_>, named: Option<Task>) -> String {
    let task = named.unwrap_or(Task { cpu: 1.0, memory: Bytes::mib(2048) });
    let sizes = std::mem::replace(&mut request.sizes, vec![task]);
    let carries = plan(request).choices.first().map(|choice| choice.carries.rate.value);
    request.sizes = sizes;
    let Some(carries) = carries.filter(|rate| *rate > 0.0) else {
        return format!(
            "one a second, as a task of {task} is forecast to carry none; --rate asks for another"
        );
    };
    request.rate = carries;
    format!("as much as one task of {task} is forecast to carry; --rate asks for another")
}

/// Settings named on the command line, each within its knob's range.
fn settings(
    set: &[(String, String)],
    service: Option<&Service>,
    runtime: &'static Runtime,
) -> Result<Settings, Failure> {
    let knobs = match service {
        Some(service) => service.knobs().map(|(_, placed)| placed.knob.clone()).collect(),
        None => (runtime.knobs)(),
    };
    let mut settings = Settings::default();
    for (name, text) in set {
        let Some(knob) = knobs.iter().find(|knob| knob.name == *name) else {
            let known: Vec<&str> = knobs.iter().map(|knob| &*knob.name).collect();
            let what = format!("--set {name}: there is no such setting");
            let remedy = format!("one of {}", known.join(", "));
            return Err(Failure::new(Exit::Refused, what).remedy(remedy));
        };
        let value = text.parse().map_or_else(|_| Value::Text(text.clone()), Value::Int);
        // What only the runtime knows how to read, `off` or a size with its unit, if it is the same in any task.
        let own = [1, 2].map(|visible_cpus| {
            let around = Surroundings { visible_cpus, task_cpu: 1.0, task_memory: 1 << 30 };
            (runtime.read)(&knob.name, text, &around)
        });
        let own = own[0].clone().filter(|_| own[0] == own[1]);
        let named = own.as_ref().is_some_and(|own| own.as_text() == Some(text));
        let value = own.unwrap_or(value);
        if !named && !knob.range.contains(&value) {
            let what = format!("--set {name}={text}: outside of what it can be");
            return Err(Failure::new(Exit::Refused, what).remedy(format!("{}", knob.range)));
        }
        settings = settings.with(name.clone(), value);
    }
    Ok(settings)
}

/// The settings that may be taken, with those that were named on the command line.
fn candidates(
    basis: &Basis,
    runtime: &'static Runtime,
    set: &Settings,
    around: &Surroundings,
) -> Vec<Settings> {
    let unknown;
    let service = match &basis.service {
        Some(service) => service,
        None => {
            unknown = Service::of_runtime(runtime, around);
            &unknown
        }
    };
    let heap = forecast::heap(&basis.profile);
    let all = space::candidates(service, around, Searched { heap, limits: false });
    let mut seen = BTreeSet::new();
    let pinned = |candidate: space::Candidate| {
        let mut settings = candidate.settings;
        settings.0.extend(set.0.clone());
        // Settling may not undo what was asked for.
        let settled = space::settle(service, &settings);
        let kept = set.0.iter().all(|(knob, value)| settled.0.get(knob) == Some(value));
        kept.then_some(settled).filter(|s| seen.insert(s.clone()))
    };
    all.into_iter().filter_map(pinned).collect()
}

/// The knob that says most of how much is done at once, turned in the cheapest task.
fn turned(
    request: &Request<'_>,
    plan: &Plan,
    runtime: &'static Runtime,
    set: &Settings,
) -> Option<Sweep> {
    let choice = plan.choices.first()?;
    let main = (runtime.knobs)().into_iter().find(|knob| {
        knob.effect == Effect::Concurrency && matches!(knob.range, Range::Integers { .. })
    })?;
    if set.0.contains_key(&*main.name) {
        return None;
    }
    let around = Surroundings {
        visible_cpus: choice.task.fargate_cpus(),
        task_cpu: choice.task.cpu,
        task_memory: choice.task.memory.0,
    };
    let all = (request.candidates)(&around);
    let values: BTreeSet<i64> = all.iter().filter_map(|s| s.int(&main.name)).collect();
    let values: Vec<i64> = values.into_iter().collect();
    let rate = choice.load.rate;
    let knob = (&*main.name, &values[..]);
    Some(sweep(request, choice.task, rate, &choice.settings, knob, &|s| (runtime.settle)(s)))
}

fn caveats(plan: &Plan, basis: &Basis, speed: f64) -> Vec<String> {
    let mut caveats = vec![];
    let shown = plan.choices.first();
    if let Some(beyond) = shown.map(|c| &c.beyond).filter(|b| !b.is_empty()) {
        caveats.push(format!(
            "extrapolated beyond what was measured for the cheapest: {}",
            beyond.join("; ")
        ));
    }
    if basis.profile.measured.is_some() && (speed - 1.0).abs() < 1e-9 {
        caveats.push(
            "a vCPU of Fargate is taken to be as fast as a CPU of the machine that measured; \
             --speed says otherwise"
                .into(),
        );
    }
    caveats.extend(basis.doubts());
    caveats
}
