//! `--pace`: how load runs over time, as it is typed.

use knee_measure::Pace;
use std::str::FromStr;

/// How arrivals are spaced, or a course of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Pacing {
    /// Independent arrivals at whichever rate is tried.
    Poisson,
    /// Evenly spaced at whichever rate is tried.
    Constant,
    /// Rates over time; nothing is searched.
    Course {
        /// The rates.
        pace: Pace,
        /// Its length, seconds.
        seconds: f64,
    },
}

/// A pace that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a pace; write poisson, constant, steps:50@10s,100@10s or ramp:10-200@30s, rates in requests/s"
)]
pub struct PaceError(String);

impl FromStr for Pacing {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Pacing, PaceError> {
        let course = match text.split_once(':') {
            None if text == "poisson" => return Ok(Pacing::Poisson),
            None if text == "constant" => return Ok(Pacing::Constant),
            Some(("steps", steps)) => stairs(steps),
            Some(("ramp", ramp)) => way(ramp),
            _ => None,
        };
        let (pace, seconds) = course.ok_or_else(|| PaceError(text.to_owned()))?;
        // Checked first: what is no number has no expectation.
        let sends = pace.check().is_ok() && seconds > 0.0 && pace.expected(seconds) > 0.0;
        sends.then_some(Pacing::Course { pace, seconds }).ok_or_else(|| PaceError(text.to_owned()))
    }
}

impl Pacing {
    /// Whether it has a course of its own.
    pub fn is_course(&self) -> bool {
        matches!(self, Pacing::Course { .. })
    }

    /// The pace at one rate; a course goes its own way.
    pub fn at(&self, rate: f64) -> Pace {
        match self {
            Pacing::Constant => Pace::Constant { rate },
            Pacing::Poisson => Pace::Poisson { rate },
            Pacing::Course { pace, .. } => pace.clone(),
        }
    }
}

/// `50@10s,100@10s`.
fn stairs(text: &str) -> Option<(Pace, f64)> {
    let step = |step: &str| {
        let (rate, seconds) = step.split_once('@')?;
        Some((rate.trim().parse::<f64>().ok()?, length(seconds)?))
    };
    let steps = text.split(',').map(step).collect::<Option<Vec<_>>>()?;
    let seconds = steps.iter().map(|(_, seconds)| seconds).sum();
    Some((Pace::Steps(steps), seconds))
}

/// `10-200@30s`.
fn way(text: &str) -> Option<(Pace, f64)> {
    let (rates, seconds) = text.split_once('@')?;
    let (from, to) = rates.split_once('-')?;
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    let seconds = length(seconds)?;
    Some((Pace::Ramp { from, to, seconds }, seconds))
}

fn length(text: &str) -> Option<f64> {
    text.parse::<knee_core::Seconds>().ok().map(|seconds| seconds.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_pace_can_be_typed() {
        assert_eq!("poisson".parse(), Ok(Pacing::Poisson));
        assert_eq!("constant".parse(), Ok(Pacing::Constant));
        let steps = Pace::Steps(vec![(50.0, 10.0), (100.0, 0.5)]);
        assert_eq!(
            "steps:50@10s,100@500ms".parse(),
            Ok(Pacing::Course { pace: steps, seconds: 10.5 })
        );
        let ramp = Pace::Ramp { from: 10.0, to: 200.0, seconds: 30.0 };
        assert_eq!("ramp:10-200@30s".parse(), Ok(Pacing::Course { pace: ramp, seconds: 30.0 }));
    }

    #[test]
    fn a_mistake_says_how_to_write_it() {
        for text in [
            "",
            "fast",
            "steps",
            "steps:",
            "steps:50",
            "steps:50@10",
            "ramp:10@3s",
            "steps:0@0s",
            "ramp:0-0@1s",
            "steps:nan@1s",
        ] {
            let error = text.parse::<Pacing>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a pace; write")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_pace_or_an_error(text in "(steps:|ramp:)?[0-9.@,s-]{0,20}") {
            let _ = text.parse::<Pacing>();
        }
    }
}
