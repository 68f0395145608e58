//! What the speed of the host's CPUs did to what was measured.
//!
//! What limits a capacity says how much of the host's speed it feels: all of it where the CPU
//! does, and the share of the CPU in a request's time where every worker is busy or waits. Whether the
//! yardstick tells this service's speed at all is asked of the trials themselves: under the same
//! settings a request takes the less CPU the faster the host is.
//!
//! What never lives here: how the speed is read (`knee-measure`), and what pairs say of a gain
//! (`knee-plan`).

use knee_core::event::Trial;
use knee_core::observe::{Calibration, Capacity, HostSpeed, Outcome, Resource, Step};
use knee_plan::statistics::mean;

/// Rates within this factor of a capacity are those that told it.
const NEAR: f64 = 1.25;
/// Answers below which CPU per request says little.
const ANSWERS: u64 = 30;
/// Changes of speed of less are not worth a word: within a step that held or the calibration, and
/// over a run.
const WITHIN: f64 = 1.3;
const OVER: f64 = 1.15;

/// What is known of the host's speed in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speeds {
    /// The speed that the calibration saw.
    reference: Option<f64>,
    /// Fastest over slowest second of the calibration.
    calibrating: f64,
    /// Share of the CPU in the time of a request at rest.
    share: f64,
    /// Whether the speed explains what the service's requests took.
    explains: bool,
}

impl Speeds {
    pub fn new(calibration: Option<&Calibration>, trials: &[Trial]) -> Speeds {
        let light = calibration.and_then(|c| c.light.as_deref());
        let first = || trials.first().and_then(|t| speed(t.capacity.as_ref()?));
        let time = calibration.map_or(0.0, |c| c.cpu.0 + c.wait.0);
        let share = calibration.filter(|_| time > 0.0).map_or(0.0, |c| c.cpu.0 / time);
        Speeds {
            reference: light.and_then(of_step).or_else(first),
            calibrating: light.and_then(host_speed).map_or(1.0, change),
            share,
            explains: explains(trials),
        }
    }

    /// The factors that the host's speed put on the two sides of a pair, today's and the best's.
    /// Both are taken to feel it alike, in the mean of what their limits say: what it did from one to
    /// the other is told so, and the speed of a calibration minutes ago cannot make a gain. That
    /// a gain is another one on another host stays in how the pairs differ.
    pub fn on_pair(&self, sides: [&Capacity; 2]) -> Option<(f64, f64)> {
        let felt = sides.map(|side| self.elasticity(side.limited_by.resource));
        let factor = |side| Some((speed(side)? / self.reference?).powf(mean(&felt)));
        Some((factor(sides[0])?, factor(sides[1])?))
    }

    /// The factor that the host's speed put on a trial, against the calibration's: 1 where the
    /// yardstick does not tell this service's speed. Of a pair the pairs themselves tell that.
    pub fn of_trial(&self, trial: &Trial) -> f64 {
        let told = match (&trial.capacity, &trial.abandoned) {
            (Some(capacity), _) => {
                speed(capacity).and_then(|speed| self.factor(speed, capacity.limited_by.resource))
            }
            (None, Some(a)) => {
                of_step(&a.step).and_then(|speed| self.factor(speed, a.limited_by.resource))
            }
            (None, None) => None,
        };
        told.filter(|_| self.explains).unwrap_or(1.0)
    }

    fn factor(&self, speed: f64, limit: Resource) -> Option<f64> {
        Some((speed / self.reference?).powf(self.elasticity(limit)))
    }

    /// By how many percent a capacity rises with one percent of speed.
    fn elasticity(&self, limit: Resource) -> f64 {
        match limit {
            Resource::CpuQuota
            | Resource::EventLoop
            | Resource::Gil
            | Resource::GarbageCollection
            | Resource::Host => 1.0,
            Resource::WorkerPool
            | Resource::AcceptQueue
            | Resource::Descriptors
            | Resource::Connections
            | Resource::Unknown => self.share,
            // The generator's ceiling is its own, and what others do is theirs.
            Resource::Memory | Resource::Backend | Resource::Generator => 0.0,
        }
    }

    /// What is to be said of the host's speed, if it moved.
    pub fn said(&self, trials: &[Trial]) -> Option<String> {
        let reference = self.reference?;
        let capacities = || trials.iter().filter_map(|t| t.capacity.as_ref());
        let speeds: Vec<f64> = capacities().filter_map(speed).map(|s| s / reference).collect();
        let least = speeds.iter().copied().fold(1.0, f64::min);
        let most = speeds.iter().copied().fold(1.0, f64::max);
        let held = capacities().filter_map(|c| c.at.as_ref()).filter_map(host_speed);
        let within = held.map(change).fold(1.0, f64::max);
        let percent = |share: f64| format!("{:.0}", 100.0 * share);
        let mut said = vec![];
        if most / least > OVER {
            let (least, most) = (percent(least), percent(most));
            said.push(format!("ran at {least} to {most} % of their speed at the calibration"));
        }
        if within > WITHIN {
            let change = percent(within - 1.0);
            said.push(format!("changed it by {change} % within a step that held the goal"));
        }
        if self.calibrating > WITHIN {
            let change = percent(self.calibrating - 1.0);
            said.push(format!("changed it by {change} % during the calibration"));
        }
        let what_of_it = if self.explains {
            "trials are compared with that taken into account"
        } else {
            "CPU per request did not follow, so trials are compared as they were measured"
        };
        (!said.is_empty()).then(|| format!("the host's CPUs {}; {what_of_it}", said.join(" and ")))
    }
}

fn host_speed(step: &Step) -> Option<HostSpeed> {
    step.usage.as_ref()?.host_speed
}

/// Fastest over slowest second.
fn change(speed: HostSpeed) -> f64 {
    speed.fastest / speed.slowest
}

fn of_step(step: &Step) -> Option<f64> {
    Some(host_speed(step)?.mean)
}

/// The host's speed while the capacity was found: of the steps around it, by their length.
fn speed(capacity: &Capacity) -> Option<f64> {
    let near =
        |step: &&Step| step.offered <= NEAR * capacity.rate && NEAR * step.offered >= capacity.rate;
    let steps = capacity.curve.iter().filter(near);
    let (sum, seconds) = steps
        .filter_map(|step| Some((of_step(step)?, step.seconds)))
        .fold((0.0, 0.0), |(sum, all), (speed, seconds)| (sum + speed * seconds, all + seconds));
    (seconds > 0.0).then(|| sum / seconds)
}

/// Whether CPU per request, trial by trial, varies less from step to step when it is counted in
/// the yardstick's steps than when it is counted in seconds.
fn explains(trials: &[Trial]) -> bool {
    let (mut raw, mut counted) = (0.0, 0.0);
    for capacity in trials.iter().filter_map(|t| t.capacity.as_ref()) {
        let (seconds, steps): (Vec<f64>, Vec<f64>) = capacity.curve.iter().filter_map(logs).unzip();
        raw += squares(&seconds);
        counted += squares(&steps);
    }
    counted < raw
}

/// Logarithms of the CPU of a request: in seconds, and in steps of the yardstick.
fn logs(step: &Step) -> Option<(f64, f64)> {
    let usage = step.usage.as_ref()?;
    let told = step.counts.ok >= ANSWERS && step.outcome == Outcome::Held && usage.cpu > 0.0;
    let seconds = (usage.cpu / step.throughput.max(1e-9)).ln();
    told.then_some((seconds, seconds + usage.host_speed?.mean.ln()))
}

/// Sum of the squared distances from the mean.
fn squares(values: &[f64]) -> f64 {
    let middle = mean(values);
    values.iter().map(|v| (v - middle).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::observe::{Counts, Latency, Limit, Usage, Validity};
    use knee_core::settings::Settings;
    use knee_core::units::{Bytes, Seconds};

    /// A step on a host of this speed, of requests that take so much CPU.
    fn step(offered: f64, speed: f64, cpu: f64) -> Step {
        let host_speed = HostSpeed { mean: speed, slowest: 0.9 * speed, fastest: 1.1 * speed };
        Step {
            offered,
            seconds: 2.0,
            throughput: offered,
            counts: Counts { ok: 200, ..Counts::default() },
            latency: Latency::default(),
            outcome: Outcome::Held,
            usage: Some(Usage {
                cpu: cpu * offered,
                host_speed: Some(host_speed),
                ..Usage::default()
            }),
            validity: Validity::default(),
        }
    }

    fn capacity(rate: f64, limit: Resource, curve: Vec<Step>) -> Capacity {
        Capacity {
            rate,
            spread: None,
            at: curve.last().cloned(),
            curve,
            limited_by: Limit { resource: limit, evidence: String::new() },
            validity: Validity::default(),
        }
    }

    fn trial(capacity: Capacity) -> Trial {
        Trial {
            number: 1,
            settings: Settings::default(),
            bound: None,
            capacity: Some(capacity),
            abandoned: None,
            rejected: None,
            seconds: 20.0,
        }
    }

    fn calibration() -> Calibration {
        Calibration {
            cpu: Seconds(0.005),
            wait: Seconds(0.015),
            per_worker: Bytes(0),
            shared: Bytes(0),
            rate: 20.0,
            settings: Settings::default(),
            light: Some(Box::new(step(20.0, 100.0, 0.005))),
            kinds: vec![],
        }
    }

    /// A trial on a host that ran at 80 and 64 % of its speed.
    fn slowed(limit: Resource, cpu: impl Fn(f64) -> f64) -> Trial {
        let curve = [80.0, 64.0].map(|speed| step(100.0, speed, cpu(speed))).into();
        trial(capacity(100.0, limit, curve))
    }

    #[test]
    fn a_slow_host_takes_from_a_capacity_what_its_limit_feels() {
        let follows = |speed| 0.5 / speed;
        for (limit, power) in
            [(Resource::CpuQuota, 1.0), (Resource::WorkerPool, 0.25), (Resource::Backend, 0.0)]
        {
            let trial = slowed(limit, follows);
            let speeds = Speeds::new(Some(&calibration()), std::slice::from_ref(&trial));
            let expected = 0.72f64.powf(power);
            assert!((speeds.of_trial(&trial) - expected).abs() < 1e-12, "{limit}");
            let same = [trial.capacity.as_ref().unwrap(); 2];
            let (today, best) = speeds.on_pair(same).unwrap();
            assert_eq!((today, best), (speeds.of_trial(&trial), speeds.of_trial(&trial)));
        }
    }

    #[test]
    fn the_speed_of_the_calibration_makes_no_gain() {
        // Both sides at 72 % of the calibration's speed; one is limited by its workers, which
        // feel a quarter of it, the other by the CPU.
        let [pool, quota] = [Resource::WorkerPool, Resource::CpuQuota]
            .map(|limit| slowed(limit, |speed| 0.5 / speed).capacity.unwrap());
        let speeds = Speeds::new(Some(&calibration()), &[]);
        let (today, best) = speeds.on_pair([&pool, &quota]).unwrap();
        assert_eq!(today, best);
        // The host slowed down from one to the other: the second is told what that took.
        let slower = capacity(100.0, Resource::CpuQuota, vec![step(100.0, 36.0, 0.005)]);
        let (today, best) = speeds.on_pair([&pool, &slower]).unwrap();
        assert!((best / today - 0.5f64.powf(0.625)).abs() < 1e-12, "{today} {best}");
        let mut blind = slower;
        blind.curve[0].usage = None;
        assert_eq!(speeds.on_pair([&pool, &blind]), None, "nothing is told of one side alone");
    }

    #[test]
    fn a_service_that_does_not_feel_it_is_not_corrected() {
        let trial = slowed(Resource::CpuQuota, |_| 0.005);
        let speeds = Speeds::new(Some(&calibration()), std::slice::from_ref(&trial));
        assert_eq!(speeds.of_trial(&trial), 1.0);
        let said = speeds.said(std::slice::from_ref(&trial)).unwrap();
        assert_eq!(
            said,
            "the host's CPUs ran at 72 to 100 % of their speed at the calibration; CPU per request \
             did not follow, so trials are compared as they were measured"
        );
    }

    #[test]
    fn without_a_yardstick_nothing_is_corrected_or_said() {
        let mut blind = slowed(Resource::CpuQuota, |speed| 0.5 / speed);
        for step in &mut blind.capacity.as_mut().unwrap().curve {
            step.usage.as_mut().unwrap().host_speed = None;
        }
        let trials = [blind];
        let speeds = Speeds::new(Some(&calibration()), &trials);
        assert_eq!((speeds.of_trial(&trials[0]), speeds.said(&trials)), (1.0, None));
        assert_eq!(Speeds::new(None, &[]).said(&[]), None);
    }

    #[test]
    fn a_change_within_a_step_that_held_or_the_calibration_is_told() {
        let moved = |mut step: Step| {
            let speed = step.usage.as_mut().unwrap().host_speed.as_mut().unwrap();
            (speed.slowest, speed.fastest) = (75.0, 120.0);
            step
        };
        let steady = [trial(capacity(100.0, Resource::CpuQuota, vec![step(100.0, 100.0, 0.005)]))];
        assert_eq!(Speeds::new(Some(&calibration()), &steady).said(&steady), None);
        let trials =
            [trial(capacity(100.0, Resource::CpuQuota, vec![moved(step(100.0, 100.0, 0.005))]))];
        let said = Speeds::new(Some(&calibration()), &trials).said(&trials).unwrap();
        assert!(said.contains("changed it by 60 % within a step that held the goal;"), "{said}");
        let light = calibration().light.map(|light| Box::new(moved(*light)));
        let calibration = Calibration { light, ..calibration() };
        let said = Speeds::new(Some(&calibration), &steady).said(&steady).unwrap();
        assert!(said.contains("changed it by 60 % during the calibration;"), "{said}");
    }
}
