//! Why no setting in no task can hold a goal, and what would have to change.

use super::Request;
use crate::bounds::Demand;
use crate::forecast::{Effort, Span};
use knee_core::observe::Resource;
use knee_core::task::Task;
use knee_core::units::Seconds;
use serde::Serialize;

/// A goal that cannot be held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impossible {
    /// What makes it so.
    pub resource: Resource,
    /// How that is known.
    pub because: String,
    /// What would have to change.
    pub change: String,
}

/// Connections that all tasks share carry a rate of their own, however many tasks there are.
pub(super) fn backend(request: &Request<'_>) -> Option<Impossible> {
    let connections = f64::from(request.connections?);
    let wait = Demand::from(request.profile).wait;
    let most = connections / wait.max(1e-9);
    (most <= request.rate).then(|| Impossible {
        resource: Resource::Backend,
        because: format!(
            "{connections} connections that are held for {} a request carry {most:.0} requests/s, \
             {:.0} are asked for",
            Seconds(wait),
            request.rate
        ),
        change: format!(
            "at least {:.0} connections, or less than {} of waiting per request",
            (request.rate * wait / BUSY).ceil(),
            Seconds(BUSY * connections / request.rate)
        ),
    })
}

/// Share of its connections up to which a backend is not in the way.
const BUSY: f64 = 0.8;

/// Why no task size holds the goal at any rate.
pub(super) fn nothing(request: &Request<'_>) -> Option<Impossible> {
    let largest = request.sizes.iter().copied().max_by(larger)?;
    let cases: Vec<_> = (request.candidates)(&request.place(largest).surroundings())
        .into_iter()
        .filter_map(|settings| request.case(&settings, largest))
        .collect();
    let least = cases.iter().min_by_key(|case| case.memory(1.0).expected)?;
    let need = least.memory(1.0).expected;
    if need.0 as f64 > request.room(largest) {
        return Some(Impossible {
            resource: Resource::Memory,
            because: format!(
                "the least that any setting takes is {need}, and {largest} has room for {:.0} MiB of it",
                request.room(largest) / f64::from(1 << 20)
            ),
            change: "a process has to take less memory".into(),
        });
    }
    let effort = Effort { span: Span::Steady { requests: 20_000 }, draws: 0, ..request.effort };
    let carries = least.carries(&request.goal, &effort);
    let alone = least.under(0.01 * carries.bound, &request.goal, &effort);
    let (goal, took) = (request.goal.latency, Seconds(alone.goal.value));
    if took <= goal {
        return Some(too_many(request, carries.binding));
    }
    let classes = &request.profile.classes;
    let slowest = classes.iter().max_by(|a, b| {
        let takes = |c: &knee_core::profile::Class| c.cpu.mean.value + c.wait.mean.value;
        takes(a).total_cmp(&takes(b))
    })?;
    let (cpu, wait) = (slowest.cpu.mean.value / request.speed, slowest.wait.mean.value);
    let resource = if wait >= cpu { Resource::Backend } else { Resource::CpuQuota };
    let other = if wait >= cpu { cpu } else { wait };
    let name = request.goal.quantile_name();
    Some(Impossible {
        resource,
        because: format!(
            "without any other request {name} is {took} ({} of CPU and {} of waiting in the mean \
             for {}), the goal is {goal}",
            Seconds(cpu),
            Seconds(wait),
            slowest.name
        ),
        change: format!(
            "the {} of a request has to come down to {} at {name}, or the goal up to {took}",
            if wait >= cpu { "waiting" } else { "CPU" },
            Seconds((goal.0 - other).max(0.0))
        ),
    })
}

/// Why the rate cannot be carried, where a request alone is in time.
fn too_many(request: &Request<'_>, binding: Resource) -> Impossible {
    let (rate, name) = (request.rate, request.goal.quantile_name());
    match request.connections {
        Some(all) => Impossible {
            resource: Resource::Backend,
            because: format!(
                "the connections to it that all tasks share ({all}) keep requests waiting beyond \
                 {name} < {} at {rate:.0} requests/s",
                request.goal.latency
            ),
            change: format!("more than {all} connections, or less waiting per request"),
        },
        None => Impossible {
            resource: binding,
            because: format!("{rate:.3e} requests/s take more than a million tasks of any size"),
            change: "fewer requests/s, or requests that take less".into(),
        },
    }
}

fn larger(a: &Task, b: &Task) -> std::cmp::Ordering {
    (a.cpu, a.memory).partial_cmp(&(b.cpu, b.memory)).unwrap_or(std::cmp::Ordering::Equal)
}
