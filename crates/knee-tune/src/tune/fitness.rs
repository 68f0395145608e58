//! What speaks against settings whatever they carry: memory beyond the head-room, kills, and a
//! service that does not live.

use super::TuneError;
use super::run::Run;
use crate::lab::{LabError, Tail};
use knee_core::Bytes;
use knee_core::observe::{Capacity, Outcome, Step};

/// Shorter trials do not tell whether memory goes on growing, seconds.
const TREND: f64 = 8.0;
/// Memory that would run out within so many seconds of load is worth a warning.
const SOON: f64 = 600.0;

impl Run<'_> {
    /// Memory that settings may take, bytes.
    pub fn room(&self) -> f64 {
        self.request.task.value.memory.0 as f64 * (1.0 - self.request.head_room)
    }

    /// Why a measured candidate cannot be taken, if so.
    pub fn unfit(&self, capacity: &Capacity, log: &Tail) -> Option<String> {
        let memory = self.request.task.value.memory;
        let kills: u64 = steps(capacity).map(|(_, usage)| usage.oom_kills).sum();
        if kills > 0 {
            let who = if kills == 1 { "a process was" } else { "processes were" };
            return Some(format!("{kills} {who} killed at the task's limit of {memory}{log}"));
        }
        let held = steps(capacity).filter(|(step, _)| step.outcome == Outcome::Held);
        let used = held.map(|(_, usage)| usage.memory).max()?;
        (used.0 as f64 > self.room()).then(|| {
            format!(
                "takes {used} of the task's {memory}; {:.0} % have to stay free",
                self.request.head_room * 100.0
            )
        })
    }

    /// A warning where memory grew all the time and will soon be at its limit.
    pub fn grows(&self, capacity: &Capacity) -> Option<String> {
        let mut at = 0.0;
        let memory: Vec<(f64, f64)> = steps(capacity)
            .map(|(step, usage)| {
                at += step.seconds;
                (at, usage.memory.0 as f64)
            })
            .collect();
        growth(&memory, self.room()).map(|(rate, left)| {
            format!(
                "memory grew throughout by {} a minute under load, and reaches what may be used \
                 after {:.0} minutes: watch it over a longer time",
                Bytes((rate * 60.0) as u64),
                (left / 60.0).ceil()
            )
        })
    }
}

fn steps(capacity: &Capacity) -> impl Iterator<Item = (&Step, &knee_core::observe::Usage)> {
    capacity.curve.iter().filter_map(|step| Some((step, step.usage.as_ref()?)))
}

/// Bytes/s and the seconds until `room` is used up, where every step took more than the one
/// before and the second half grew as fast as the first: what is only warm stops growing.
fn growth(memory: &[(f64, f64)], room: f64) -> Option<(f64, f64)> {
    let (first, last) = (memory.first()?, memory.last()?);
    let middle = memory.get(memory.len() / 2)?;
    let rate = |a: &(f64, f64), b: &(f64, f64)| (b.1 - a.1) / (b.0 - a.0).max(1e-9);
    let steadily = memory.windows(2).all(|w| w[1].1 > w[0].1);
    let (early, late) = (rate(first, middle), rate(middle, last));
    let left = (room - last.1) / late;
    (memory.len() >= 5 && last.0 - first.0 >= TREND && steadily && late >= early && left < SOON)
        .then_some((late, left.max(0.0)))
}

/// A service that does not live with a candidate rejects the candidate; what is wrong with the
/// laboratory or the host ends the run.
pub fn own_failure(error: TuneError) -> Result<String, TuneError> {
    match error {
        TuneError::Lab(
            error @ (LabError::Start { .. }
            | LabError::Exited { .. }
            | LabError::OutOfMemory { .. }
            | LabError::ForkedAway { .. }
            | LabError::NeverReady { .. }
            | LabError::BadAnswer { .. }),
        ) => Ok(error.to_string()),
        error @ TuneError::Crowded { .. } => Ok(error.to_string()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_told_from_warming_up() {
        let leaks: Vec<(f64, f64)> =
            (0..8).map(|i| (f64::from(i) * 3.0, 1e8 + 3e6 * f64::from(i))).collect();
        let (rate, left) = growth(&leaks, 2e8).unwrap();
        assert!((rate - 1e6).abs() < 1.0 && (left - 79.0).abs() < 0.1, "{rate} {left}");
        let warms: Vec<(f64, f64)> =
            (0..8).map(|i| (f64::from(i) * 3.0, 1e8 + 3e7 * (1.0 - 0.5f64.powi(i)))).collect();
        assert_eq!(growth(&warms, 2e8), None);
        assert_eq!(growth(&leaks, 1e10), None, "years away");
        assert_eq!(growth(&leaks[..3], 2e8), None, "too few");
        assert_eq!(growth(&[], 1.0), None);
    }

    #[test]
    fn only_the_services_own_failures_reject_a_candidate() {
        let exited = LabError::Exited {
            container: "app".into(),
            status: "exit status 1".into(),
            log: Tail::default(),
        };
        assert!(own_failure(TuneError::Lab(exited)).unwrap().contains("exit status 1"));
        let taken = LabError::PortTaken { port: 80, holder: "nginx".into() };
        assert!(own_failure(TuneError::Lab(taken)).is_err());
        assert!(own_failure(TuneError::Interrupted).is_err());
    }
}
