//! What one request takes, from a run at low load.
//!
//! What lives here: arithmetic over one light step. What never does: sending it.

use knee_core::model::Concurrency;
use knee_core::observe::{Calibration, Outcome, Step, Usage};
use knee_core::settings::Settings;
use knee_core::units::{Bytes, Seconds};

/// A light load that cannot be calibrated from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// Nothing came back well.
    #[error("not one of {sent} requests at {rate:.1} requests/s ended well: {failures}")]
    NoAnswer {
        /// Requests that were due.
        sent: u64,
        /// Their rate, requests/s.
        rate: f64,
        /// Failures by name.
        failures: String,
    },
}

/// The calibration that a light step gives. `idle` is the CPU used without requests, cores. A stall
/// of the host moves the mean latency and not the median; of a mix of requests the median may be any
/// one's, and the mean alone says how long they take together.
pub fn from(
    step: &Step,
    idle: f64,
    mixed: bool,
    settings: &Settings,
    concurrency: Option<Concurrency>,
) -> Result<Calibration, CalibrationError> {
    if step.counts.ok == 0 {
        return Err(CalibrationError::NoAnswer {
            sent: step.counts.due(),
            rate: step.offered,
            failures: failures(step),
        });
    }
    let usage = step.usage.clone().unwrap_or_default();
    // On a machine that stalls, all answers may come after the step's end.
    let answered = step.throughput.max(step.counts.ok as f64 / step.seconds);
    let cpu = ((usage.cpu - idle) / answered).max(0.0);
    let latency = if mixed { step.latency.mean } else { step.latency.p50 };
    let (per_worker, shared) = memory(&usage, concurrency);
    Ok(Calibration {
        cpu: Seconds(cpu),
        wait: Seconds((latency - cpu).max(0.0)),
        per_worker,
        shared,
        rate: step.offered,
        settings: settings.clone(),
        light: Some(Box::new(step.clone())),
        kinds: vec![],
    })
}

/// Memory of one more worker, and what does not grow with workers: the proportional set sizes
/// shared out evenly, the rest of what the limit counts (page cache, kernel) apart.
fn memory(usage: &Usage, concurrency: Option<Concurrency>) -> (Bytes, Bytes) {
    let workers = concurrency.map_or(usage.processes, |c| c.processes).max(1);
    (Bytes(usage.pss.0 / u64::from(workers)), Bytes(usage.memory.0.saturating_sub(usage.pss.0)))
}

/// Answers below which CPU per request says little.
const ANSWERS: u64 = 30;

/// The least CPU that a request took in steps that held, what the service does besides among it: a task
/// that is mostly idle, or not warm yet, is dearer per request than one under load.
pub fn least_cpu<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Option<Seconds> {
    let held = steps.into_iter().filter(|s| s.outcome == Outcome::Held && s.counts.ok >= ANSWERS);
    let each = held.filter_map(|s| Some(s.usage.as_ref()?.cpu / s.throughput));
    let sane = each.filter(|cpu| cpu.is_finite() && *cpu > 0.0);
    sane.reduce(f64::min).map(Seconds)
}

/// Answers over requests of a load that a service carries: the last ones are answered after the step.
const KEEPS_UP: f64 = 0.85;

/// Whether a service answered about as many requests as came. That is not what was offered: independent
/// arrivals of a short step are more or fewer by chance.
pub fn keeps_up(step: &Step) -> bool {
    let answered = step.throughput * step.seconds;
    step.outcome != Outcome::Hopeless && answered >= KEEPS_UP * step.counts.due() as f64
}

/// Failures of a step in words: `3 timed out, 1 reset`.
pub fn failures(step: &Step) -> String {
    let named = step.counts.named().into_iter().filter(|(_, n)| *n > 0);
    let words: Vec<String> = named.map(|(name, n)| format!("{n} {name}")).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::model::Serial;
    use knee_core::observe::{Counts, Latency, Validity};

    fn light(ok: u64, usage: Option<Usage>) -> Step {
        Step {
            offered: 20.0,
            seconds: 3.0,
            throughput: 20.0,
            counts: Counts { ok, timed_out: 3, ..Counts::default() },
            latency: Latency { p50: 0.026, ..Latency::default() },
            outcome: Outcome::Held,
            usage,
            validity: Validity::default(),
        }
    }

    #[test]
    fn cpu_and_waiting_add_up_to_the_latency() {
        let usage = Usage {
            cpu: 0.13,
            memory: Bytes(150 << 20),
            pss: Bytes(100 << 20),
            ..Usage::default()
        };
        let four = Concurrency { processes: 4, slots: Some(4), cores: 4.0, serial: Serial::Worker };
        let c =
            from(&light(60, Some(usage)), 0.01, false, &Settings::default(), Some(four)).unwrap();
        assert!((c.cpu.0 - 0.006).abs() < 1e-12 && (c.wait.0 - 0.020).abs() < 1e-12, "{c:?}");
        assert_eq!((c.per_worker, c.shared), (Bytes(25 << 20), Bytes(50 << 20)));
    }

    #[test]
    fn few_arrivals_by_chance_are_no_service_that_stays_behind() {
        let step = |throughput, ok| {
            let counts = Counts { ok, ..Counts::default() };
            Step { throughput, counts, ..light(0, None) }
        };
        // 60 were expected.
        assert!(keeps_up(&step(14.0, 43)) && keeps_up(&step(25.0, 76)));
        assert!(!keeps_up(&step(14.0, 60)));
        assert!(!keeps_up(&Step { outcome: Outcome::Hopeless, ..step(20.0, 60) }));
    }

    #[test]
    fn a_mix_takes_the_mean_of_what_its_requests_take() {
        let usage = Usage { cpu: 0.1, ..Usage::default() };
        let latency = Latency { p50: 0.001, mean: 0.012, ..Latency::default() };
        let step = Step { latency, ..light(60, Some(usage)) };
        let waits = |mixed| from(&step, 0.0, mixed, &Settings::default(), None).unwrap().wait.0;
        assert!((waits(true) - 0.007).abs() < 1e-12 && waits(false) == 0.0);
    }

    #[test]
    fn answers_after_the_end_of_the_step_are_answers() {
        let usage = Usage { cpu: 0.1, ..Usage::default() };
        let late = Step { throughput: 0.0, ..light(60, Some(usage)) };
        let c = from(&late, 0.0, false, &Settings::default(), None).unwrap();
        assert!((c.cpu.0 - 0.005).abs() < 1e-12, "{c:?}");
    }

    #[test]
    fn the_least_cpu_is_that_of_a_step_that_held_and_has_answers() {
        let took = |cpu, ok, outcome| Step {
            outcome,
            ..light(ok, Some(Usage { cpu, ..Usage::default() }))
        };
        let steps = [
            took(0.10, 60, Outcome::Held),
            took(0.06, 60, Outcome::Held),
            took(0.02, 5, Outcome::Held),
            took(0.02, 60, Outcome::Missed),
            took(0.0, 60, Outcome::Held),
        ];
        assert_eq!(least_cpu(&steps), Some(Seconds(0.06 / 20.0)));
        assert_eq!(least_cpu(&steps[2..]), None);
    }

    #[test]
    fn without_an_answer_the_failures_are_named() {
        let error = from(&light(0, None), 0.0, false, &Settings::default(), None).unwrap_err();
        assert!(error.to_string().ends_with("3 timed out"), "{error}");
    }
}
