//! What lasts: said when it has been so for some samples in a row, and again now and then. Pure.

use knee_core::observe::Place;
use std::collections::VecDeque;

/// Samples in a row that make it worth a line.
const ROW: u32 = 3;
/// Seconds after which what still lasts is said again.
const AGAIN: f64 = 600.0;

/// One condition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    row: u32,
    told: Option<f64>,
}

impl Steady {
    /// Takes whether it is so at a time in seconds; whether to say it now.
    pub fn see(&mut self, at: f64, holds: bool) -> bool {
        if !holds {
            self.row = 0;
            return false;
        }
        self.row = self.row.saturating_add(1);
        let say = self.row >= ROW && self.told.is_none_or(|told| at - told >= AGAIN);
        if say {
            self.told = Some(at);
        }
        say
    }

    /// The same for what one sample shows for sure.
    fn at_once(&mut self, at: f64) -> bool {
        self.row = ROW;
        self.see(at, true)
    }
}

/// Places that are remembered: a service that stands still in more is told of again.
const MOST: usize = 64;

/// What is over by the next sample, at each of its places; None is the one that is not known.
#[derive(Clone, Debug, Default)]
pub struct Places(VecDeque<(Option<Place>, Steady)>);

impl Places {
    /// Takes where it was at a time in seconds; whether to say it now.
    pub fn see(&mut self, at: f64, place: Option<&Place>) -> bool {
        if let Some((_, steady)) = self.0.iter_mut().find(|(p, _)| p.as_ref() == place) {
            return steady.at_once(at);
        }
        self.0.truncate(MOST - 1);
        let mut steady = Steady::default();
        let say = steady.at_once(at);
        self.0.push_front((place.cloned(), steady));
        say
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_not_said_and_what_lasts_not_each_time() {
        let mut steady = Steady::default();
        let said: Vec<u32> =
            (0..400).filter(|n| steady.see(f64::from(n * 5), n % 10 != 0 || *n > 300)).collect();
        assert_eq!(said, [3, 123, 243, 363]);
    }

    #[test]
    fn each_place_is_said_at_once_and_no_more_are_remembered_than_fit() {
        let place = |line| Place { file: "a.js".into(), line, function: "f".into() };
        let mut places = Places::default();
        assert!(places.see(0.0, None) && places.see(0.0, Some(&place(0))));
        assert!(!places.see(5.0, None) && !places.see(5.0, Some(&place(0))));
        assert!((1..1000).all(|line| places.see(6.0, Some(&place(line)))));
        assert_eq!(places.0.len(), MOST);
    }
}
