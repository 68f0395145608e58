//! What the simulator forecasts of every candidate, from the calibration and today's trial: what
//! the search believes before it has tried anything.
//!
//! What lives here: asking `knee_plan`. What never does: a belief after a trial (`belief`).

use crate::space::Candidate;
use knee_core::Goal;
use knee_core::model::Network;
use knee_core::profile::Profile;
use knee_core::runtimes::Cost;
use knee_plan::forecast::{Case, Effort, Place, Span};

/// Enough to rank: the error of the profile is larger than that of so many requests.
const EFFORT: Effort = Effort { span: Span::Steady { requests: 4_000 }, ..Effort::DRAFT };

/// Gives each candidate that has a model its forecast. Those that are the same stations at the same
/// cost get the same one.
pub fn forecast(candidates: &mut [Candidate], profile: &Profile, place: Place, goal: &Goal) {
    let mut known: Vec<((Network, Cost), f64)> = vec![];
    for candidate in candidates {
        let Some(case) = Case::new(profile, &candidate.settings, place) else { continue };
        let key = (case.network, case.cost);
        let rate = match known.iter().find(|(k, _)| *k == key) {
            Some((_, rate)) => *rate,
            None => {
                let rate = case.carries(goal, &EFFORT).rate.value;
                known.push((key, rate));
                rate
            }
        };
        candidate.forecast = Some(rate);
    }
}
