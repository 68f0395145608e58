//! What a plan rests on: a run's profile, a committed one, or stated assumptions.

use super::{Assumed, assume};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept;
use crate::run::Run;
use knee_core::Goal;
use knee_core::profile::Profile;
use knee_core::service::Service;
use knee_files::Overrides;
use knee_plan::fit::{self, Check, FitError, Law};
use knee_plan::statistics::median;
use knee_tune::journal::{self, JournalError};
use std::path::{Path, PathBuf};

/// What a plan rests on.
#[derive(Debug)]
pub struct Basis {
    /// What requests and processes take.
    pub profile: Profile,
    /// Where that comes from, in words.
    pub from: String,
    /// The service in the folder, if the profile is one of it.
    pub service: Option<Service>,
    /// What it has to hold, where its run or its files say so.
    pub goal: Option<Goal>,
    /// Share of a task's memory that stays free.
    pub memory_free: f64,
    /// What one task carried with the best settings, requests/s, and in which run.
    pub carried: Option<(f64, String)>,
    /// The run's own measurements with their forecasts.
    pub checks: Vec<Check>,
    /// The Universal Scalability Law through them, where they are enough.
    pub law: Option<Law>,
}

/// A profile that is kept with the service's files.
pub const LOCK: &str = "knee.lock";

impl Basis {
    /// From a run by number or folder; else from the latest run or the profile in the folder, whichever
    /// was written last.
    pub fn of_folder(root: &Path, run: Option<&str>) -> Result<Basis, Failure> {
        match journal::find(root, run) {
            Ok(folder) if run.is_none() && newer(&root.join(LOCK), &folder) => Basis::of_lock(root),
            Ok(folder) => Basis::of_run(root, &folder),
            Err(JournalError::NoRun { .. }) if run.is_none() => Basis::of_lock(root),
            Err(error) => Err(error.into()),
        }
    }

    fn of_run(root: &Path, folder: &Path) -> Result<Basis, Failure> {
        let events = journal::read(folder)?;
        let name = kept::name(folder);
        let nothing = |error: FitError| {
            Failure::new(Exit::Nothing, error.to_string())
                .remedy("`knee tune` makes a run; `knee plan --assume` needs none")
        };
        let residual = fit::residual(&name, &events).map_err(nothing)?;
        let profile = Profile { residual, ..fit::profile(&name, &events).map_err(nothing)? };
        let checks = fit::check(&name, &events, &profile).map_err(nothing)?;
        let run = Run::of(&events);
        let capacities = run.trials.iter().filter(|t| t.rejected.is_none());
        let best = capacities.filter_map(|t| Some(t.capacity.as_ref()?.rate)).fold(0.0, f64::max);
        let name = format!("run {name}");
        Ok(Basis {
            from: name.clone(),
            goal: run.started.as_ref().map(|s| s.goal.value),
            carried: (best > 0.0).then_some((best, name)),
            law: fit::law(&profile, &checks),
            checks,
            ..Basis::with_files(root, profile)?
        })
    }

    fn of_lock(root: &Path) -> Result<Basis, Failure> {
        let path = root.join(LOCK);
        let none = || {
            let what = format!("{}: no run of knee and no {LOCK} is here", root.display());
            Failure::new(Exit::Nothing, what).remedy(
                "`knee tune` makes a run; without one, state what you know: \
                 --assume cpu=8ms,wait=40ms,memory=45MiB --runtime gunicorn",
            )
        };
        let text = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(none()),
            read => read.map_err(|e| at(&path, e))?,
        };
        let profile = serde_json::from_str(&text).map_err(|e| at(&path, e))?;
        Ok(Basis { from: path.display().to_string(), ..Basis::with_files(root, profile)? })
    }

    /// From what was stated.
    pub fn assumed(root: &Path, assumed: &[Assumed], runtime: &str) -> Result<Basis, Failure> {
        let wrong = |error| Failure::new(Exit::Refused, format!("--assume: {error}"));
        let profile = assume::profile(assumed, runtime).map_err(wrong)?;
        let said: Vec<String> = assumed.iter().map(ToString::to_string).collect();
        let from = format!("stated: {}, {runtime}", said.join("; "));
        Ok(Basis { from, ..Basis::with_files(root, profile)? })
    }

    /// With what the folder's files say, where the profile is one of the service there.
    fn with_files(root: &Path, profile: Profile) -> Result<Basis, Failure> {
        let discovery = knee_files::discover(root, &Overrides::default())?;
        let memory_free = discovery.head_room.value;
        let same = discovery.service.parts().any(|p| p.runtime == profile.runtime);
        Ok(Basis {
            profile,
            from: String::new(),
            goal: same.then_some(discovery.goal.value),
            service: same.then_some(discovery.service),
            memory_free,
            carried: None,
            checks: vec![],
            law: None,
        })
    }

    /// How far off the model was where it could be checked, in words; None without a check.
    pub fn accuracy(&self) -> Option<String> {
        let errors: Vec<f64> = self.checks.iter().map(|check| check.error().abs()).collect();
        let worst =
            self.checks.iter().max_by(|a, b| a.error().abs().total_cmp(&b.error().abs()))?;
        let said = format!("{:+.0} %", 100.0 * worst.error());
        let (from, n) = (&self.from, errors.len());
        let tails: Vec<f64> =
            self.checks.iter().flat_map(|c| &c.tails).map(|tail| tail.error().abs()).collect();
        let tails = median(&tails).map_or(String::new(), |middle| {
            format!("; latency in {} steps: {:.0} % off in the median", tails.len(), 100.0 * middle)
        });
        Some(match n {
            1 => format!("forecast against measured in {from}: {said} for the only setting{tails}"),
            _ => format!(
                "forecast against measured in {from}, {n} settings: {:.0} % off in the median, \
                 {said} at worst ({}){tails}",
                100.0 * median(&errors)?,
                worst.settings
            ),
        })
    }

    /// What the Universal Scalability Law says of the same measurements, in words.
    pub fn cross_check(&self) -> Option<String> {
        let Law { settings, between: (few, many), contention, crosstalk, peak, off, simulated } =
            self.law?;
        let peak = match peak.filter(|peak| *peak <= many) {
            Some(peak) => format!("most is carried with {peak:.0}"),
            None => "more than were measured carry no less".into(),
        };
        Some(format!(
            "the Universal Scalability Law through {settings} settings that serve {few} to {many} \
             requests at once: {:.1} % of the work is done by one alone, {:.3} % is lost to each \
             pair, {peak}; left out one by one they are {:.0} % off its curve in the median, {:.0} % \
             off the simulator's forecast",
            100.0 * contention,
            100.0 * crosstalk,
            100.0 * off,
            100.0 * simulated
        ))
    }

    /// What of the profile rests on an assumption, in words.
    pub fn assumptions(&self) -> Vec<String> {
        super::assume::assumptions(&self.profile)
    }

    /// Reasons for care: a model that its own run contradicts.
    pub fn doubts(&self) -> Vec<String> {
        let far = self.checks.iter().filter(|c| c.error().abs() > FAR);
        far.map(|c| {
            let why = if c.error() > 0.0 {
                "something is at work that it does not know (a lock inside the application, a \
                 backend that slows under load)"
            } else {
                "a request took less there than where the profile was measured"
            };
            format!(
                "{} carried {:.0} requests/s, the model says {:.0}: {why}",
                c.settings, c.measured, c.forecast
            )
        })
        .take(1)
        .collect()
    }
}

/// Writes a profile where it can be committed; the path.
pub fn write_lock(root: &Path, profile: &Profile) -> Result<PathBuf, Failure> {
    let path = root.join(LOCK);
    let text = serde_json::to_string_pretty(profile).expect("a profile is always JSON");
    kept::put(&path, &(text + "\n"))?;
    Ok(path)
}

/// Whether a profile was written after the last event of a run.
fn newer(lock: &Path, run: &Path) -> bool {
    let written = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let last = written(&run.join(journal::EVENTS));
    written(lock).zip(last).is_some_and(|(lock, last)| lock > last)
}

/// Error of a forecast from which the model is in doubt.
const FAR: f64 = 0.25;

fn at(path: &Path, problem: impl std::fmt::Display) -> Failure {
    let what = format!("{}: {problem}", path.display());
    Failure::new(Exit::Refused, what).remedy("`knee plan --lock` writes it anew from a run")
}
