//! What serves a port of this machine, as far as it can be seen from beside: knee did not start
//! it and knows neither its files nor its settings.

use knee_core::limit::{self, Scene};
use knee_core::model::Concurrency;
use knee_core::observe::{Capacity, Limit, Resource};
use knee_core::runtimes::{self, Evidence, Runtime, Surroundings};
use knee_core::{Bytes, Settings, Task};
use knee_measure::observer::{Observer, Subject};
use knee_probe::process::Process;
use knee_probe::{limits, machine, process, sockets};
use std::path::Path;
use std::time::Duration;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The processes that listen on a port, and what they descend to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    roots: Vec<i32>,
}

impl Served {
    /// Who listens there; None where it cannot be seen.
    pub fn at(port: u16) -> Option<Served> {
        let roots = sockets::holders(port);
        (!roots.is_empty()).then_some(Served { roots })
    }

    /// Looks at it from now on.
    pub fn observe(&self) -> Observer {
        let roots = self.roots.clone();
        let pids = Box::new(move || process::with_descendants(&roots));
        Observer::start(Subject { group: None, pids, sources: vec![] }, LOOK)
    }

    /// The limits that it runs under; the host's size where there are none.
    pub fn task(&self) -> Task {
        let host = machine::read(Path::new("/")).unwrap_or_default();
        let limits = self.limits();
        Task {
            cpu: limits.cpu.map_or(f64::from(host.cpus.max(1)), |quota| quota.value),
            memory: limits.memory.map_or(Bytes(host.memory), |limit| limit.value),
        }
    }

    /// What gave out, by what was observed of it.
    pub fn limit(&self, capacity: &Capacity) -> Limit {
        let host = machine::read(Path::new("/")).unwrap_or_default();
        let cpus = f64::from(host.cpus.max(1));
        let quota = self.limits().cpu;
        let task = self.task();
        let memory = task.memory;
        let around =
            Surroundings { visible_cpus: host.cpus, task_cpu: cpus, task_memory: memory.0 };
        let scene = Scene {
            task,
            concurrency: self.concurrency(&around),
            // Without its slots, waiting for a backend and waiting for a worker look alike.
            alone: None,
            nofile: None,
        };
        let limit = limit::name(capacity, &scene);
        match limit.resource {
            Resource::CpuQuota if quota.is_none() => {
                Limit { resource: Resource::Host, evidence: limit.evidence }
            }
            Resource::Unknown => {
                let seen = &capacity.limited_by.evidence;
                Limit { evidence: format!("{seen}; {}", limit.evidence), ..limit }
            }
            _ => limit,
        }
    }

    fn limits(&self) -> limits::Limits {
        let of = |pid: &i32| limits::of(Path::new("/"), &pid.to_string()).ok();
        self.roots.first().and_then(of).unwrap_or_default()
    }

    /// What one of its processes can do at once, where a runtime is recognised. How many
    /// requests they take together is a setting, which is not known.
    fn concurrency(&self, around: &Surroundings) -> Option<Concurrency> {
        let network = (self.runtime()?.model)(&Settings::default(), around)?;
        Some(Concurrency { slots: None, ..network.concurrency() })
    }

    /// The runtime of its first process, where that is recognised.
    pub fn runtime(&self) -> Option<&'static Runtime> {
        let argv = Process::new(*self.roots.first()?).argv();
        let program = argv.first()?.rsplit('/').next()?;
        let evidence = Evidence { argv: &argv, program, file: &|_| None };
        runtimes::all().iter().copied().find(|r| (r.recognise)(&evidence).is_some())
    }
}
