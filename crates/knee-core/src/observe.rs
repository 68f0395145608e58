//! What a measurement says: steps of offered load, what was used meanwhile, what gave out.

use crate::settings::Text;
use crate::units::{Bytes, Seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Requests of one step, by what became of them. All but `ok` count as failures, and every
/// one that was due is in exactly one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// A complete answer with a status below 500 (and below 400 unless the target answers so from the start).
    pub ok: u64,
    /// No complete answer within the time-out.
    pub timed_out: u64,
    /// The connection was refused.
    pub refused: u64,
    /// The connection was reset or closed before the answer was complete.
    pub reset: u64,
    /// Status 5xx.
    pub server_error: u64,
    /// Status 4xx.
    pub client_error: u64,
    /// Fewer bytes than Content-Length announced.
    pub short_body: u64,
    /// Bytes that are no HTTP answer.
    pub malformed: u64,
    /// Never sent: no connection to be had under the connection limit before the step ended.
    pub unsent: u64,
}

impl Counts {
    /// All requests that were due.
    pub fn due(&self) -> u64 {
        self.ok.saturating_add(self.failed())
    }

    /// All that did not end well.
    pub fn failed(&self) -> u64 {
        self.named().iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Failures by name.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("timed out", self.timed_out),
            ("refused", self.refused),
            ("reset", self.reset),
            ("5xx", self.server_error),
            ("4xx", self.client_error),
            ("short body", self.short_body),
            ("malformed", self.malformed),
            ("unsent", self.unsent),
        ]
    }

    /// Failures over all that were due; 0 when none was due.
    pub fn failed_share(&self) -> f64 {
        if self.due() == 0 { 0.0 } else { self.failed() as f64 / self.due() as f64 }
    }
}

/// Latency quantiles in seconds, done minus *due*; a failure counts as infinite, shown as
/// the time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Mean of the requests that ended well; 0 in logs that do not say it.
    #[serde(default)]
    pub mean: f64,
    /// 10th percentile; 0 in logs that do not say it.
    #[serde(default)]
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Largest.
    pub max: f64,
    /// The quantile that the goal names.
    pub goal: f64,
}

/// What one step of offered load showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Offered rate, requests/s.
    pub offered: f64,
    /// Length of the measured part, seconds.
    pub seconds: f64,
    /// Answers that came back well, requests/s.
    pub throughput: f64,
    /// What became of the requests.
    pub counts: Counts,
    /// Latency from due.
    pub latency: Latency,
    /// How it ended.
    pub outcome: Outcome,
    /// What the service used; None when it was not knee that started it.
    pub usage: Option<Usage>,
    /// Whether to believe it.
    pub validity: Validity,
}

/// Whether a step held the goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Latency and errors within the goal, and no queue that would break it in the end.
    Held,
    /// Measured to the end, and outside the goal.
    Missed,
    /// The queue grew without bound, or far more than allowed was late or failed; abandoned
    /// early where time was left.
    Hopeless,
}

/// The highest rate that held the goal, with the curve that led there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Requests/s; 0 when not even the lowest rate held the goal.
    pub rate: f64,
    /// Relative standard deviation of that rate, as far as the steps of a search tell.
    #[serde(default)]
    pub spread: Option<f64>,
    /// The confirming step at that rate, if any rate held.
    pub at: Option<Step>,
    /// Every step, in the order measured.
    pub curve: Vec<Step>,
    /// What gave out just above it.
    pub limited_by: Limit,
    /// Whether to believe it.
    pub validity: Validity,
}

/// What the service used during a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU used by the task, cores (seconds per second).
    pub cpu: f64,
    /// Share of 100 ms periods in which the quota ran out, in [0, 1].
    pub throttled: f64,
    /// CPU used by its busiest process, cores.
    pub busiest: f64,
    /// Memory that the task's limit counts, less file cache that the kernel drops before it kills
    /// (`inactive_file`): the working set, highest sample.
    pub memory: Bytes,
    /// Proportional set size of all processes, last sample.
    pub pss: Bytes,
    /// Processes, last sample.
    pub processes: u32,
    /// Threads, last sample.
    pub threads: u32,
    /// Open descriptors of the process that is nearest to its limit, highest sample.
    pub descriptors: u64,
    /// That process's soft limit of open files; None where it is not known.
    #[serde(default)]
    pub nofile: Option<u64>,
    /// Processes killed for memory.
    pub oom_kills: u64,
    /// Connections waiting to be accepted at the fullest of its listening sockets, highest sample.
    pub accept_queue: u32,
    /// How many that queue holds; it refuses when one more waits. 0 where it is not known.
    pub backlog: u32,
    /// That socket: `127.0.0.1:8080` or a path.
    #[serde(default)]
    pub accept_at: String,
    /// The server outside of it that it waited for on most connections; None where none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Awaited>,
    /// How fast the host's CPUs ran meanwhile; None where that was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_speed: Option<HostSpeed>,
    /// What the runtime says of itself.
    pub readings: Vec<Reading>,
}

/// A server outside of a service, such as its database, and the TCP connections to it: means of the
/// moments at which they were looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    /// Its address and port.
    pub at: String,
    /// Connections that are open.
    pub open: f64,
    /// Those of them on which something was sent that has no answer yet.
    pub waiting: f64,
}

/// How fast the host's CPUs ran, whoever used them: steps of a loop of knee's own in a microsecond
/// of CPU, the mean over all CPUs. Only ratios mean anything: 20 % more is a host that does 20 % more
/// of what limits a web service's code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostSpeed {
    /// Over the whole time.
    pub mean: f64,
    /// In the slowest second.
    pub slowest: f64,
    /// In the fastest second.
    pub fastest: f64,
}

/// One figure of a runtime's own status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// `fpm.active`, `node.eventloop.utilization`, `go.gc.cpu`: dotted, runtime first.
    pub name: Text,
    /// The figure.
    pub value: f64,
    /// Its unit; empty for a share or a count.
    pub unit: Text,
}

/// An event loop that stood still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// For how long, milliseconds.
    pub ms: f64,
    /// In what code.
    pub place: Option<Place>,
    /// Why that is not known, where it is not.
    pub why: Option<String>,
}

/// A place in a program's own code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, below the program's working folder where it is there.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// The function around it.
    pub function: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.file, self.line, self.function)
    }
}

impl Stall {
    /// Where it stood, or why that is not known, to be put behind what is said of it.
    pub fn whereabouts(&self) -> String {
        match (&self.place, &self.why) {
            (Some(place), _) => format!(" at {place}"),
            (None, Some(why)) => format!(", where is not known: {why}"),
            (None, None) => String::new(),
        }
    }
}

/// What gave out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// The task's CPU quota.
    CpuQuota,
    /// All workers busy, quota left.
    WorkerPool,
    /// One event loop at one core while quota remains.
    EventLoop,
    /// Threads of one process at one core while quota remains.
    Gil,
    /// Connections waiting in the kernel's queue beyond its length.
    AcceptQueue,
    /// The task's memory limit.
    Memory,
    /// The limit of open files.
    Descriptors,
    /// A server's own limit of connections.
    Connections,
    /// The collector's share of the CPU.
    GarbageCollection,
    /// What the service waits for.
    Backend,
    /// The load generator itself.
    Generator,
    /// The host, too small for the task and the generator together.
    Host,
    /// The evidence does not single one out.
    Unknown,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::CpuQuota => "CPU quota",
            Resource::WorkerPool => "worker pool",
            Resource::EventLoop => "event loop",
            Resource::Gil => "GIL",
            Resource::AcceptQueue => "accept queue",
            Resource::Memory => "memory",
            Resource::Descriptors => "descriptors",
            Resource::Connections => "connections",
            Resource::GarbageCollection => "garbage collection",
            Resource::Backend => "backend",
            Resource::Generator => "load generator",
            Resource::Host => "host",
            Resource::Unknown => "unknown",
        })
    }
}

/// The resource that gave out, with how that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Which one.
    pub resource: Resource,
    /// The figures that say so, for people.
    pub evidence: String,
}

/// Whether a result may be believed; it travels with every observation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Reasons why the result says nothing about the service.
    pub invalid: Vec<String>,
    /// Reasons to read it with care.
    pub caveats: Vec<String>,
}

impl Validity {
    /// No reason against it.
    pub fn is_valid(&self) -> bool {
        self.invalid.is_empty()
    }

    /// Adds another's reasons, each once.
    pub fn merge(&mut self, other: &Validity) {
        for (mine, theirs) in
            [(&mut self.invalid, &other.invalid), (&mut self.caveats, &other.caveats)]
        {
            let new: Vec<_> = theirs.iter().filter(|r| !mine.contains(r)).cloned().collect();
            mine.extend(new);
        }
    }
}

/// What one calibrating run at low load told about the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// CPU per request, seconds.
    pub cpu: Seconds,
    /// Waiting per request (latency at low load less CPU), seconds.
    pub wait: Seconds,
    /// Memory of one more worker.
    pub per_worker: Bytes,
    /// Memory that does not grow with workers.
    pub shared: Bytes,
    /// Rate at which this was measured, requests/s.
    pub rate: f64,
    /// Settings under which it was measured.
    pub settings: crate::settings::Settings,
    /// The step at low load that told it; None in logs that do not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light: Option<Box<Step>>,
    /// A step at low load of each kind of request by itself, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
}

/// A kind of request by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// What it asks for.
    pub name: String,
    /// Its share of the traffic relative to the other kinds' weights.
    pub weight: f64,
    /// The step at low load that told it.
    pub light: Step,
}

/// The most that any setting could reach, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The resource that sets it.
    pub resource: Resource,
    /// Requests/s.
    pub rate: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_counted_once() {
        let counts = Counts { ok: 7, timed_out: 1, unsent: 2, ..Counts::default() };
        assert_eq!((counts.due(), counts.failed(), counts.failed_share()), (10, 3, 0.3));
    }

    #[test]
    fn reasons_are_kept_once() {
        let mut validity = Validity::default();
        let late = Validity { invalid: vec!["late".into()], caveats: vec![] };
        validity.merge(&late);
        validity.merge(&late);
        assert_eq!(validity.invalid, ["late"]);
        assert!(!validity.is_valid());
    }
}
