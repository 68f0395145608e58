//! What a search believes of settings before it has tried them.

use super::{Case, Effort, Place};
use knee_core::Goal;
use knee_core::profile::Profile;
use knee_core::settings::Settings;

/// Share of the highest bound below which a setting is not simulated: it cannot be the best.
const HOPELESS: f64 = 0.5;

/// What a measurement would find that each of the settings carries, requests/s, in their order;
/// None where there is no model. Settings that are the same stations are simulated once, and those
/// that cannot be the best are told by a closed form.
pub fn prior(
    profile: &Profile,
    settings: &[Settings],
    place: Place,
    goal: &Goal,
) -> Vec<Option<f64>> {
    let cases: Vec<Option<Case<'_>>> =
        settings.iter().map(|settings| Case::new(profile, settings, place)).collect();
    let most = cases.iter().flatten().map(Case::most).fold(0.0, f64::max);
    let mut known: Vec<(&Case<'_>, f64)> = vec![];
    let mut told = vec![];
    for case in &cases {
        let Some(case) = case else {
            told.push(None);
            continue;
        };
        let same = |other: &Case<'_>| other.network == case.network && other.cost == case.cost;
        let rate = match known.iter().find(|(other, _)| same(other)) {
            Some((_, rate)) => *rate,
            None if case.most() < HOPELESS * most => case.quick(goal),
            None => case.carries(goal, &Effort::MEASURED).rate.value,
        };
        known.push((case, rate));
        told.push(Some(rate));
    }
    told
}
