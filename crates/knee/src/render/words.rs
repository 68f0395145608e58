//! Figures and verdicts in words, the same for the terminal, plain lines and the HTML report.

use crate::run::Run;
use knee_core::event::{Conclusion, Confirmation, Trial, Verdict};
use knee_core::observe::{Outcome, Step, Validity};
use knee_core::{Goal, Settings};

/// A rate in requests/s, three significant digits: `62.1`; more where it is large: `12,345`.
pub fn rate(rate: f64) -> String {
    match rate.abs() {
        r if !r.is_finite() => "no limit known".into(),
        r if r >= 1e9 => format!("{rate:.2e}"),
        r if r >= 9999.5 => thousands(rate),
        r if r >= 99.95 || r == 0.0 => format!("{rate:.0}"),
        r if r >= 9.995 => format!("{rate:.1}"),
        _ => format!("{rate:.2}"),
    }
}

/// A whole number in groups of three digits: `12,345`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A relative change: `+68 %`, `-3.2 %`; one decimal where it is small.
pub fn gain(gain: f64) -> String {
    let percent = gain * 100.0;
    if percent.abs() < 10.0 { format!("{percent:+.1} %") } else { format!("{percent:+.0} %") }
}

/// A gain with its interval: `+68 % (95 %: +63 % to +73 %)`.
pub fn interval(confirmation: &Confirmation) -> String {
    let (from, to) = confirmation.interval;
    format!("{} (95 %: {} to {})", gain(confirmation.gain), gain(from), gain(to))
}

/// How a step ended: `held`, `missed`, `hopeless`.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Missed => "missed",
        Outcome::Hopeless => "hopeless",
    }
}

/// Failures of a step by kind: `3 timed out, 1 reset`; empty without any.
pub fn failures(step: &Step) -> String {
    let named = step.counts.named();
    let words = named.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| format!("{n} {kind}"));
    words.collect::<Vec<_>>().join(", ")
}

/// What is turned: `workers=2 threads=12`, only what differs from today; `today's settings`.
pub fn changes(settings: &Settings, today: Option<&Settings>) -> String {
    let Some(today) = today else { return settings.to_string() };
    let turned = settings.0.iter().filter(|(knob, value)| today.0.get(*knob) != Some(*value));
    let turned: Vec<String> = turned.map(|(knob, value)| format!("{knob}={value}")).collect();
    if turned.is_empty() { "today's settings".into() } else { turned.join(" ") }
}

/// The verdict of a run in a sentence; None while there is none.
pub fn verdict(run: &Run) -> Option<String> {
    let verdict = run.verdict.as_ref()?;
    let goal = run.started.as_ref().map_or_else(Goal::default, |started| started.goal.value);
    let before = rate(carried(run.baseline()));
    Some(match verdict.conclusion {
        Conclusion::Improved => improved(run, verdict, &goal),
        Conclusion::Satisfied => format!("today's settings hold {goal}: nothing to change"),
        Conclusion::NoGain => {
            let gain = verdict.confirmation.as_ref().map_or(String::new(), |confirmation| {
                format!("; the best others differ by {}, within the noise", interval(confirmation))
            });
            format!("no gain: today's settings carry {before} requests/s within {goal}{gain}")
        }
        Conclusion::GoalMissed => format!("missed: no settings that were tried hold {goal}"),
        Conclusion::Inconclusive => {
            let reason = verdict.validity.invalid.first().map_or("see below", String::as_str);
            format!("inconclusive: {reason}")
        }
    })
}

fn improved(run: &Run, verdict: &Verdict, goal: &Goal) -> String {
    let today = run.baseline().map(|trial| &trial.settings);
    let winner = run.best().map(|trial| changes(&trial.settings, today)).unwrap_or_default();
    let (before, after) = (rate(carried(run.baseline())), rate(carried(run.best())));
    let gain = match &verdict.confirmation {
        Some(confirmation) => format!("instead of {before}: {}", interval(confirmation)),
        None => "where today's settings carry none".into(),
    };
    format!("{winner} carries {after} requests/s within {goal}, {gain}")
}

/// Capacity of a trial that may be taken, requests/s; 0 otherwise.
pub fn carried(trial: Option<&Trial>) -> f64 {
    let fit = trial.filter(|trial| trial.rejected.is_none());
    fit.and_then(|trial| trial.capacity.as_ref()).map_or(0.0, |capacity| capacity.rate)
}

/// Reasons against a result, the grave ones first: `invalid: …`, `with care: …`.
pub fn reasons(validity: &Validity) -> Vec<String> {
    let invalid = validity.invalid.iter().map(|reason| format!("invalid: {reason}"));
    let caveats = validity.caveats.iter().map(|reason| format!("with care: {reason}"));
    invalid.chain(caveats).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn figures_have_three_digits() {
        let rates: Vec<_> =
            [0.0, 0.5, 62.14, 99.96, 1234.5, 12_345.4].iter().map(|r| rate(*r)).collect();
        assert_eq!(rates, ["0", "0.50", "62.1", "100", "1234", "12,345"]);
        assert_eq!((gain(0.684), gain(-0.0321)), ("+68 %".into(), "-3.2 %".into()));
    }

    #[test]
    fn every_ending_has_a_sentence() {
        let mut run = Run::of(&sample::events());
        let mut ended = run.verdict.clone().unwrap();
        let mut said = |ended: &Verdict| {
            run.verdict = Some(ended.clone());
            verdict(&run).unwrap()
        };
        assert_eq!(
            said(&ended),
            "threads=12 worker-class=gthread workers=2 carries 104 requests/s within p99 < 250 ms, \
             errors < 0.1%, instead of 62.1: +68 % (95 %: +63 % to +73 %)"
        );
        ended.confirmation = None;
        assert!(said(&ended).ends_with("where today's settings carry none"));
        ended.conclusion = Conclusion::NoGain;
        assert!(said(&ended).starts_with("no gain: today's settings carry 62.1"));
        ended.conclusion = Conclusion::Satisfied;
        assert!(said(&ended).starts_with("today's settings hold p99"));
        ended.conclusion = Conclusion::GoalMissed;
        assert!(said(&ended).starts_with("missed: no settings"));
        ended.conclusion = Conclusion::Inconclusive;
        ended.validity.invalid.push("the generator was late".into());
        assert_eq!(said(&ended), "inconclusive: the generator was late");
        run.verdict = None;
        assert_eq!(verdict(&run), None);
    }
}
