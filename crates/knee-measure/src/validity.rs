//! Whether a step says something about the service, or only about the generator.
//!
//! Latency counts from due, so a generator that was late makes a service look worse, never
//! better. A goal that held is therefore believed even then (with a caveat); a miss is not,
//! when the generator's own lateness could have caused it.

use crate::record::Record;
use crate::thread::Spent;
use knee_core::observe::{Outcome, Validity};
use knee_core::{Goal, Seconds};

/// Lateness of dispatch at the goal's quantile may take this share of the goal's latency.
const LATENESS: f64 = 0.1;
/// Share of the time that the generator may wait for a CPU.
const DENIED: f64 = 0.1;
/// Share of one CPU beyond which the generator itself is at its end.
const BUSY: f64 = 0.9;

/// The generator's side of a step.
pub(crate) struct Conduct<'a> {
    pub record: &'a Record,
    pub spent: Spent,
    pub offered: f64,
    /// Most connections that it may open.
    pub connections: usize,
    /// Whether that is fewer than asked for, because of the limit of open files.
    pub clamped: bool,
    /// The generator's own ceiling if it was measured, requests/s.
    pub ceiling: Option<f64>,
}

/// Reasons against a step.
pub(crate) fn judge(conduct: &Conduct<'_>, goal: &Goal, outcome: Outcome) -> Validity {
    let mut validity = Validity::default();
    let record = conduct.record;
    if record.out_of_ports > 0 {
        validity.invalid.push(format!(
            "the generator ran out of local ports {} times; offer less or widen \
             net.ipv4.ip_local_port_range",
            record.out_of_ports
        ));
    }
    if record.out_of_descriptors > 0 {
        validity.invalid.push(format!(
            "the generator ran out of descriptors after {} connections; raise its limit of \
             open files",
            record.connections
        ));
    }
    let reasons = own_weakness(conduct, goal);
    if outcome == Outcome::Held {
        validity.caveats.extend(reasons);
    } else {
        validity.invalid.extend(reasons);
    }
    if record.at_limit {
        let reason = format!(
            "requests waited because the generator may open no more than {} connections",
            conduct.connections
        );
        if conduct.clamped && outcome != Outcome::Held {
            validity.invalid.push(reason + "; raise its limit of open files");
        } else {
            validity.caveats.push(reason);
        }
    }
    validity
}

/// What of a miss could be the generator's own fault.
fn own_weakness(conduct: &Conduct<'_>, goal: &Goal) -> Vec<String> {
    let mut reasons = Vec::new();
    let lateness = conduct.record.lateness(goal.quantile);
    if let Some(ceiling) = conduct.ceiling.filter(|c| conduct.offered > *c) {
        reasons.push(format!(
            "{:.0} requests/s are more than the generator can make here: {ceiling:.0}",
            conduct.offered
        ));
    }
    if lateness > LATENESS * goal.latency.0 {
        let mut reason = format!(
            "the generator was late itself: {} at {}, {:.0} % of the goal's latency",
            Seconds(lateness),
            goal.quantile_name(),
            100.0 * lateness / goal.latency.0
        );
        if conduct.spent.denied > DENIED {
            reason +=
                &format!("; it waited {:.0} % of the time for a CPU", 100.0 * conduct.spent.denied);
        } else if conduct.spent.cpu > BUSY {
            reason += &format!("; it used {:.0} % of one CPU", 100.0 * conduct.spent.cpu);
        }
        reasons.push(reason);
    }
    reasons
}
