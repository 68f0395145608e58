//! A service of which nothing was measured: what its user states of it.

use knee_core::profile::{
    Class, Demand, Estimate, Memory, Profile, Residual, Shape, Version, wake,
};
use knee_core::runtimes::{self, Surroundings, starts_for_each_request};
use knee_core::settings::Settings;
use knee_core::sourced::Origin;
use knee_core::units::{Bytes, Seconds};
use knee_plan::fit::crowding as usual;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What is stated of one kind of request, and of the processes that serve it:
/// `cpu=8ms,wait=40ms,memory=45MiB`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumed {
    name: Option<String>,
    weight: Option<f64>,
    cpu: Seconds,
    wait: Spread,
    blocking: Seconds,
    offloaded: Seconds,
    calls: Option<u32>,
    bootstrap: Option<Seconds>,
    memory: Option<Bytes>,
    shared: Option<Bytes>,
    start: Option<Seconds>,
}

/// A time that scatters: its mean, or its median and 99th percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spread {
    middle: Seconds,
    p99: Option<Seconds>,
}

/// A stated value is taken to be right within this share.
const WITHIN: f64 = 0.2;
/// Memory that does not grow with processes, where nothing is stated: an interpreter's master
/// process and its shared pages.
const SHARED: Bytes = Bytes::mib(30);
/// CPU to start a process, where nothing is stated: an interpreter and an application.
const START: Seconds = Seconds(0.5);

const FORM: &str =
    "write cpu=8ms,wait=40ms,memory=45MiB; `knee plan --help` lists what may be added";

/// What may be stated, for the help of the command line.
pub const KEYS: &str = "\
--assume NAME=VALUE,... may be repeated, once for each kind of request:
  cpu=8ms        CPU of a request
  wait=40ms      what it waits for a backend in the mean, exponentially distributed;
                 wait=40ms/300ms: median and 99th percentile, log-normally
  memory=45MiB   memory of a process
  name=report    what this kind of request is called
  weight=3       its share of the traffic relative to the others
  blocking=5ms   waiting that holds up a whole event loop
  offloaded=5ms  CPU on helper threads (libuv's pool, worker threads)
  calls=3        times that it waits; the waiting is shared out among them
  bootstrap=30ms CPU to start the application: PHP-FPM pays it for each request, others for
                 each process
  shared=60MiB   memory that a task takes once
  start=500ms    CPU to start one more process (recycling by max-requests)";

impl FromStr for Assumed {
    type Err = String;

    fn from_str(text: &str) -> Result<Assumed, String> {
        let mut assumed = Assumed::default();
        let mut said = BTreeSet::new();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or(FORM)?;
            let value = value.trim();
            if !said.insert(name.trim()) {
                return Err(format!("`{}` is stated twice; {FORM}", name.trim()));
            }
            let time = || value.parse::<Seconds>().map_err(|e| e.to_string());
            let amount = || value.parse::<Bytes>().map_err(|e| e.to_string());
            let wrong = |what: &str| format!("`{value}` is no {what}; {FORM}");
            match name.trim() {
                "cpu" => assumed.cpu = time()?,
                "wait" => assumed.wait = value.parse()?,
                "blocking" => assumed.blocking = time()?,
                "offloaded" => assumed.offloaded = time()?,
                "bootstrap" => assumed.bootstrap = Some(time()?),
                "start" => assumed.start = Some(time()?),
                "memory" => {
                    let memory = Some(amount()?).filter(|memory| memory.0 > 0);
                    assumed.memory = Some(memory.ok_or_else(|| wrong("memory of a process"))?);
                }
                "shared" => assumed.shared = Some(amount()?),
                "name" => assumed.name = Some(value.into()),
                "calls" => {
                    let calls = value.parse().ok().filter(|n| (1..=1000).contains(n));
                    assumed.calls = Some(calls.ok_or_else(|| wrong("number from 1 to 1000"))?);
                }
                "weight" => {
                    let weight = value.parse().ok().filter(|w: &f64| w.is_finite() && *w > 0.0);
                    assumed.weight = Some(weight.ok_or_else(|| wrong("weight above 0"))?);
                }
                other => return Err(format!("`{other}` cannot be assumed; {FORM}")),
            }
        }
        if assumed.cpu.0 <= 0.0 { Err(FORM.into()) } else { Ok(assumed) }
    }
}

impl FromStr for Spread {
    type Err = String;

    fn from_str(text: &str) -> Result<Spread, String> {
        let time = |text: &str| text.trim().parse::<Seconds>().map_err(|e| e.to_string());
        let Some((middle, high)) = text.split_once('/') else {
            return Ok(Spread { middle: time(text)?, p99: None });
        };
        let (middle, high) = (time(middle)?, time(high)?);
        if middle.0 <= 0.0 || high.0 <= middle.0 {
            return Err(format!("`{text}`: write a median and a higher 99th percentile"));
        }
        Ok(Spread { middle, p99: Some(high) })
    }
}

impl Spread {
    fn demand(self) -> Demand {
        let Some(high) = self.p99 else {
            return Demand { mean: stated(self.middle.0), shape: Shape::Exponential };
        };
        let sigma = (high.0 / self.middle.0).ln() / P99;
        let mean = self.middle.0 * (sigma * sigma / 2.0).exp();
        let knots = DEVIATES.map(|(p, z)| (p, self.middle.0 * (sigma * z).exp()));
        Demand { mean: stated(mean), shape: Shape::through(&knots) }
    }
}

/// The normal deviate that 99 of 100 do not exceed.
const P99: f64 = 2.3263;
/// Probabilities with the normal deviates that are not exceeded with them.
const DEVIATES: [(f64, f64); 13] = [
    (0.0, -3.0),
    (0.02, -2.0537),
    (0.1, -1.2816),
    (0.2, -0.8416),
    (0.35, -0.3853),
    (0.5, 0.0),
    (0.65, 0.3853),
    (0.8, 0.8416),
    (0.9, 1.2816),
    (0.96, 1.7507),
    (0.99, P99),
    (0.999, 3.0902),
    (1.0, 3.7),
];

impl fmt::Display for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        write!(f, "{} of CPU and {}", self.cpu, self.wait.middle)?;
        if let Some(high) = self.wait.p99 {
            write!(f, " (median, p99 {high})")?;
        }
        f.write_str(" of waiting per request")?;
        let times = [
            (self.blocking, "of blocking"),
            (self.offloaded, "on helper threads"),
            (self.bootstrap.unwrap_or_default(), "to start the application"),
        ];
        for (time, what) in times.iter().filter(|(time, _)| time.0 > 0.0) {
            write!(f, ", {time} {what}")?;
        }
        self.memory.map_or(Ok(()), |memory| write!(f, ", {memory} per process"))
    }
}

fn stated(value: f64) -> Estimate {
    Estimate::assumed(value, WITHIN * value, "stated with --assume")
}

/// What is stated of processes, which all kinds of request share.
fn one<T: Copy + PartialEq>(
    all: &[Assumed],
    name: &str,
    of: fn(&Assumed) -> Option<T>,
) -> Result<Option<T>, String> {
    let mut said = all.iter().filter_map(of);
    let first = said.next();
    match said.find(|other| Some(*other) != first) {
        Some(_) => Err(format!("`{name}` is stated twice and differs; all requests share it")),
        None => Ok(first),
    }
}

/// The profile that statements make, one for each kind of request.
pub fn profile(all: &[Assumed], runtime: &str) -> Result<Profile, String> {
    let memory = one(all, "memory", |a| a.memory)?.ok_or(FORM)?;
    let shared = one(all, "shared", |a| a.shared)?.unwrap_or(SHARED);
    let start = one(all, "start", |a| a.start)?;
    let bootstrap = one(all, "bootstrap", |a| a.bootstrap)?.unwrap_or_default();
    let (each, once) = match starts_for_each_request(runtime) {
        true => (bootstrap.0, 0.0),
        false => (0.0, bootstrap.0),
    };
    let nothing = |because: &str| Estimate::assumed(0.0, 0.0, because);
    Ok(Profile {
        version: Version,
        service: "a service".into(),
        runtime: runtime.into(),
        classes: all.iter().enumerate().map(|(i, a)| class(a, i, each)).collect(),
        background: nothing("an idle service is taken to use no CPU"),
        contention: Estimate::assumed(0.0, 0.1, "CPU per request is taken not to grow with load"),
        crowding: crowding(runtime),
        wake: wake(),
        memory: Memory {
            shared: stated(shared.0 as f64),
            per_process: stated(memory.0 as f64),
            per_request: nothing("a request is taken to need no memory of its own"),
        },
        start: match (start, once > 0.0) {
            (None, false) => {
                Estimate::assumed(START.0, START.0 / 2.0, format!("{START} to start a process"))
            }
            (start, _) => stated(start.unwrap_or_default().0 + once),
        },
        heap: None,
        residual: Residual::default(),
        measured: None,
    })
}

fn class(assumed: &Assumed, index: usize, bootstrap: f64) -> Class {
    let time = |seconds: f64, shape| Demand { mean: stated(seconds), shape };
    let unnamed = || if index == 0 { "a request".into() } else { format!("request {}", index + 1) };
    Class {
        name: assumed.name.clone().unwrap_or_else(unnamed),
        weight: assumed.weight.unwrap_or(1.0),
        cpu: time(assumed.cpu.0 + bootstrap, Shape::Constant),
        wait: assumed.wait.demand(),
        blocking: time(assumed.blocking.0, Shape::Exponential),
        offloaded: match assumed.offloaded.0 > 0.0 {
            true => time(assumed.offloaded.0, Shape::Constant),
            false => Demand::none(),
        },
        calls: assumed.calls.unwrap_or(1),
    }
}

/// What more processes than CPUs cost, as far as the kind of runtime says.
fn crowding(runtime: &str) -> Estimate {
    let around = Surroundings { visible_cpus: 2, task_cpu: 1.0, task_memory: 1 << 30 };
    let network = runtimes::by_id(runtime).and_then(|runtime| {
        let today = (runtime.knobs)().into_iter().filter_map(|knob| {
            Some((knob.name.to_string(), (runtime.default)(&knob.name, &around)?))
        });
        (runtime.model)(&Settings(today.collect()), &around)
    });
    let (mean, deviation) = network.as_ref().map_or((0.0, 0.1), usual);
    let because = format!(
        "CPU per request is taken to grow by {:.0} % with each e-fold of processes for a CPU",
        100.0 * mean
    );
    Estimate::assumed(mean, deviation, because)
}

/// What of a profile rests on an assumption, in words.
pub fn assumptions(profile: &Profile) -> Vec<String> {
    let memory = &profile.memory;
    let several = profile.classes.len() > 1;
    let named = |what: &str, class: &Class| match several {
        true => format!("{what} of {}", class.name),
        false => format!("{what} of a request"),
    };
    let mut all = vec![
        ("CPU without requests".to_string(), &profile.background),
        ("growth of CPU per request with load".into(), &profile.contention),
        ("growth of CPU per request with processes".into(), &profile.crowding),
        ("memory of a task".into(), &memory.shared),
        ("memory of a process".into(), &memory.per_process),
        ("memory of a request".into(), &memory.per_request),
        ("CPU to start a process".into(), &profile.start),
    ];
    for class in &profile.classes {
        all.push((named("CPU", class), &class.cpu.mean));
        all.push((named("waiting", class), &class.wait.mean));
        for (what, demand) in [("blocking", &class.blocking), ("helpers", &class.offloaded)] {
            all.extend((demand.mean.value > 0.0).then(|| (named(what, class), &demand.mean)));
        }
    }
    let assumed = |(name, estimate): &(String, &Estimate)| match &estimate.origin {
        Origin::Assumed { because } => Some(format!("{name}: {because}")),
        _ => None,
    };
    let mut told: Vec<String> = all.iter().filter_map(assumed).collect();
    let waits =
        |class: &Class| class.wait.mean.value > 0.0 && class.wait.shape == Shape::Exponential;
    if profile.measured.is_none() && profile.classes.iter().any(waits) {
        told.push("requests are taken to wait for exponentially distributed times".into());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Assumed {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_stated_is_named_and_uncertain() {
        let assumed = read("cpu=8ms, wait=40ms,memory=45MiB");
        let profile = profile(std::slice::from_ref(&assumed), "gunicorn").unwrap();
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
    fn kinds_of_request_share_the_processes() {
        let all = [
            read("name=list,weight=9,cpu=4ms,wait=20ms,memory=45MiB"),
            read("name=report,weight=1,cpu=80ms,calls=3,wait=5ms"),
        ];
        let both = profile(&all, "gunicorn").unwrap();
        let weights: Vec<(&str, f64)> = both.classes.iter().map(|c| (&*c.name, c.weight)).collect();
        assert_eq!(weights, [("list", 9.0), ("report", 1.0)]);
        assert_eq!(both.classes[1].calls, 3);
        assert!(assumptions(&both).join("\n").contains("CPU of report: stated"));
        let torn = [all[0].clone(), read("cpu=1ms,memory=90MiB")];
        assert!(profile(&torn, "gunicorn").unwrap_err().contains("`memory` is stated twice"));
    }

    #[test]
    fn php_starts_for_each_request_what_others_start_once() {
        let all = [read("cpu=8ms,bootstrap=30ms,memory=45MiB")];
        let takes = |runtime: &str| {
            let profile = profile(&all, runtime).unwrap();
            (profile.classes[0].cpu.mean.value, profile.start.value)
        };
        assert_eq!(takes("php-fpm"), (0.038, 0.5));
        assert_eq!(takes("octane"), (0.008, 0.03));
    }

    #[test]
    fn a_median_and_a_tail_make_a_distribution() {
        let all = [read("cpu=8ms,wait=40ms/400ms,memory=45MiB")];
        let wait = &profile(&all, "gunicorn").unwrap().classes[0].wait;
        let Shape::Quantiles(knots) = &wait.shape else { panic!("{wait:?}") };
        let at = |p: f64| knots.iter().find(|k| k.0 == p).unwrap().1 * wait.mean.value;
        assert!((at(0.99) / at(0.5) - 10.0).abs() < 0.01, "{knots:?}");
        // The knots' mean is a little off the log-normal's own.
        assert!((at(0.5) / 0.040 - 1.0).abs() < 0.05, "{}", at(0.5));
    }

    #[test]
    fn a_mistake_says_how_to_write_it() {
        for text in [
            "",
            "cpu=8,memory=1MiB",
            "cpu=0ms,memory=1MiB",
            "cpu=8ms,ram=1MiB",
            "cpu=8ms,memory=0",
            "cpu=8ms,cpu=9ms,memory=1MiB",
        ] {
            let error = text.parse::<Assumed>().unwrap_err();
            assert!(
                error.contains("write cpu=8ms") || error.contains("such as"),
                "{text}: {error}"
            );
        }
        for text in ["cpu=1ms,weight=-1", "cpu=1ms,calls=0", "cpu=1ms,wait=40ms/20ms"] {
            assert!(text.parse::<Assumed>().is_err(), "{text}");
        }
        assert!(profile(&[read("cpu=8ms")], "node").unwrap_err().contains("memory=45MiB"));
    }
}
