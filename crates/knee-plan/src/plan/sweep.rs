//! One knob turned through its values, all else kept: what a picture of it shows.

use super::Request;
use crate::forecast::{Effort, Interval, Load};
use knee_core::observe::Resource;
use knee_core::settings::Settings;
use knee_core::task::Task;
use serde::Serialize;

/// A knob turned through its values.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// Its name.
    pub knob: String,
    /// The task it is turned in.
    pub task: Task,
    /// Requests/s to the task at which the latency is told.
    pub rate: f64,
    /// One point for each value, ascending.
    pub points: Vec<Point>,
}

/// One value of the knob.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The value.
    pub value: i64,
    /// What the task carries within the goal, requests/s.
    pub carries: Interval,
    /// The goal's quantile of the latency at the sweep's rate, seconds; infinite where that is
    /// not carried.
    pub latency: f64,
    /// What gives out.
    pub binding: Resource,
    /// Whether its memory fits into the task.
    pub fits: bool,
}

/// Profiles drawn for a point's interval: it is drawn as a band, not read as a figure.
const DRAWS: u32 = 4;

/// Turns `knob` through `values` in a task of that size, all else as in `settings`. `settle` makes
/// settings consistent. Values without a model are left out.
pub fn sweep(
    request: &Request<'_>,
    task: Task,
    rate: f64,
    settings: &Settings,
    (knob, values): (&str, &[i64]),
    settle: &dyn Fn(&Settings) -> Settings,
) -> Sweep {
    let span = request.effort.cheaper().span;
    let effort = Effort { span, draws: DRAWS, ..request.effort };
    let point = |value: &i64| {
        let settings = settle(&settings.with(knob.to_string(), *value));
        let case = request.case(&settings, task)?;
        let carries = case.carries(&request.goal, &effort);
        let alone = Effort { draws: 0, ..effort };
        let Load { goal, memory, .. } = case.under(rate, &request.goal, &alone);
        let latency = if carries.bound > rate { goal.value } else { f64::INFINITY };
        let fits = request.fits(task, &memory);
        let binding = carries.binding;
        Some(Point { value: *value, carries: carries.rate, latency, binding, fits })
    };
    let points = values.iter().filter_map(point).collect();
    Sweep { knob: knob.into(), task, rate, points }
}
