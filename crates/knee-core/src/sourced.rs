//! `Sourced<T>`: no number without an origin. Any report can answer "says who?".

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// Read in a file, at a 1-based line.
    File {
        /// Path as the user would type it from the service's folder.
        path: String,
        /// 1-based line.
        line: u32,
    },
    /// A command-line flag of knee.
    Flag {
        /// The flag with its dashes.
        name: String,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        name: String,
    },
    /// What a program does when nothing is set.
    Default {
        /// The program, with its version where the default depends on it.
        program: String,
    },
    /// Seen on the running system.
    Observed {
        /// What was looked at: a probe, a run, an interval.
        by: String,
    },
    /// Taken to be so, for the stated reason.
    Assumed {
        /// Why this is a fair assumption.
        because: String,
    },
    /// Put forward by knee's own search.
    Proposed,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Flag { name } => f.write_str(name),
            Origin::Environment { name } => write!(f, "environment variable {name}"),
            Origin::Default { program } => write!(f, "default of {program}"),
            Origin::Observed { by } => write!(f, "observed: {by}"),
            Origin::Assumed { because } => write!(f, "assumed: {because}"),
            Origin::Proposed => f.write_str("proposed by knee"),
        }
    }
}

/// A value together with its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who says so.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// Joins a value and its origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Sourced { value, origin }
    }

    /// A value read at a 1-based line of a file.
    pub fn from_file(value: T, path: impl Into<String>, line: u32) -> Self {
        Sourced::new(value, Origin::File { path: path.into(), line })
    }

    /// A value taken to be so, with the reason.
    pub fn assumed(value: T, because: impl Into<String>) -> Self {
        Sourced::new(value, Origin::Assumed { because: because.into() })
    }

    /// Keeps the origin, changes the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: change(self.value), origin: self.origin }
    }
}

impl<T: fmt::Display> fmt::Display for Sourced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.value, self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sourced_value_says_who_says_so() {
        let cpu = Sourced::from_file(0.5, "task-definition.json", 4);
        assert_eq!(cpu.to_string(), "0.5 (task-definition.json:4)");
        assert_eq!(cpu.map(|c| c * 2.0).to_string(), "1 (task-definition.json:4)");
    }

    #[test]
    fn an_origin_survives_json() {
        let one = Sourced::assumed(3, "one worker was seen");
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Sourced<i32>>(&text).unwrap(), one);
    }
}
