//! An answer as one JSON document; its schema is `docs/schema/plan-1.json`. Rates are in
//! requests/s, times in seconds, memory in bytes, money in US dollars, shares in [0, 1]. What is
//! infinite is null.

use super::Answer;
use knee_core::Goal;
use knee_core::profile::Profile;
use knee_plan::fit::{Check, Law};
use knee_plan::plan::{Choice, Curve, Impossible, OnInstances, Sweep, Unfit};
use serde::Serialize;

/// Grows when a field changes its meaning or goes away; new fields leave it as it is.
const VERSION: u32 = 1;

/// The document.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    version: u32,
    knee: &'static str,
    service: &'a str,
    from: &'a str,
    profile: &'a Profile,
    rate: f64,
    goal: &'a Goal,
    choices: &'a [Choice],
    unfit: &'a [Unfit],
    impossible: Option<&'a Impossible>,
    instances: &'a [OnInstances],
    sweep: Option<&'a Sweep>,
    curve: Option<&'a Curve>,
    traffic: Option<&'a str>,
    checks: &'a [Check],
    law: Option<Law>,
    assumptions: Vec<String>,
    caveats: &'a [String],
    prices: Dated<'a>,
}

/// Where prices come from.
#[derive(Debug, Serialize)]
struct Dated<'a> {
    region: &'a str,
    date: &'a str,
    source: &'a str,
}

/// The document of an answer.
pub fn document(answer: &Answer) -> Document<'_> {
    let Answer { basis, plan, sweep, prices, caveats, .. } = answer;
    Document {
        version: VERSION,
        knee: env!("CARGO_PKG_VERSION"),
        service: &basis.profile.service,
        from: &basis.from,
        profile: &basis.profile,
        rate: plan.rate,
        goal: &plan.goal,
        choices: &plan.choices,
        unfit: &plan.unfit,
        impossible: plan.impossible.as_ref(),
        instances: &plan.instances,
        sweep: sweep.as_ref(),
        curve: plan.curve.as_ref(),
        traffic: answer.traffic.as_deref(),
        checks: &basis.checks,
        law: basis.law,
        assumptions: basis.assumptions(),
        caveats,
        prices: Dated { region: &prices.region, date: &prices.date, source: &prices.source },
    }
}
