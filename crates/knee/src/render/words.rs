//! Figures and verdicts in words, the same for the terminal, plain lines and the HTML report.

use crate::report::{self, Headline};
use crate::run::Run;
use knee_core::Settings;
use knee_core::observe::{Outcome, Step, Validity};

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

/// The verdict of a run: the sentence that matters most, and those that belong to it. What an
/// interrupted run came to, where it is one.
pub fn verdict(run: &Run) -> Vec<String> {
    let Headline { claim, interval, details, .. } = report::headline(run);
    let won = run.verdict.as_ref().filter(|verdict| verdict.best != verdict.baseline);
    let today = run.baseline().map(|trial| &trial.settings);
    let winner = won.and(run.best()).map(|trial| changes(&trial.settings, today));
    let sentences = [Some(claim), winner, interval].into_iter().flatten().chain(details);
    // Kept together in HTML only.
    sentences.map(|sentence| sentence.replace('\u{a0}', " ")).collect()
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
    fn a_verdict_has_its_figures_and_the_winner_in_full() {
        let mut run = Run::of(&sample::events());
        assert_eq!(
            verdict(&run)[..4],
            [
                "orders-gunicorn carries 68 % more load with 3 settings changed",
                "threads=12 worker-class=gthread workers=2",
                "+68 %, 95 % interval +63 % to +73 %",
                "In the pairs 104 requests/s instead of 62.0 within p99 < 250 ms, errors < 0.1%.",
            ]
        );
        run.verdict = None;
        assert!(verdict(&run)[0].starts_with("Unfinished, after 4 trials"));
    }
}
