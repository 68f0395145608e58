//! What lasts: said when it has been so for some samples in a row, and again now and then. Pure.

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
    pub fn at_once(&mut self, at: f64, holds: bool) -> bool {
        self.row = ROW;
        self.see(at, holds)
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
        let mut once = Steady::default();
        assert!(once.at_once(0.0, true) && !once.at_once(5.0, true));
    }
}
