//! Figures as people read them: three significant digits, the unit they expect, and a dash
//! where there is no figure.

pub use crate::render::figures::NONE;
pub use crate::render::words::rate;

use crate::render::words::{gain, thousands};
use knee_core::observe::Resource;
use knee_core::units::Seconds;

/// Keeps a number and its unit on one line.
const JOINED: char = '\u{a0}';

/// Requests/s with the unit.
pub fn per_second(value: f64) -> String {
    format!("{}{JOINED}requests/s", rate(value))
}

/// A length of time given in seconds.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => NONE.into(),
        s if s >= 1e6 => format!("{s:.1e}{JOINED}s"),
        s => Seconds(s).to_string().replace(' ', &JOINED.to_string()),
    }
}

/// A round length of time, as an axis names it: `50 ms`, `1 s`.
pub fn round_time(seconds: f64) -> String {
    let (number, unit) = match seconds {
        s if s >= 0.9995 => (s, "s"),
        s if s >= 0.9995e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    format!("{}{JOINED}{unit}", round(number))
}

/// A round number, as an axis names it: without digits that say nothing.
pub fn round(value: f64) -> String {
    match value {
        v if v.abs() >= 1e9 => format!("{v:.0e}"),
        v if v.abs() >= 9999.5 => thousands(v),
        v => format!("{}", (v * 1e6).round() / 1e6),
    }
}

/// How long something took: `48 s`, `3 min 10 s`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || !(0.0..1e7).contains(&seconds) {
        return NONE.into();
    }
    let whole = seconds.round() as u64;
    match (whole / 60, whole % 60) {
        (0, s) => format!("{s}{JOINED}s"),
        (m, 0) => format!("{m}{JOINED}min"),
        (m, s) => format!("{m}{JOINED}min {s}{JOINED}s"),
    }
}

/// Cores, two digits.
pub fn cores(value: f64) -> String {
    if value.is_finite() && value.abs() < 1e6 { format!("{value:.2}") } else { NONE.into() }
}

/// A share as a percentage: 0.4 is `40 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let digits = usize::from(value.abs() < 9.95 && value.abs() >= 0.05);
    if value.is_finite() && value.abs() < 1e6 {
        format!("{value:.digits$}{JOINED}%").replace('-', "−")
    } else {
        format!("{NONE}{JOINED}%")
    }
}

/// A relative change with its sign: `+40 %`, `−3.1 %`.
pub fn change(share: f64) -> String {
    if !(-1e4..1e4).contains(&share) {
        return NONE.into();
    }
    gain(share).replace(' ', "\u{a0}").replace('-', "−")
}

/// `1 trial`, `2 trials`.
pub fn count(n: usize, what: &str) -> String {
    format!("{n}{JOINED}{what}{}", if n == 1 { "" } else { "s" })
}

/// A sentence with its first letter as a capital one.
pub fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A resource, or that it is not known.
pub fn resource(resource: Resource) -> String {
    match resource {
        Resource::Unknown => "not known".into(),
        known => known.to_string(),
    }
}

/// The units that stay on the line of their number.
const UNITS: [&str; 8] = ["%", "B", "KiB", "MiB", "GiB", "ms", "s", "vCPU"];

/// A sentence whose numbers stay with their units and goals: `40 %`, `p99 < 250 ms`.
pub fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for (i, word) in text.split(' ').enumerate() {
        let unit = word.trim_end_matches(['.', ',', ';', ':', ')']);
        let number = joined.ends_with(|c: char| c.is_ascii_digit());
        let stays = number && UNITS.contains(&unit) || word == "<" || joined.ends_with("\u{a0}<");
        if i > 0 {
            joined.push(if stays { JOINED } else { ' ' });
        }
        joined.push_str(word);
    }
    joined
}

/// Seconds since 1970-01-01 UTC as `2026-11-25 06:46 UTC`.
pub fn date(at: u64) -> String {
    let (days, minutes) = (at / 86_400, at % 86_400 / 60);
    let (year, month, day) = civil(days.min(3_000_000));
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_a_dash_stands_for_none() {
        assert_eq!([0.25, -1.0, 1e300].map(time), ["250\u{a0}ms", "–", "1.0e300\u{a0}s"]);
        assert_eq!(
            [48.2, 180.0, 190.0].map(duration),
            ["48\u{a0}s", "3\u{a0}min", "3\u{a0}min 10\u{a0}s"]
        );
    }

    #[test]
    fn an_axis_has_no_needless_digits() {
        assert_eq!([0.05, 1.0, 2e-5].map(round_time), ["50\u{a0}ms", "1\u{a0}s", "20\u{a0}µs"]);
        assert_eq!([0.0, 2.5, 50.0, 20_000.0].map(round), ["0", "2.5", "50", "20,000"]);
    }

    #[test]
    fn a_change_has_its_sign() {
        assert_eq!(
            [1.41, 0.021, -0.031, 0.0].map(change),
            ["+141\u{a0}%", "+2.1\u{a0}%", "−3.1\u{a0}%", "+0.0\u{a0}%"]
        );
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(
            joined("takes 2 GiB, or 40 % in 3 s."),
            "takes 2\u{a0}GiB, or 40\u{a0}% in 3\u{a0}s."
        );
        assert_eq!(joined("p99 < 250 ms"), "p99\u{a0}<\u{a0}250\u{a0}ms");
        assert_eq!(joined(" a  b s 1 x"), " a  b s 1 x");
    }

    #[test]
    fn a_moment_is_a_date() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_340), "2000-02-28 23:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_795_589_160), "2026-11-25 06:46 UTC");
        assert!(date(u64::MAX).ends_with("UTC"));
    }
}
