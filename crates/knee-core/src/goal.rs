//! What the service has to achieve: a latency quantile, a share of errors, perhaps a rate.

use crate::units::{QuantityError, Seconds};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A goal such as `p99<250ms`, `p99<250ms,errors<0.1%` or `p95<1s,rate>=200`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// The quantile that is held, in (0, 1): 0.99 for p99.
    pub quantile: f64,
    /// Latency, counted from when a request was *due*, that the quantile must not exceed.
    pub latency: Seconds,
    /// Highest share of requests that may fail, in [0, 1).
    pub errors: f64,
    /// A load to carry, requests/s; without it the most requests per second are sought.
    pub rate: Option<f64>,
}

impl Default for Goal {
    /// p99 below 250 ms with at most one failure in a thousand.
    fn default() -> Self {
        Goal { quantile: 0.99, latency: Seconds(0.25), errors: 0.001, rate: None }
    }
}

/// A goal that could not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GoalError {
    /// A clause of no known form.
    #[error("`{0}` is not a goal; write p99<250ms, errors<0.1% or rate>=200, joined by commas")]
    Clause(String),
    /// A quantile outside what makes sense.
    #[error("`{0}` is not a percentile between p1 and p99.99")]
    Quantile(String),
    /// The latency is no length of time.
    #[error(transparent)]
    Latency(#[from] QuantityError),
    /// No answer takes no time.
    #[error("`{0}` is a goal that no answer meets; name more than 0")]
    Never(String),
    /// A share of errors outside [0, 1).
    #[error("`{0}` is not a share of errors; write errors<0.1% or errors<0.001")]
    Errors(String),
    /// A rate that is no positive number.
    #[error("`{0}` is not a rate in requests per second")]
    Rate(String),
}

impl Goal {
    /// The quantile's usual name: `p99`, `p99.9`.
    pub fn quantile_name(&self) -> String {
        quantile_name(self.quantile)
    }

    /// Whether a latency at the goal's quantile and a share of errors satisfy the goal.
    pub fn holds(&self, latency: Seconds, errors: f64) -> bool {
        latency <= self.latency && errors <= self.errors
    }
}

/// The usual name of a quantile in (0, 1): 0.5 is `p50`, 0.999 is `p99.9`.
pub fn quantile_name(quantile: f64) -> String {
    format!("p{}", (quantile * 1e4).round() / 1e2)
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = (self.errors * 1e6).round() / 1e4;
        write!(f, "{} < {}, errors < {errors}%", self.quantile_name(), self.latency)?;
        self.rate.map_or(Ok(()), |rate| write!(f, ", at {rate} requests/s"))
    }
}

impl FromStr for Goal {
    type Err = GoalError;

    fn from_str(text: &str) -> Result<Self, GoalError> {
        text.split(',').try_fold(Goal::default(), |goal, clause| goal.with(clause.trim()))
    }
}

impl Goal {
    fn with(mut self, clause: &str) -> Result<Goal, GoalError> {
        let at = clause.find(['<', '>', '=']).ok_or_else(|| GoalError::Clause(clause.into()))?;
        let (name, rest) = (clause[..at].trim(), &clause[at..]);
        let bound = rest.trim_start_matches(['<', '>', '=']);
        // A latency from 250 ms on, or a rate below 200, is the opposite of a goal.
        let opposite = if name == "rate" { '<' } else { '>' };
        if rest[..rest.len() - bound.len()].contains(opposite) {
            return Err(GoalError::Clause(clause.into()));
        }
        let bound = bound.trim();
        match name {
            "errors" => self.errors = share(bound)?,
            "rate" => {
                self.rate = Some(positive(bound).ok_or_else(|| GoalError::Rate(bound.into()))?)
            }
            _ => {
                let percent =
                    name.strip_prefix('p').ok_or_else(|| GoalError::Clause(clause.into()))?;
                self.quantile =
                    percentile(percent).ok_or_else(|| GoalError::Quantile(name.into()))?;
                self.latency = bound.parse()?;
                if self.latency <= Seconds(0.0) {
                    return Err(GoalError::Never(clause.into()));
                }
            }
        }
        Ok(self)
    }
}

/// `99` or `99.9` as a quantile; None outside p1 to p99.99.
pub fn percentile(text: &str) -> Option<f64> {
    positive(text).filter(|p| (1.0..=99.99).contains(p)).map(|p| (p * 1e4).round() / 1e6)
}

fn positive(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0)
}

fn share(text: &str) -> Result<f64, GoalError> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |n| (n, 0.01));
    let share = number.trim().parse::<f64>().map_err(|_| GoalError::Errors(text.into()))? * scale;
    (0.0..1.0).contains(&share).then_some(share).ok_or_else(|| GoalError::Errors(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_goal_reads_as_it_is_said() {
        let goal: Goal = "p99<250ms".parse().unwrap();
        assert_eq!(goal, Goal::default());
        let goal: Goal = "p99.9 < 1.5s, errors<=0.5%, rate>=200".parse().unwrap();
        assert_eq!(
            (goal.quantile, goal.latency, goal.errors, goal.rate),
            (0.999, Seconds(1.5), 0.005, Some(200.0))
        );
        assert_eq!(goal.to_string(), "p99.9 < 1.50 s, errors < 0.5%, at 200 requests/s");
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, part) in [
            ("fast", "`fast` is not a goal"),
            ("p0<1s", "`p0` is not a percentile"),
            ("p99<250", "`250` is not a length of time"),
            ("errors<2", "`2` is not a share"),
            ("rate>=x", "`x` is not a rate"),
            ("p99<0ms", "`p99<0ms` is a goal that no answer meets"),
            ("p99>250ms", "`p99>250ms` is not a goal"),
            ("p99<1s, rate<=200", "`rate<=200` is not a goal"),
        ] {
            let error = text.parse::<Goal>().unwrap_err().to_string();
            assert!(error.starts_with(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_goal_or_an_error(text in "[pr0-9.<>=,%msaterox ]{0,30}") {
            let _ = text.parse::<Goal>();
        }
    }
}
