//! How a service serves: its processes that do, and what they can do at once.

use crate::find::Found;
use knee_core::Settings;
use knee_core::model::{Concurrency, Serial};
use knee_core::runtimes::Surroundings;
use knee_probe::process::Process;
use std::collections::HashSet;

/// How a service serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// The processes that serve.
    pub workers: Vec<i32>,
    /// What they can do at once, where that is known.
    pub concurrency: Option<Concurrency>,
    /// The same in words.
    pub words: String,
}

/// Looks at a family: the first process and its children, the sockets it listens on, and what it
/// was set to.
pub fn shape(
    found: &Found,
    family: &[i32],
    listeners: &HashSet<u64>,
    settings: &Settings,
    around: &Surroundings,
) -> Shape {
    let workers = workers(found.root, family, listeners);
    let concurrency = concurrency(found, &workers, settings, around);
    let words = match (&concurrency, found.runtime) {
        (Some(concurrency), _) => words(concurrency),
        (None, Some(_)) => {
            format!("{}, how they serve is not known", count(workers.len(), "process", "es"))
        }
        (None, None) => format!("not recognised, {}", count(family.len(), "process", "es")),
    };
    Shape { workers, concurrency, words }
}

/// Children of the first process that are like it; of these those that listen, if any does. It
/// itself where it has none.
fn workers(root: i32, family: &[i32], listeners: &HashSet<u64>) -> Vec<i32> {
    let name = Process::new(root).name();
    let program = |name: &str| name.split([':', ' ']).next().unwrap_or_default().to_string();
    let like = |pid: &&i32| {
        let process = Process::new(**pid);
        let child = process.stat().is_ok_and(|stat| stat.parent == root);
        child && program(&process.name()) == program(&name)
    };
    let children: Vec<i32> = family.iter().filter(like).copied().collect();
    let listens = |pid: &i32| Process::new(*pid).sockets().iter().any(|s| listeners.contains(s));
    let listening: Vec<i32> = children.iter().copied().filter(listens).collect();
    match (listening.is_empty(), children.is_empty()) {
        (false, _) => listening,
        (true, false) => children,
        (true, true) => vec![root],
    }
}

/// As its runtime models these settings, for as many processes as there are.
fn concurrency(
    found: &Found,
    workers: &[i32],
    settings: &Settings,
    around: &Surroundings,
) -> Option<Concurrency> {
    let runtime = found.runtime?;
    let mut all = Settings::default();
    for knob in (runtime.knobs)() {
        all.0.extend(
            (runtime.default)(&knob.name, around).map(|value| (knob.name.to_string(), value)),
        );
    }
    all.0.extend(settings.0.clone());
    let network = (runtime.model)(&(runtime.settle)(&all), around)?;
    let processes = u32::try_from(workers.len()).unwrap_or(u32::MAX);
    let told = network.concurrency();
    // A pool that grows on demand can serve as many as it may have, not as it has now.
    let grows = network.serial == Serial::Worker && settings.0.contains_key("pm.max_children");
    let processes = if grows { processes.max(told.processes) } else { processes };
    Some(Concurrency {
        processes,
        slots: network.process.slots.map(|slots| slots.saturating_mul(processes)),
        cores: f64::from(network.process.lanes) * f64::from(processes),
        serial: network.serial,
    })
}

fn words(concurrency: &Concurrency) -> String {
    let Concurrency { processes, slots, cores, serial } = concurrency;
    let n = *processes as usize;
    match serial {
        Serial::Worker => format!("{}, a request each", count(n, "process", "es")),
        Serial::Gil => {
            let threads = slots.unwrap_or(0) / (*processes).max(1);
            format!("{} of {threads} threads under a GIL", count(n, "process", "es"))
        }
        Serial::EventLoop => count(n, "event loop", "s"),
        Serial::Threads => format!("goroutines on {cores} threads"),
    }
}

/// `1 process`, `4 processes`.
pub fn count(n: usize, one: &str, more: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}{more}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::runtimes::by_id;
    use knee_core::settings::Value;

    fn shaped(id: &str, set: &[(&str, Value)], workers: usize) -> (String, Option<u32>) {
        let around = Surroundings { visible_cpus: 4, task_cpu: 1.0, task_memory: 1 << 30 };
        let settings = Settings(set.iter().map(|(k, v)| (k.to_string(), v.clone())).collect());
        let found = Found { root: 1, runtime: by_id(id) };
        let pids = vec![1; workers];
        let told = concurrency(&found, &pids, &settings, &around).unwrap();
        (words(&told), told.slots)
    }

    #[test]
    fn each_model_in_words() {
        assert_eq!(shaped("gunicorn", &[], 3), ("3 processes, a request each".into(), Some(3)));
        let threads = [("threads", Value::Int(8))];
        let gthread = ("2 processes of 8 threads under a GIL".into(), Some(16));
        assert_eq!(shaped("gunicorn", &threads, 2), gthread);
        assert_eq!(shaped("node", &[], 1), ("1 event loop".into(), None));
        let threads = [("GOMAXPROCS", Value::Int(2))];
        assert_eq!(shaped("go", &threads, 1), ("goroutines on 2 threads".into(), None));
        let pool = [("pm.max_children", Value::Int(9))];
        assert_eq!(shaped("php-fpm", &pool, 2), ("9 processes, a request each".into(), Some(9)));
    }
}
