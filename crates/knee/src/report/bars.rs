//! Pictures of the trials: capacity against its bound, and the pairs of today and the winner.

use super::story::{Attempt, Story};
use super::svg::{Drawing, Scale, Side, tame};
use super::words as say;
use crate::render::figures::Figures;
use knee_core::event::Confirmation;

/// Height of a bar's drawing and of a row of pairs, pixels.
const ROW: f64 = 24.0;
/// Bounds further out than this many times the highest capacity are not worth the room.
const FAR: f64 = 1.6;

/// The common scale of all bars.
pub fn scale(story: &Story<'_>) -> Scale {
    let measured = story
        .attempts
        .iter()
        .flat_map(|a| [a.rate(), a.abandoned().map(|a| a.below)].into_iter().flatten().map(tame));
    let most = measured.fold(0.0, f64::max);
    let said = story.attempts.iter().flat_map(|a| [a.forecast(), bound(a)]);
    let near = said.flatten().map(tame).filter(|v| *v <= FAR * most || most == 0.0);
    Scale::linear(0.0, near.fold(most, f64::max) * 1.03)
}

fn bound(attempt: &Attempt<'_>) -> Option<f64> {
    attempt.trial?.bound
}

/// The bar of one trial, without its figure.
pub fn bar(attempt: &Attempt<'_>, class: &str, x: &Scale) -> String {
    let mut d = Drawing::new(ROW);
    // Of an abandoned one only what it stays below is known.
    let below = attempt.abandoned().map(|a| bound(attempt).map_or(a.below, |b| b.min(a.below)));
    let length = attempt.rate().or(below).map_or(0.0, |rate| x.share(tame(rate)));
    d.band(0.0, length, 4.0, ROW - 8.0, &format!("bar {class}"));
    d.line((0.0, 1.0), (0.0, ROW - 1.0), "axis");
    let within = |value: Option<f64>| value.map(tame).filter(|v| x.contains(*v));
    if let Some(bound) = within(bound(attempt)) {
        let at = x.share(bound);
        d.line((at, 1.0), (at, ROW - 1.0), "bound");
    }
    if let Some(expected) = within(attempt.forecast()) {
        let says = format!("expected {}", say::per_second(expected));
        d.mark((x.share(expected), ROW / 2.0), "expected", "expected", &says);
    }
    let title = format!("Trial {}", attempt.number);
    d.finish(&format!("bar-{}", attempt.number), &title, &described(attempt))
}

fn described(attempt: &Attempt<'_>) -> String {
    let said = |what: &str, v: Option<f64>| {
        v.map_or(String::new(), |v| format!(", {what} {}", say::rate(v)))
    };
    format!(
        "{}{}{}",
        attempt.trial.map_or("not finished".into(), |trial| Figures::of(trial).capacity),
        said("expected", attempt.forecast()),
        said("at most", bound(attempt))
    )
}

/// The pairs as dots that a line joins; None where there are none.
pub fn pairs(pairs: &[(f64, f64)]) -> Option<String> {
    let values = || pairs.iter().flat_map(|(a, b)| [tame(*a), tame(*b)]);
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    // Dots need no zero; it is shown where it is near anyway.
    let pad = (high - low).max(0.02 * high) * 0.25;
    let x = Scale::linear(if low < 0.5 * high { 0.0 } else { low - pad }, high + pad);
    let bottom = pairs.len() as f64 * ROW + 18.0;
    let mut d = Drawing::new(bottom + 38.0);
    let (today, best) = pairs[0];
    let (left, right) =
        if today <= best { (Side::Left, Side::Right) } else { (Side::Right, Side::Left) };
    for (i, (today, best)) in pairs.iter().enumerate() {
        let y = 30.0 + i as f64 * ROW;
        let (a, b) = (x.share(tame(*today)), x.share(tame(*best)));
        d.text((0.0, y + 4.0), Side::Left, "tick", &(i + 1).to_string());
        d.line((0.0, y), (1.0, y), "grid");
        d.line((a, y), (b, y), "joined");
        d.mark(
            (a, y),
            "held",
            "today",
            &format!("pair {}: today {}", i + 1, say::per_second(*today)),
        );
        d.mark((b, y), "held", "best", &format!("pair {}: best {}", i + 1, say::per_second(*best)));
    }
    d.text((x.share(tame(today)), 12.0), left, "name today", "today");
    d.text((x.share(tame(best)), 12.0), right, "name best", "best");
    axis(&mut d, &x, bottom, &say::round, "requests/s");
    let named = |(i, (a, b)): (usize, &(f64, f64))| {
        format!("Pair {}: today {}, best {}.", i + 1, say::rate(*a), say::rate(*b))
    };
    let described: Vec<String> = pairs.iter().enumerate().map(named).collect();
    Some(d.finish("pairs", "Capacity of today and of the best, pair by pair", &described.join(" ")))
}

/// The gain with its interval against no gain.
pub fn gain(confirmation: &Confirmation) -> String {
    let (low, high) = confirmation.interval;
    let ends = [0.0, low, high, confirmation.gain].map(|v| if v.is_finite() { v } else { 0.0 });
    let least = ends.into_iter().fold(0.0, f64::min);
    let most = ends.into_iter().fold(0.0, f64::max);
    let pad = (most - least).max(0.01) * 0.1;
    let x = Scale::linear(least - pad, most + pad);
    let mut d = Drawing::new(88.0);
    let [zero, low, high, gain] = ends.map(|v| x.share(v));
    d.line((zero, 20.0), (zero, 50.0), "zero");
    d.text((zero, 12.0), Side::roomy(zero), "zone", "no gain");
    d.line((low, 36.0), (high, 36.0), "interval");
    d.line((low, 30.0), (low, 42.0), "interval");
    d.line((high, 30.0), (high, 42.0), "interval");
    let says = format!(
        "gain {}, 95\u{a0}% interval {} to {}",
        say::change(confirmation.gain),
        say::change(confirmation.interval.0),
        say::change(confirmation.interval.1)
    );
    d.mark((gain, 36.0), "held", "best", &says);
    let label = |share: f64| {
        let sign = if share > 0.0 { "+" } else { "" };
        format!("{sign}{}\u{a0}%", say::round(share * 100.0)).replace('-', "−")
    };
    axis(&mut d, &x, 50.0, &label, "gain");
    d.finish("gain", "The gain and its interval", &says)
}

fn axis(d: &mut Drawing, x: &Scale, bottom: f64, label: &dyn Fn(f64) -> String, title: &str) {
    d.line((0.0, bottom), (1.0, bottom), "axis");
    for (i, tick) in x.ticks(5).into_iter().enumerate() {
        let at = x.share(tick);
        d.line((at, bottom), (at, bottom + 4.0), "axis");
        d.text(
            (at, bottom + 18.0),
            Side::Middle,
            if i % 2 == 0 { "tick" } else { "tick odd" },
            &label(tick),
        );
    }
    d.text((1.0, bottom + 34.0), Side::Left, "title", title);
}
