//! How far off a profile's forecasts are from what its own run measured.

use super::{FitError, Observed};
use crate::forecast::{Case, Effort};
use knee_core::event::Event;
use knee_core::profile::Profile;
use knee_core::settings::Settings;
use serde::Serialize;

/// A setting that was measured, with its forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The settings.
    pub settings: Settings,
    /// Measured capacity, requests/s.
    pub measured: f64,
    /// What the profile forecasts for a measurement of the same length, requests/s.
    pub forecast: f64,
}

impl Check {
    /// Forecast over measured, less 1.
    pub fn error(&self) -> f64 {
        self.forecast / self.measured - 1.0
    }
}

/// Every setting of the run that carried anything, with its forecast.
pub fn check(run: &str, events: &[Event], profile: &Profile) -> Result<Vec<Check>, FitError> {
    let observed = Observed::of(run, events)?;
    let place = observed.place();
    let goal = events.iter().find_map(|event| match event {
        Event::Started(started) => Some(started.goal.value),
        _ => None,
    });
    let goal = goal.unwrap_or_default();
    let tried = events.iter().filter_map(|event| match event {
        Event::Tried(trial) if trial.rejected.is_none() => {
            Some((&trial.settings, trial.capacity.as_ref()?))
        }
        _ => None,
    });
    let checked = tried.filter(|(_, c)| c.rate > 0.0 && c.validity.is_valid());
    Ok(checked
        .filter_map(|(settings, capacity)| {
            let case = Case::new(profile, settings, place)?;
            let forecast = case.carries(&goal, &Effort::MEASURED).rate.value;
            Some(Check { settings: settings.clone(), measured: capacity.rate, forecast })
        })
        .collect())
}
