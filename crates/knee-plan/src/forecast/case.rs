//! A service under some settings, in a task of some size: what is forecast.

use super::parameters::Parameters;
use super::quick::capacity;
use super::traffic::Traffic;
use crate::bounds::{Demand, bound};
use crate::gaussian::exceeds;
use crate::sim::{Cycle, Host, Scenario};
use knee_core::Goal;
use knee_core::model::{Collector, Network};
use knee_core::observe::{Bound, Resource};
use knee_core::profile::Profile;
use knee_core::runtimes::{self, Cost, Surroundings};
use knee_core::settings::Settings;
use knee_core::task::Task;
use knee_core::units::Bytes;
use serde::Serialize;

/// A service under some settings, in a task of some size.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What requests and processes take.
    pub profile: &'a Profile,
    /// What is forecast for.
    pub place: Place,
    /// The settings as stations.
    pub network: Network,
    /// What the settings cost compared with those that were measured.
    pub cost: Cost,
    /// How requests come.
    pub traffic: Traffic,
    /// How much more processes share a CPU than where the CPU per request was measured.
    crowd: f64,
    /// The settings that were measured, as stations.
    before: Option<Network>,
}

/// Where a service runs, and what it shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Size of the task.
    pub task: Task,
    /// CPUs that the task sees.
    pub visible_cpus: u32,
    /// Speed of its vCPU over that of the CPU on which the profile was measured.
    pub speed: f64,
    /// Connections to the backend that each task has for itself; None where none is limited.
    pub connections: Option<u32>,
}

impl Place {
    /// A task that sees so many CPUs of the kind on which the profile was measured.
    pub fn of(task: Task, visible_cpus: u32) -> Place {
        Place { task, visible_cpus, speed: 1.0, connections: None }
    }

    /// As the runtime sees it.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            visible_cpus: self.visible_cpus,
            task_cpu: self.task.cpu,
            task_memory: self.task.memory.0,
        }
    }
}

/// Memory that settings take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Need {
    /// What is expected.
    pub expected: Bytes,
    /// Probability that it is more than the task has, which is an out-of-memory kill.
    pub kill: f64,
}

impl<'a> Case<'a> {
    /// The case, if the runtime of the profile has a model of these settings, with independent
    /// arrivals of patient clients.
    pub fn new(profile: &'a Profile, settings: &Settings, place: Place) -> Option<Case<'a>> {
        let runtime = runtimes::by_id(&profile.runtime)?;
        let network = (runtime.model)(settings, &place.surroundings())?;
        let cost = match (&profile.heap, &profile.measured) {
            (Some(heap), Some(measured)) => {
                let heap =
                    runtimes::Heap { collector: heap.collector.value, live: heap.live.value };
                (runtime.collect)(&measured.settings, settings, heap)
            }
            _ => Cost::default(),
        };
        let before = profile.measured.as_ref().and_then(|measured| {
            let seen = Place::of(measured.task, measured.visible_cpus);
            Some(((runtime.model)(&measured.settings, &seen.surroundings())?, measured.task))
        });
        let measured = before.map_or(0.0, |(network, task)| crowd(network.processes, task));
        Some(Case {
            profile,
            place,
            network,
            cost,
            traffic: Traffic::default(),
            crowd: crowd(network.processes, place.task) - measured,
            before: before.map(|(network, _)| network),
        })
    }

    /// Memory while so many requests are in service.
    pub fn memory(&self, in_service: f64) -> Need {
        let memory = &self.profile.memory;
        let parts = [
            (&memory.shared, 1.0),
            (&memory.per_process, f64::from(self.network.processes)),
            (&memory.per_request, in_service),
        ];
        let mean: f64 = parts.iter().map(|(e, n)| e.value * n).sum::<f64>() + self.cost.memory;
        let variance: f64 = parts.iter().map(|(e, n)| (e.deviation * n) * (e.deviation * n)).sum();
        let room = self.place.task.memory.0 as f64 - mean;
        let kill = if variance > 0.0 { exceeds(room / variance.sqrt()) } else { 0.0 };
        Need {
            expected: Bytes(mean.max(0.0).round() as u64),
            kill: if room < 0.0 { kill.max(0.5) } else { kill },
        }
    }

    /// CPU that is left to requests.
    fn host(&self, parameters: &Parameters) -> Host {
        let task = Host::task(self.place.task.cpu, self.place.visible_cpus);
        let background = parameters.background / self.place.speed;
        // What is always used is missing from every budget.
        Host { quota: (task.quota - background).max(0.05 * task.quota), ..task }
    }

    /// Requests/s that hold the goal, by a closed form.
    pub fn quick(&self, goal: &Goal) -> f64 {
        let mut demand = Demand::from(self.profile);
        demand.cpu *= self.cost.cpu * self.slower(&Parameters::best(self.profile), 1.0);
        capacity(&self.network.concurrency(), &demand, self.place.task.cpu, goal)
    }

    /// The most requests/s that the service could carry, with the resource that says so.
    pub(super) fn bound(&self, parameters: &Parameters) -> Bound {
        let mut demand = parameters.demand();
        demand.cpu *= self.cost.cpu * self.slower(parameters, 1.0);
        let host = self.host(parameters);
        let most = |demand: &Demand| {
            bound(&self.network.concurrency(), demand, host.quota.min(host.cores))
        };
        demand.cpu = (demand.cpu + self.woken(parameters, most(&demand).rate)).max(1e-9);
        let own = most(&demand);
        let connections = self.place.connections.map(|n| Bound {
            resource: Resource::Backend,
            rate: f64::from(n) / demand.wait.max(1e-6),
        });
        connections.filter(|b| b.rate < own.rate).unwrap_or(own)
    }

    /// What is simulated for so many requests/s.
    pub(super) fn scenario(&self, parameters: &Parameters, rate: f64) -> Scenario {
        let host = self.host(parameters);
        let alone = parameters.demand().cpu * self.cost.cpu * self.slower(parameters, 0.0);
        let busy = (rate * alone / host.quota.min(host.cores)).min(1.0);
        let slower = self.slower(parameters, busy);
        let (program, collector) = self.collector(parameters, slower);
        let woken = self.woken(parameters, rate);
        let classes = parameters.classes.iter().cloned().map(|mut class| {
            class.cpu.0 = (class.cpu.0 * program * slower + woken).max(0.0);
            class.offloaded.0 *= slower;
            class
        });
        Scenario {
            network: self.network,
            host,
            classes: classes.collect(),
            arrivals: self.traffic.at(rate),
            clients: self.traffic.clients,
            connections: self.place.connections,
            start: parameters.start / self.place.speed,
            collector,
        }
    }

    /// CPU of a request over that of the profile, while such a share of the quota is used.
    fn slower(&self, parameters: &Parameters, busy: f64) -> f64 {
        let crowded = libm::exp(parameters.crowding * self.crowd);
        (1.0 + parameters.contention * busy) * crowded / self.place.speed
    }

    /// CPU of a request that goes into waking idle processes in vain, over what was measured.
    fn woken(&self, parameters: &Parameters, rate: f64) -> f64 {
        let demand = parameters.demand();
        let host = self.host(parameters);
        let idle = |network: &Network| herd(network, rate, &demand, host.quota.min(host.cores));
        let before = self.before.as_ref().map_or(0.0, idle);
        parameters.wake * (idle(&self.network) - before) / self.place.speed
    }

    /// CPU of a request without the collector, over today's with it; and what the collector does.
    fn collector(&self, parameters: &Parameters, slower: f64) -> (f64, Option<Cycle>) {
        let (Some(heap), Some(pace)) = (parameters.heap, self.network.collector) else {
            return (self.cost.cpu, None);
        };
        let program = 1.0 - heap.collector;
        let collecting = (self.cost.cpu - program).max(0.0) * parameters.demand().cpu * slower;
        let every = growth(pace, heap.live).max(1.0);
        let requests = every / heap.per_request.max(1.0);
        let threads = self.network.process.lanes.div_ceil(4);
        (program, Some(Cycle { every, cpu: collecting * requests, threads }))
    }

    /// How far a forecast for so many requests/s reaches beyond what was measured; empty where it
    /// does not.
    pub fn beyond(&self, rate: f64) -> Vec<String> {
        let Some(measured) = &self.profile.measured else {
            return vec!["nothing was measured: every figure rests on what was assumed".into()];
        };
        let mut beyond = vec![];
        let (fewest, most) = measured.processes;
        let processes = self.network.processes;
        if !(fewest..=most).contains(&processes) {
            beyond.push(format!("{processes} processes, measured with {fewest} to {most}"));
        }
        if (self.place.task.cpu - measured.task.cpu).abs() > 1e-9 {
            let (asked, known) = (self.place.task.cpu, measured.task.cpu);
            beyond.push(format!("{asked} vCPU, measured on {known}"));
        }
        if rate > 1.05 * measured.rates.1 {
            let most = measured.rates.1;
            beyond.push(format!("{rate:.0} requests/s to a task, measured up to {most:.0}"));
        }
        beyond
    }
}

/// How much processes share a CPU: the logarithm of their number for each, none for fewer than one.
pub(crate) fn crowd(processes: u32, task: Task) -> f64 {
    libm::log(f64::from(processes) / task.cpu.max(1.0)).max(0.0)
}

/// Processes that wake for a new connection in vain at so many requests/s: those that are not busy,
/// each request taking the longer the more of the CPU is used.
pub(crate) fn herd(network: &Network, rate: f64, demand: &Demand, cpu: f64) -> f64 {
    if !network.intake.herd {
        return 0.0;
    }
    let used = (rate * demand.cpu / cpu).min(MOST_USED);
    let seconds = demand.wait + (demand.cpu / (1.0 - used)).min(LONGEST);
    (f64::from(network.processes) - 1.0 - rate * seconds).max(0.0)
}

/// Share of the CPU beyond which a request would take for ever, and the time that it takes then: a
/// period of the quota, seconds.
const MOST_USED: f64 = 0.99;
const LONGEST: f64 = 0.1;

/// Bytes by which a heap grows until the next collection: GOGC's share of what is live, less
/// where the limit comes first, and Go's least heap of 4 MB at GOGC=100
/// (<https://go.dev/doc/gc-guide#GOGC>).
fn growth(pace: Collector, live: f64) -> f64 {
    const LEAST: f64 = 4e6;
    let room = pace.limit.map_or(f64::INFINITY, |limit| (limit - live).max(0.05 * live));
    (pace.growth * live.max(LEAST)).min(room)
}
