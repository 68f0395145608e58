//! A value with its origin, and what it won against.

use super::files::{FileId, Place};
use std::fmt;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// It is this.
    Is(T),
    /// It cannot be known from the files, for this reason.
    Unknown(String),
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// In a file.
    At(Place),
    /// Nowhere: the default of this program (with its version, where that matters).
    Default(String),
}

/// A value that another one won against.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrode {
    /// The value, for people.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A value with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The value.
    pub value: Known<T>,
    /// Where the winning one stands.
    pub origin: Origin,
    /// A variable that no file sets and that would decide if it were set: the value is what holds
    /// without it (`${WEB_CONCURRENCY:-4}`).
    pub unless: Option<String>,
    /// What it won against, the strongest first.
    pub overrode: Vec<Overrode>,
}

/// The value of a setting of a program, whatever its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A number; times in seconds, sizes in bytes.
    Number(f64),
    /// On or off.
    Switch(bool),
    /// A word: `static`, `gthread`, a list of addresses.
    Text(String),
    /// Follows from the number of CPUs that the process sees; the expression as it is written
    /// (`$(nproc)`, `multiprocessing.cpu_count() * 2 + 1`, `auto`).
    Cpus(String),
}

impl<T> Known<T> {
    /// The value made into another, if it is known.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Known::Is(value) => Known::Is(make(value)),
            Known::Unknown(why) => Known::Unknown(why),
        }
    }
}

impl<T> Found<T> {
    /// A value that stands in a file.
    pub fn at(value: T, place: Place) -> Found<T> {
        Found::new(Known::Is(value), Origin::At(place))
    }

    /// A value that stands nowhere.
    pub fn default(value: T, program: impl Into<String>) -> Found<T> {
        Found::new(Known::Is(value), Origin::Default(program.into()))
    }

    /// Something that stands in a file and cannot be known.
    pub fn unknown(because: impl Into<String>, place: Place) -> Found<T> {
        Found::new(Known::Unknown(because.into()), Origin::At(place))
    }

    fn new(value: Known<T>, origin: Origin) -> Found<T> {
        Found { value, origin, unless: None, overrode: Vec::new() }
    }

    /// Says that what was found in one file stands at the same bytes of another.
    pub(super) fn moved(&mut self, to: &dyn Fn(FileId) -> FileId) {
        let overrode = self.overrode.iter_mut().map(|other| &mut other.origin);
        for origin in overrode.chain([&mut self.origin]) {
            if let Origin::At(place) = origin {
                place.file = to(place.file);
            }
        }
    }

    /// The value, if it is known.
    pub fn get(&self) -> Option<&T> {
        match &self.value {
            Known::Is(value) => Some(value),
            Known::Unknown(_) => None,
        }
    }

    /// Its place, if it stands in a file.
    pub fn place(&self) -> Option<&Place> {
        match &self.origin {
            Origin::At(place) => Some(place),
            Origin::Default(_) => None,
        }
    }

    /// Whether a file says it.
    pub fn is_written(&self) -> bool {
        self.place().is_some()
    }
}

impl Datum {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Datum::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// The word, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    /// On or off, if it is one.
    pub fn switch(&self) -> Option<bool> {
        match self {
            Datum::Switch(on) => Some(*on),
            _ => None,
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Number(n) => write!(f, "{n}"),
            Datum::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            Datum::Text(text) | Datum::Cpus(text) => f.write_str(text),
        }
    }
}
