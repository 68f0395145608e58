//! A service made of a formula: answers to offered load as a pool of workers under a CPU quota
//! would give them.

use knee_core::model::{Concurrency, Serial};
use knee_core::observe::{Counts, Latency, Outcome, Step, Usage, Validity};
use knee_core::{Bytes, Goal, Task};
use knee_plan::closed::erlang::queueing_quantile;
use knee_plan::{Demand, bound};

/// The formula's constants.
#[derive(Clone, Copy, Debug)]
pub struct Formula {
    pub task: Task,
    pub demand: Demand,
    pub per_worker: Bytes,
    pub shared: Bytes,
    pub seed: u64,
}

/// Workers of one request each.
pub fn pool(workers: i64) -> Concurrency {
    let n = u32::try_from(workers).unwrap();
    Concurrency { processes: n, slots: Some(n), cores: n.into(), serial: Serial::Worker }
}

impl Formula {
    /// Uniform in [-1, 1), the same for the same seed.
    pub fn noise(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.seed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// What `rate` requests/s for `seconds` would show.
    pub fn step(&mut self, c: &Concurrency, rate: f64, seconds: f64, goal: &Goal) -> Step {
        let most = bound(c, &self.demand, self.task.cpu).rate * (0.97 + 0.01 * self.noise());
        let throughput = rate.min(most) * (1.0 + 0.004 * self.noise());
        let held = |q: f64| self.quantile(c, rate, q);
        // Beyond the bound the queue grows through the whole step.
        let late = (1.0 - most / rate).max(0.0) * seconds;
        let mut quantile = |q: f64| {
            let settled =
                if rate < most * 0.995 { held(q) } else { self.quantile(c, most * 0.99, q) };
            settled + late * q
        };
        let [p10, p50, p90, p99, p999, at] =
            [0.1, 0.5, 0.9, 0.99, 0.999, goal.quantile].map(&mut quantile);
        let scatter = 1.0 + 0.05 * self.noise();
        let latency = Latency {
            mean: p50 * scatter.sqrt(),
            p10,
            p50: p50 * scatter.sqrt(),
            p90: p90 * scatter,
            p99: p99 * scatter,
            p999: p999 * scatter,
            max: p999 * scatter * 1.2,
            goal: at * scatter,
        };
        let outcome = match latency.goal {
            _ if rate > most * 1.25 => Outcome::Hopeless,
            l if l <= goal.latency.0 => Outcome::Held,
            _ => Outcome::Missed,
        };
        let due = (rate * seconds).round().max(1.0) as u64;
        let timed_out = if late > 1.0 { due / 50 } else { 0 };
        Step {
            offered: rate,
            seconds,
            throughput,
            counts: Counts { ok: due - timed_out, timed_out, ..Counts::default() },
            latency,
            outcome,
            usage: Some(self.usage(c, throughput, late > 0.0)),
            validity: Validity::default(),
        }
    }

    fn quantile(&self, c: &Concurrency, rate: f64, q: f64) -> f64 {
        let Demand { cpu, wait } = self.demand;
        let busy = (rate * cpu / c.cores.min(self.task.cpu)).min(0.985);
        let computing = cpu / (1.0 - busy);
        let holding = computing + wait;
        let slots = c.slots.unwrap_or(1000);
        let queued =
            queueing_quantile(slots, rate.min(f64::from(slots) / holding * 0.985), holding, q);
        wait + computing * -(1.0 - q).ln() + queued
    }

    fn usage(&mut self, c: &Concurrency, throughput: f64, queueing: bool) -> Usage {
        let cpu = (throughput * self.demand.cpu).min(self.task.cpu);
        let throttled = ((cpu / self.task.cpu - 0.6) / 0.4).clamp(0.0, 1.0).powi(2);
        let held = throughput * (self.demand.cpu + self.demand.wait);
        let accept_queue = match held / f64::from(c.processes) {
            _ if queueing => 87,
            busy if busy > 0.6 => 3,
            _ => 0,
        };
        let grown = 1.0 + 0.02 * self.noise();
        let pss = (self.per_worker.0 * u64::from(c.processes)) as f64 * grown;
        Usage {
            cpu,
            throttled,
            busiest: cpu / f64::from(c.processes),
            memory: Bytes(pss as u64 + self.shared.0),
            pss: Bytes(pss as u64),
            processes: c.processes + 1,
            threads: c.processes + 1,
            descriptors: 24,
            accept_queue,
            backlog: 2048,
            ..Usage::default()
        }
    }
}
