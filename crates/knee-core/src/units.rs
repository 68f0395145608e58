//! Quantities as people write them: `1GB`, `512MiB`, `250ms`, `1.5s`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A quantity that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct QuantityError {
    text: String,
    expected: &'static str,
}

/// A number of bytes. `MB` and `GB` are read as ECS means them: powers of 1024.
///
/// Source: a Fargate task of "1GB" gets a limit of 1,024 MiB
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html>).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` times 1,048,576 bytes.
    pub const fn mib(n: u64) -> Self {
        Bytes(n << 20)
    }

    /// The amount in units of 1,048,576 bytes.
    pub fn as_mib(self) -> f64 {
        self.0 as f64 / f64::from(1u32 << 20)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError {
            text: text.into(),
            expected: "an amount of memory such as 512MiB or 1GB",
        };
        let (number, unit) = split_unit(text);
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            _ => return Err(wrong()),
        };
        let amount = number.parse::<f64>().map_err(|_| wrong())? * (1u64 << shift) as f64;
        if !(0.0..=1e18).contains(&amount) {
            return Err(wrong());
        }
        Ok(Bytes(amount.round() as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 30 && n % (1 << 28) == 0 => {
                write!(f, "{} GiB", n as f64 / (1u64 << 30) as f64)
            }
            n if n >= 1 << 20 => write!(f, "{} MiB", (self.as_mib() * 10.0).round() / 10.0),
            n if n >= 1 << 10 => write!(f, "{} KiB", (n as f64 / 102.4).round() / 10.0),
            n => write!(f, "{n} B"),
        }
    }
}

/// A length of time in seconds; never negative, never NaN when parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    /// `ms` thousandths of a second.
    pub fn millis(ms: f64) -> Self {
        Seconds(ms / 1e3)
    }

    /// The length in thousandths of a second.
    pub fn as_millis(self) -> f64 {
        self.0 * 1e3
    }
}

impl FromStr for Seconds {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError {
            text: text.into(),
            expected: "a length of time such as 250ms or 1.5s",
        };
        let (number, unit) = split_unit(text);
        let scale = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            _ => return Err(wrong()),
        };
        let amount = number.parse::<f64>().map_err(|_| wrong())? * scale;
        if !(0.0..=1e9).contains(&amount) {
            return Err(wrong());
        }
        Ok(Seconds(amount))
    }
}

impl fmt::Display for Seconds {
    /// Three significant digits in the unit a reader expects.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0.abs() {
            s if s >= 1.0 => (self.0, "s"),
            s if s >= 1e-3 || s == 0.0 => (self.0 * 1e3, "ms"),
            _ => (self.0 * 1e6, "µs"),
        };
        let digits = if number.abs() >= 100.0 || number == 0.0 {
            0
        } else if number.abs() >= 10.0 {
            1
        } else {
            2
        };
        write!(f, "{number:.digits$} {unit}")
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_read_as_ecs_means_it() {
        for (text, bytes) in
            [("1GB", 1 << 30), ("512MiB", 512 << 20), ("0.5 GB", 1 << 29), ("2048", 2048)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "GB", "-1GB", "1TBq", "1e99GB", "nan"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn time_needs_a_unit() {
        assert_eq!("250ms".parse(), Ok(Seconds(0.25)));
        assert_eq!("2m".parse(), Ok(Seconds(120.0)));
        let error = "250".parse::<Seconds>().unwrap_err();
        assert_eq!(error.to_string(), "`250` is not a length of time such as 250ms or 1.5s");
    }

    #[test]
    fn time_is_shown_with_three_digits() {
        let shown: Vec<_> =
            [0.0, 5e-5, 0.0123, 0.25, 1.5, 123.4].iter().map(|s| Seconds(*s).to_string()).collect();
        assert_eq!(shown, ["0 ms", "50.0 µs", "12.3 ms", "250 ms", "1.50 s", "123 s"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_error(text in ".{0,24}") {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Seconds>();
        }

        #[test]
        fn whole_mebibytes_survive_being_shown(n in 1u64..1_000_000) {
            let shown = Bytes::mib(n).to_string();
            prop_assert_eq!(shown.parse::<Bytes>().unwrap(), Bytes::mib(n), "{}", shown);
        }
    }
}
