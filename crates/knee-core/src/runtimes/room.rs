//! What a container can use, and how many of a runtime's processes go into it.

use super::Settings;
use crate::profile::Profile;
use crate::units::{Bytes, Seconds};

/// Share of memory that is given out where what a process takes is assumed, and where it is known.
const ASSUMED: f64 = 0.7;
const KNOWN: f64 = 0.9;
/// Slots over those that use all the CPU at its mean: arrivals come in bursts, and a slot too many
/// costs memory alone.
const BURSTS: f64 = 1.25;
/// More than one container serves at once, whatever a profile says.
const MOST_SLOTS: i64 = 1024;

/// What a container can really use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Room {
    /// CPU, cores.
    pub cpu: f64,
    /// Memory; None where nothing limits it.
    pub memory: Option<Bytes>,
    /// Open files of a process; None where nothing limits them.
    pub files: Option<u64>,
    /// What was measured of the service.
    pub needs: Option<Needs>,
}

/// What a request and a process take, as far as sizing at a boot goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// CPU of a request.
    pub cpu: Seconds,
    /// What it waits.
    pub wait: Seconds,
    /// Memory that does not grow with the number of processes.
    pub shared: Bytes,
    /// Memory of a process.
    pub per_process: Bytes,
    /// What is alive in a collected heap, where there is one.
    pub live: Option<Bytes>,
    /// Who says so, in words.
    pub source: String,
}

impl Needs {
    /// The means over all kinds of request; None where the profile holds no sensible figures.
    pub fn of(profile: &Profile, source: impl Into<String>) -> Option<Needs> {
        let weights: f64 = profile.classes.iter().map(|class| class.weight).sum();
        let mean = |of: &dyn Fn(&crate::profile::Class) -> f64| {
            let sum: f64 = profile.classes.iter().map(|class| class.weight * of(class)).sum();
            Some(sum / weights).filter(|mean| mean.is_finite() && *mean >= 0.0)
        };
        let bytes = |value: f64| Bytes(value.max(0.0) as u64);
        Some(Needs {
            cpu: Seconds(mean(&|class| class.cpu.mean.value)?),
            wait: Seconds(mean(&|class| class.wait.mean.value + class.blocking.mean.value)?),
            shared: bytes(profile.memory.shared.value),
            per_process: bytes(profile.memory.per_process.value),
            live: profile.heap.as_ref().map(|heap| bytes(heap.live.value)),
            source: source.into(),
        })
        .filter(|needs| needs.cpu.0 > 0.0)
    }
}

impl Room {
    /// Processes or threads that can compute at once: each has a CPU, the last perhaps a part of one.
    pub fn lanes(&self) -> i64 {
        (self.cpu.ceil() as i64).max(1)
    }

    /// Event loops that have a CPU of their own.
    pub fn loops(&self) -> i64 {
        (self.cpu.floor() as i64).max(1)
    }

    /// Requests in service at once that use all the CPU, with the reason: while one waits another
    /// computes. None where nothing was measured.
    pub fn slots(&self) -> Option<(i64, String)> {
        let needs = self.needs.as_ref()?;
        let slots = BURSTS * self.cpu * (1.0 + needs.wait.0 / needs.cpu.0);
        let because = format!(
            "{BURSTS} × what uses {} CPU at {} of CPU and {} of waiting for each request ({})",
            self.cpu, needs.cpu, needs.wait, needs.source
        );
        Some(((slots.ceil() as i64).clamp(1, MOST_SLOTS), because))
    }

    /// As many processes as wanted, or as fit into memory, with the reason. Each takes `assumed` MiB
    /// where nothing was measured.
    pub fn fit(&self, wanted: (i64, String), assumed: u64) -> (i64, String) {
        let (wanted, because) = wanted;
        let Some(memory) = self.memory else { return (wanted, because) };
        let (share, shared, each, how) = match &self.needs {
            Some(needs) if needs.per_process.0 > 0 => {
                let how = format!("{} each ({})", needs.per_process, needs.source);
                (KNOWN, needs.shared, needs.per_process, how)
            }
            _ => (ASSUMED, Bytes(0), Bytes::mib(assumed), format!("an assumed {assumed} MiB each")),
        };
        let fit = ((memory.0 as f64 * share - shared.0 as f64) / each.0 as f64) as i64;
        if fit >= wanted {
            return (wanted, because);
        }
        let percent = share * 100.0;
        let because = format!("{because}; no more fit into {percent} % of {memory} at {how}");
        (fit.max(1), because)
    }

    /// A process for each unit of CPU as `lanes` or `loops` counts them.
    pub(super) fn for_each(&self, count: i64, rule: &str) -> (i64, String) {
        (count, format!("{rule}, CPU being {}", self.cpu))
    }
}

/// Whether nothing has set a knob.
pub(super) fn open(set: &Settings, knob: &str) -> bool {
    !set.0.contains_key(knob)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(wait: f64) -> Room {
        let needs = Needs {
            cpu: Seconds(0.002),
            wait: Seconds(wait),
            shared: Bytes::mib(32),
            per_process: Bytes::mib(40),
            live: None,
            source: "knee.lock".into(),
        };
        Room { cpu: 0.5, memory: Some(Bytes::mib(512)), needs: Some(needs), files: None }
    }

    #[test]
    fn slots_are_as_many_as_keep_the_cpu_busy() {
        let (slots, because) = room(0.0).slots().unwrap();
        assert_eq!(slots, 1);
        assert!(because.contains("2.00 ms of CPU and 0 ms of waiting"), "{because}");
        assert_eq!(room(0.020).slots().unwrap().0, 7);
        assert_eq!(Room { needs: None, ..room(0.0) }.slots(), None);
    }

    #[test]
    fn no_more_than_fit() {
        let wanted = || (100, "a rule".to_string());
        let (fit, because) = room(0.0).fit(wanted(), 128);
        assert_eq!(fit, 10);
        assert_eq!(because, "a rule; no more fit into 90 % of 512 MiB at 40 MiB each (knee.lock)");
        let unknown = Room { needs: None, ..room(0.0) };
        assert_eq!(unknown.fit(wanted(), 128).0, 2);
        assert_eq!(Room { memory: None, ..unknown.clone() }.fit(wanted(), 128).0, 100);
        let tiny = Room { memory: Some(Bytes::mib(16)), ..unknown };
        assert_eq!(tiny.fit(wanted(), 128).0, 1);
    }
}
