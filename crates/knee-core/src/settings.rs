//! Knobs and the settings they are turned to.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A text that is either part of the program or read from a user's file.
pub type Text = Cow<'static, str>;

/// What a knob is set to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number, in the knob's unit.
    Int(i64),
    /// One of the knob's named choices.
    Text(String),
}

impl Value {
    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Text(_) => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Int(_) => None,
            Value::Text(text) => Some(text),
        }
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(n) => n.fmt(f),
            Value::Text(text) => text.fmt(f),
        }
    }
}

/// One assignment of values to knobs, by knob name; ordered, so that it can be compared and shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<String, Value>);

impl Settings {
    /// The whole number that `knob` is set to.
    pub fn int(&self, knob: &str) -> Option<i64> {
        self.0.get(knob).and_then(Value::as_int)
    }

    /// The choice that `knob` is set to.
    pub fn text(&self, knob: &str) -> Option<&str> {
        self.0.get(knob).and_then(Value::as_text)
    }

    /// The same settings with one knob turned.
    pub fn with(&self, knob: impl Into<String>, value: impl Into<Value>) -> Self {
        let mut turned = self.clone();
        turned.0.insert(knob.into(), value.into());
        turned
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (knob, value)) in self.0.iter().enumerate() {
            write!(f, "{}{knob}={value}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// The values that a knob can take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// Whole numbers from `min` to `max`, both included; searched on a logarithmic scale.
    Integers {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// One of these.
    Choices(Vec<Text>),
}

impl Range {
    /// Whether the value lies in the range.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Range::Integers { min, max }, Value::Int(n)) => (min..=max).contains(&n),
            (Range::Choices(choices), Value::Text(text)) => choices.iter().any(|c| c == text),
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Integers { min, max } => write!(f, "{min}..{max}"),
            Range::Choices(choices) => f.write_str(&choices.join("|")),
        }
    }
}

/// Where a setting may be written. Formats emit entries at sites; knobs list theirs, the
/// one that wins first. The same site renders a tuning overlay, a patch and a line of advice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Site {
    /// An option on the program's command line: `--workers 4`, `-w 4`, `--workers=4`.
    Flag {
        /// Long form with its dashes.
        long: Text,
        /// Short form with its dash, if there is one.
        short: Option<Text>,
    },
    /// An environment variable that holds the bare value.
    Environment {
        /// The variable's name.
        name: Text,
    },
    /// An option inside an environment variable that holds a command line (`NODE_OPTIONS`).
    EnvironmentFlag {
        /// The variable's name.
        name: Text,
        /// Long form with its dashes, written `--flag=value`.
        long: Text,
    },
    /// A top-level assignment in a Python file (`workers = 4` in gunicorn.conf.py).
    PythonAssignment {
        /// The name assigned to.
        name: Text,
    },
    /// A key of an INI file (`pm.max_children = 5` in a pool of PHP-FPM).
    Ini {
        /// The key.
        key: Text,
    },
    /// A property of the application in an ecosystem file of pm2 (`instances: 4`).
    Property {
        /// The key.
        key: Text,
    },
    /// A directive of nginx's configuration.
    Directive {
        /// The block it stands in: `main`, `events`, `http`, `upstream`.
        context: Text,
        /// The directive's name.
        name: Text,
    },
}

/// One thing about a program that may be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Knob {
    /// Unique within the service; the name that knee.toml, settings and reports use.
    pub name: Text,
    /// What it does, in a sentence.
    pub doc: Text,
    /// Unit of a number: `processes`, `threads`, `MiB`, `%`; empty for choices.
    pub unit: Text,
    /// The values that make sense.
    pub range: Range,
    /// Where it may be written, the one that wins first.
    pub sites: Vec<Site>,
    /// How it acts on what is searched.
    pub effect: Effect,
}

/// How a knob acts on the model; it decides how the search moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes how many requests are served at once, or on how many cores: the model says how.
    Concurrency,
    /// Trades memory for CPU (GOGC, a heap limit): found by trial around the best concurrency.
    Memory,
    /// Follows from another knob (spare servers from max_children): set along, never searched.
    Follows,
    /// Only a limit that must be wide enough (backlog, worker_connections): raised when it binds.
    Limit,
    /// Guards the service over hours (workers renewed after so many requests): read and kept as
    /// it is, because a short trial shows what it costs and not what it is for.
    Kept,
    /// A user's own knob of an unknown program: only trials can tell.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_like_a_command_line() {
        let settings = Settings::default().with("workers", 4).with("class", "gthread");
        assert_eq!(settings.to_string(), "class=gthread workers=4");
        assert_eq!(settings.int("workers"), Some(4));
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(json, r#"{"class":"gthread","workers":4}"#);
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
    }

    #[test]
    fn a_range_knows_its_values() {
        let range = Range::Integers { min: 1, max: 8 };
        assert!(
            range.contains(&8.into()) && !range.contains(&9.into()) && !range.contains(&"8".into())
        );
        assert!(Range::Choices(vec!["a".into()]).contains(&"a".into()));
    }
}
