//! A task under more and more load, up to twice what it carries: how latency grows, and what
//! clients that give up and try again make of an overload.

use super::{Choice, Request};
use crate::forecast::{Effort, Load};
use knee_core::observe::Resource;
use knee_core::task::Task;
use serde::Serialize;

/// A task under more and more load.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// Its size; the settings are those of its choice.
    pub task: Task,
    /// By rate, ascending.
    pub points: Vec<Loaded>,
}

/// The task at one rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loaded {
    /// Requests/s that are asked for, attempts after the first left out.
    pub rate: f64,
    /// Requests/s that are answered before their client gives up.
    pub answered: f64,
    /// Median latency, seconds, from the first attempt on; infinite where the queue has no end.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Share of requests that fail.
    pub errors: f64,
    /// Attempts for a request, in the mean.
    pub attempts: f64,
    /// CPU used, as a share of the task's vCPU.
    pub cpu: f64,
    /// The station that is nearest to its capacity.
    pub binding: Resource,
}

/// Load over what the task carries.
const LOADS: [f64; 8] = [0.3, 0.5, 0.8, 1.0, 1.1, 1.25, 1.5, 2.0];

/// A choice's task under more and more load.
pub(super) fn curve(request: &Request<'_>, choice: &Choice) -> Option<Curve> {
    let case = request.case(&choice.settings, choice.task)?;
    let effort = Effort { draws: 0, ..request.effort };
    let carries = &choice.carries;
    let patient = request.traffic.clients.timeout.is_none();
    let point = |load: f64| {
        let rate = load * carries.rate.value;
        let shown = case.under(rate, &request.goal, &effort);
        // Nobody leaves a queue of patient clients that grows.
        let endless = patient && rate >= carries.bound;
        let latency = |seconds: f64| if endless { f64::INFINITY } else { seconds };
        let Load { errors, attempts, cpu, binding, .. } = shown;
        Loaded {
            rate,
            answered: (rate * (1.0 - errors)).min(if patient { carries.bound } else { rate }),
            p50: latency(shown.p50.value),
            p99: latency(shown.p99.value),
            errors,
            attempts,
            cpu: cpu.min(1.0),
            binding,
        }
    };
    Some(Curve { task: choice.task, points: LOADS.map(point).to_vec() })
}
