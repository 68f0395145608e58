//! A service under some settings, in a task of some size: what is forecast.

use super::parameters::Parameters;
use super::quick::capacity;
use super::traffic::Traffic;
use crate::bounds::{Demand, bound};
use crate::gaussian::exceeds;
use crate::sim::{Cycle, Host, Scenario};
use knee_core::Goal;
use knee_core::model::Network;
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
        let before = measured(profile);
        let cost = match (&profile.measured, heap(profile)) {
            (Some(measured), Some(heap)) => (runtime.collect)(&measured.settings, settings, heap),
            _ => Cost::default(),
        };
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
        let best = Parameters::best(self.profile);
        demand.cpu = demand.cpu * self.taken(&best, 1.0).all() + self.handed(&best);
        capacity(&self.network.concurrency(), &demand, self.place.task.cpu, goal)
    }

    /// The most requests/s that the service could carry, with the resource that says so.
    pub(super) fn bound(&self, parameters: &Parameters) -> Bound {
        let mut demand = parameters.demand();
        demand.cpu = demand.cpu * self.taken(parameters, 1.0).all() + self.handed(parameters);
        let host = self.host(parameters);
        let most = |demand: &Demand| {
            bound(&self.network.concurrency(), demand, host.quota.min(host.cores))
        };
        demand.cpu = (demand.cpu - self.woken(parameters)).max(1e-9);
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
        let alone = parameters.demand().cpu * self.taken(parameters, 0.0).all();
        let busy = (rate * alone / host.quota.min(host.cores)).min(1.0);
        let taken = self.taken(parameters, busy);
        let more = self.handed(parameters) - self.woken(parameters);
        let classes = parameters.classes.iter().cloned().map(|mut class| {
            class.cpu.0 = (class.cpu.0 * taken.program + more).max(0.0);
            class.offloaded.0 *= taken.program;
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
            wake: parameters.wake / self.place.speed,
            collector: self.collections(parameters, taken.collector),
        }
    }

    /// CPU of a request while such a share of the quota is used, over that of the profile.
    fn taken(&self, parameters: &Parameters, busy: f64) -> Taken {
        let everywhere = libm::exp(parameters.crowding * self.crowd) / self.place.speed;
        let change = parameters.contention * busy;
        let Some(heap) = parameters.heap.filter(|_| self.network.collector.is_some()) else {
            return Taken { program: self.cost.cpu * (1.0 + change) * everywhere, collector: 0.0 };
        };
        let program = 1.0 - heap.collector;
        let collector = (self.cost.cpu - program).max(0.0);
        let several = |network: &Network| network.process.lanes > 1;
        if !self.before.as_ref().is_some_and(several) {
            let grown = (1.0 + change) * everywhere;
            return Taken { program: program * grown, collector: collector * grown };
        }
        // How dear it is to wake other threads for a collection depends on how busy they are; the program
        // itself takes about the same.
        let woken = if several(&self.network) { 1.0 + change / heap.collector } else { 1.0 };
        Taken {
            program: program * everywhere,
            collector: collector * woken.max(LEAST_WOKEN) * everywhere,
        }
    }

    /// CPU of a request that goes into handing it between threads, over what was measured.
    fn handed(&self, parameters: &Parameters) -> f64 {
        let before = self.before.as_ref().unwrap_or(&self.network);
        let less = -MOST_HANDED * parameters.demand().cpu;
        (self.network.handing - before.handing).max(less) / self.place.speed
    }

    /// CPU of a request that went into waking idle processes in vain where it was measured.
    fn woken(&self, parameters: &Parameters) -> f64 {
        let idle = |network: &Network| {
            let rate = self.profile.measured.as_ref().map_or(0.0, |m| m.rates.0);
            let cpu = self.profile.measured.as_ref().map_or(1.0, |m| m.task.cpu);
            herd(network, rate, &parameters.demand(), cpu)
        };
        parameters.wake * self.before.as_ref().map_or(0.0, idle) / self.place.speed
    }

    /// What the collector does, whose CPU for each request is so much of the profile's.
    fn collections(&self, parameters: &Parameters, share: f64) -> Option<Cycle> {
        let (heap, pace) = (parameters.heap?, self.network.collector?);
        let every = pace.room(heap.live);
        let requests = every / heap.per_request.max(1.0);
        let threads = self.network.process.lanes.div_ceil(4);
        Some(Cycle { every, cpu: share * parameters.demand().cpu * requests, threads })
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
        let at_once = self.network.at_once();
        if let Some((fewest, most)) = measured.at_once.filter(|(f, m)| !(f..=m).contains(&&at_once))
        {
            beyond.push(format!(
                "{at_once} requests at once in a process, measured with {fewest} to {most}"
            ));
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

/// Processes that wake for a new connection in vain at so many requests/s, for each request: those that
/// are not busy, each request taking the longer the more of the CPU is used. While the quota stops
/// all, several connections wake them but once.
pub(crate) fn herd(network: &Network, rate: f64, demand: &Demand, cpu: f64) -> f64 {
    if !network.intake.herd {
        return 0.0;
    }
    let used = (rate * demand.cpu / cpu).min(MOST_USED);
    let seconds = demand.wait + (demand.cpu / (1.0 - used)).min(LONGEST);
    let idle = (f64::from(network.processes) - 1.0 - rate * seconds).max(0.0);
    idle * (1.0 - STOPPED * used)
}

/// Share of the time in which the quota stops a task that uses all of it, about.
const STOPPED: f64 = 0.7;

/// Share of the CPU beyond which a request would take for ever, and the time that it takes then: a
/// period of the quota, seconds.
const MOST_USED: f64 = 0.99;
const LONGEST: f64 = 0.1;

/// CPU of a request over that of the profile: the program's own, and its part in collections.
#[derive(Clone, Copy, Debug)]
struct Taken {
    program: f64,
    collector: f64,
}

impl Taken {
    fn all(self) -> f64 {
        self.program + self.collector
    }
}

/// Least of a collection's CPU at low load that is left of it at a high one.
const LEAST_WOKEN: f64 = 0.3;
/// Most of a request's CPU that goes into handing it between threads.
const MOST_HANDED: f64 = 0.15;

/// The settings that were measured, as stations.
fn measured(profile: &Profile) -> Option<(Network, Task)> {
    let measured = profile.measured.as_ref()?;
    let seen = Place::of(measured.task, measured.visible_cpus);
    let model = runtimes::by_id(&profile.runtime)?.model;
    Some((model(&measured.settings, &seen.surroundings())?, measured.task))
}

/// A profile's heap under the settings that were measured, as their runtime sees it.
pub fn heap(profile: &Profile) -> Option<runtimes::Heap> {
    let heap = profile.heap.as_ref()?;
    let (network, _) = measured(profile)?;
    let (collector, live) = (heap.collector.value, heap.live.value);
    let requests = network.collector?.room(live) / heap.per_request.value.max(1.0);
    let cycle = collector * Demand::from(profile).cpu * requests;
    Some(runtimes::Heap { collector, live, cycle, allocated: 0.0 })
}
