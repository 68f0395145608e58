//! A service of which nothing was measured: what its user states of it.

use knee_core::profile::{Class, Demand, Estimate, Memory, Profile, Shape, Version};
use knee_core::sourced::Origin;
use knee_core::units::{Bytes, Seconds};
use std::fmt;
use std::str::FromStr;

/// What is stated: `cpu=8ms,wait=40ms,memory=45MiB`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumed {
    cpu: Seconds,
    wait: Seconds,
    blocking: Seconds,
    memory: Bytes,
    shared: Bytes,
}

/// A stated value is taken to be right within this share.
const WITHIN: f64 = 0.2;
/// Memory that does not grow with processes, where nothing is stated: an interpreter's master
/// process and its shared pages.
const SHARED: Bytes = Bytes::mib(30);

const FORM: &str = "write cpu=8ms,wait=40ms,memory=45MiB; `blocking` (waiting that holds up an event loop) and `shared` (memory once per task) may be added";

impl FromStr for Assumed {
    type Err = String;

    fn from_str(text: &str) -> Result<Assumed, String> {
        let (mut cpu, mut memory) = (None, None);
        let (mut wait, mut blocking, mut shared) = (Seconds(0.0), Seconds(0.0), SHARED);
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or(FORM)?;
            let value = value.trim();
            let time = || value.parse::<Seconds>().map_err(|e| e.to_string());
            let amount = || value.parse::<Bytes>().map_err(|e| e.to_string());
            match name.trim() {
                "cpu" => cpu = Some(time()?),
                "wait" => wait = time()?,
                "blocking" => blocking = time()?,
                "memory" => memory = Some(amount()?),
                "shared" => shared = amount()?,
                other => return Err(format!("`{other}` cannot be assumed; {FORM}")),
            }
        }
        let cpu = cpu.filter(|cpu| cpu.0 > 0.0).ok_or(FORM)?;
        Ok(Assumed { cpu, wait, blocking, memory: memory.ok_or(FORM)?, shared })
    }
}

impl fmt::Display for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of CPU and {} of waiting per request", self.cpu, self.wait)?;
        if self.blocking.0 > 0.0 {
            write!(f, ", {} of it blocking", self.blocking)?;
        }
        write!(f, ", {} per process", self.memory)
    }
}

impl Assumed {
    /// The profile that this makes.
    pub fn profile(&self, runtime: &str) -> Profile {
        let stated = |value: f64| Estimate::assumed(value, WITHIN * value, "stated with --assume");
        let time = |s: Seconds| Demand { mean: stated(s.0), shape: Shape::Exponential };
        let nothing = |because: &str| Estimate::assumed(0.0, 0.0, because);
        Profile {
            version: Version,
            service: "a service".into(),
            runtime: runtime.into(),
            classes: vec![Class {
                name: "a request".into(),
                weight: 1.0,
                cpu: Demand { mean: stated(self.cpu.0), shape: Shape::Constant },
                wait: time(self.wait),
                blocking: time(self.blocking),
                offloaded: Demand::none(),
                calls: 1,
            }],
            background: nothing("an idle service is taken to use no CPU"),
            contention: Estimate::assumed(
                0.0,
                0.1,
                "CPU per request is taken not to grow with load",
            ),
            crowding: Estimate::assumed(
                0.0,
                0.05,
                "CPU per request is taken not to grow with processes",
            ),
            memory: Memory {
                shared: stated(self.shared.0 as f64),
                per_process: stated(self.memory.0 as f64),
                per_request: nothing("a request is taken to need no memory of its own"),
            },
            start: Estimate::assumed(0.5, 0.25, "half a second of CPU to start a process"),
            heap: None,
            measured: None,
        }
    }
}

/// What of a profile rests on an assumption, in words.
pub fn assumptions(profile: &Profile) -> Vec<String> {
    let memory = &profile.memory;
    let mut named = vec![
        ("CPU without requests", &profile.background),
        ("growth of CPU per request with load", &profile.contention),
        ("growth of CPU per request with processes", &profile.crowding),
        ("memory of a task", &memory.shared),
        ("memory of a process", &memory.per_process),
        ("memory of a request", &memory.per_request),
    ];
    for class in &profile.classes {
        named.push(("CPU of a request", &class.cpu.mean));
        named.push(("waiting of a request", &class.wait.mean));
    }
    let assumed = |(name, estimate): &(&str, &Estimate)| match &estimate.origin {
        Origin::Assumed { because } => Some(format!("{name}: {because}")),
        _ => None,
    };
    let mut told: Vec<String> = named.iter().filter_map(assumed).collect();
    if profile.measured.is_none() {
        told.push("requests are taken to wait for exponentially distributed times".into());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_is_named_and_uncertain() {
        let assumed: Assumed = "cpu=8ms, wait=40ms,memory=45MiB".parse().unwrap();
        let profile = assumed.profile("gunicorn");
        let class = &profile.classes[0];
        assert_eq!((class.cpu.mean.value, class.wait.mean.value), (0.008, 0.040));
        assert!((class.cpu.mean.deviation - 0.0016).abs() < 1e-12);
        assert!((profile.memory.per_process.value / (45.0 * 1048576.0) - 1.0).abs() < 1e-5);
        let told = assumptions(&profile).join("\n");
        assert!(told.contains("CPU of a request: stated with --assume"), "{told}");
        let text = "8.00 ms of CPU and 40.0 ms of waiting per request, 45 MiB per process";
        assert_eq!(assumed.to_string(), text);
    }

    #[test]
    fn a_mistake_says_how_to_write_it() {
        for text in ["", "cpu=8ms", "cpu=8,memory=1MiB", "cpu=0ms,memory=1MiB", "cpu=8ms,ram=1MiB"]
        {
            let error = text.parse::<Assumed>().unwrap_err();
            assert!(
                error.contains("write cpu=8ms") || error.contains("such as"),
                "{text}: {error}"
            );
        }
    }
}
