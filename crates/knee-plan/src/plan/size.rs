//! The best settings for one task size.

use super::scaling::tracking;
use super::{Choice, Request};
use crate::forecast::{Carried, Case, Effort, Interval, Load, Place};
use knee_core::model::Network;
use knee_core::runtimes::Cost;
use knee_core::settings::Settings;
use knee_core::task::Task;
use knee_core::units::Seconds;

/// Forecasts that were made: other sizes with the same CPU ask for the same.
#[derive(Default)]
pub(super) struct Known {
    quick: Vec<(Key, f64)>,
    drafts: Vec<(Key, f64)>,
    carried: Vec<(Key, Carried)>,
    loads: Vec<(Key, f64, Load)>,
}

/// What a forecast depends on, in tasks of the same CPU.
#[derive(Clone, Copy, PartialEq)]
struct Key {
    network: Network,
    cost: Cost,
    connections: Option<u32>,
}

impl Key {
    fn of(case: &Case<'_>) -> Key {
        Key { network: case.network, cost: case.cost, connections: case.place.connections }
    }
}

/// Share of the closed form's best from which settings are simulated: it is not that exact.
const NEAR: f64 = 0.85;
/// Most settings that are simulated for a size.
const MOST: usize = 10;
/// Share of the simulated best from which the settings that take least are chosen.
const EQUAL: f64 = 0.97;
/// Tasks beyond which nothing is planned: a slip of a digit, or a unit.
const TASKS: f64 = 1e6;

/// The best settings for a task of this size, or why there are none.
pub(super) fn choose(
    request: &Request<'_>,
    task: Task,
    known: &mut Known,
) -> Result<Choice, String> {
    let around = request.place(task).surroundings();
    let all = (request.candidates)(&around);
    let cases: Vec<(&Settings, Case<'_>)> =
        all.iter().filter_map(|s| Some((s, request.case(s, task)?))).collect();
    let fitting: Vec<&(&Settings, Case<'_>)> =
        cases.iter().filter(|(_, case)| request.fits(task, &case.memory(1.0))).collect();
    if fitting.is_empty() {
        return Err(too_small(request, task, &cases));
    }
    let (settings, case) = best(request, &fitting, known);
    let carries = carried(request, case, known);
    if carries.rate.value <= 0.0 {
        let alone = load(request, case, 0.01 * carries.bound, known).goal.value;
        let (alone, goal) = (Seconds(alone), request.goal.latency);
        return Err(format!("one request alone takes {alone}, the goal is {goal}"));
    }
    if request.rate > TASKS * request.growth.usable() * carries.rate.value {
        return Err("takes more than a million tasks".into());
    }
    let choice = choice(request, settings, case, carries, known);
    match request.connections {
        Some(all) if choice.tasks > all => Err(format!(
            "{} tasks have {all} connections to the backend, not one for each",
            choice.tasks
        )),
        Some(all) if choice.load.goal.value > request.goal.latency.0 => Err(format!(
            "{} tasks share {all} connections to the backend: {} is {}",
            choice.tasks,
            request.goal.quantile_name(),
            Seconds(choice.load.goal.value)
        )),
        _ => Ok(choice),
    }
}

fn too_small(request: &Request<'_>, task: Task, cases: &[(&Settings, Case<'_>)]) -> String {
    let least = cases.iter().map(|(_, case)| case.memory(1.0).expected).min();
    match least {
        Some(least) => format!(
            "takes at least {least} of {}, and {:.0} % have to stay free",
            task.memory,
            100.0 * request.memory_free
        ),
        None => "no model of these settings".into(),
    }
}

/// The settings that carry most, and take least among equals.
fn best<'a, 'p>(
    request: &Request<'_>,
    fitting: &[&'a (&'a Settings, Case<'p>)],
    known: &mut Known,
) -> (&'a Settings, &'a Case<'p>) {
    let listed = shortlist(request, fitting, known);
    let drafts: Vec<f64> = listed.iter().map(|(_, case)| draft(request, case, known)).collect();
    let most = drafts.iter().copied().fold(0.0, f64::max);
    let good = listed.iter().zip(&drafts).filter(|(_, rate)| **rate >= EQUAL * most);
    let (chosen, _) =
        good.min_by(|a, b| takes(a.0).total_cmp(&takes(b.0))).unwrap_or((&listed[0], &0.0));
    (chosen.0, &chosen.1)
}

/// What settings take: memory first, then threads.
fn takes((_, case): &(&Settings, Case<'_>)) -> f64 {
    let slots = case.network.process.slots.unwrap_or(1);
    case.memory(1.0).expected.0 as f64
        + 1e-3 * f64::from(slots)
        + f64::from(case.network.process.lanes)
}

/// Those near the best by a closed form, thinned out evenly from those that take least.
fn shortlist<'a, 'p>(
    request: &Request<'_>,
    fitting: &[&'a (&'a Settings, Case<'p>)],
    known: &mut Known,
) -> Vec<&'a (&'a Settings, Case<'p>)> {
    let mut quick = |case: &Case<'_>| {
        let key = Key::of(case);
        if let Some((_, rate)) = known.quick.iter().find(|(k, _)| *k == key) {
            return *rate;
        }
        let rate = case.quick(&request.goal);
        known.quick.push((key, rate));
        rate
    };
    let said: Vec<f64> = fitting.iter().map(|(_, case)| quick(case)).collect();
    let most = said.iter().copied().fold(0.0, f64::max);
    let mut near: Vec<_> = fitting
        .iter()
        .zip(&said)
        .filter(|(_, rate)| **rate >= NEAR * most)
        .map(|(candidate, _)| *candidate)
        .collect();
    near.sort_by(|a, b| takes(a).total_cmp(&takes(b)));
    let step = near.len().div_ceil(MOST).max(1);
    near.into_iter().step_by(step).collect()
}

/// What a case carries, roughly.
fn draft(request: &Request<'_>, case: &Case<'_>, known: &mut Known) -> f64 {
    let key = Key::of(case);
    if let Some((_, rate)) = known.drafts.iter().find(|(k, _)| *k == key) {
        return *rate;
    }
    let effort = Effort { seed: request.effort.seed, ..Effort::DRAFT };
    let rate = case.carries(&request.goal, &effort).rate.value;
    known.drafts.push((key, rate));
    rate
}

/// What a case carries.
fn carried(request: &Request<'_>, case: &Case<'_>, known: &mut Known) -> Carried {
    let key = Key::of(case);
    if let Some((_, carried)) = known.carried.iter().find(|(k, _)| *k == key) {
        return carried.clone();
    }
    let carried = case.carries(&request.goal, &request.effort);
    known.carried.push((key, carried.clone()));
    carried
}

/// What a case shows at a rate; its memory is that of this size.
fn load(request: &Request<'_>, case: &Case<'_>, rate: f64, known: &mut Known) -> Load {
    let key = Key::of(case);
    let load = match known.loads.iter().find(|(k, r, _)| *k == key && *r == rate) {
        Some((_, _, load)) => load.clone(),
        None => {
            let load = case.under(rate, &request.goal, &request.effort);
            known.loads.push((key, rate, load.clone()));
            load
        }
    };
    Load { memory: case.memory(f64::from(load.in_service)), ..load }
}

fn choice(
    request: &Request<'_>,
    settings: &Settings,
    case: &Case<'_>,
    carries: Carried,
    known: &mut Known,
) -> Choice {
    let task = case.place.task;
    let usable = request.growth.usable();
    let tasks = |carried: f64| {
        let target = (usable * carried).max(1e-9);
        ((request.rate / target).ceil().min(TASKS) as u32).max(request.at_least)
    };
    let Interval { value, low, high } = carries.rate;
    let count = tasks(value);
    let rate = request.rate / f64::from(count);
    let connections = request.connections.map(|all| (all / count).max(1));
    let mut planned = case.clone();
    planned.place = Place { connections, ..case.place };
    let at_target = load(request, case, usable * value, known);
    Choice {
        task,
        settings: settings.clone(),
        tasks: count,
        tasks_between: (tasks(high), tasks(low)),
        load: load(request, &planned, rate, known),
        head_room: 1.0 - rate / value,
        month: request.month(task, count),
        tracking: tracking(&carries, &at_target, &request.growth),
        beyond: case.beyond(value),
        carries,
    }
}
