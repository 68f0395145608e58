//! Whether a quantity leaks: it grows steadily towards a limit, more than it ever falls, and not
//! ever more slowly as a cache does that fills. Pure.
//!
//! A cap would find a leak when it is too late, and call a service that needs much a leak. What
//! counts is growth as a share of the head-room that there was at first.

use crate::trend::{median, slope};
use std::collections::VecDeque;

/// Points that are kept; when there are more, each two become one.
const MOST: usize = 48;
/// Points below which nothing is said.
const LEAST: usize = 8;
/// Share of the head-room that has to be gone before it is called a leak, and the same where there is
/// time to see more: what a warm service may well take, and less than a fifth, so that time is left.
const GONE: f64 = 0.12;
const GONE_SLOWLY: f64 = 0.145;
/// Points from which it goes slowly.
const SLOW: usize = 24;
/// Standard deviations that the trend has to be above chance.
const SURE: f64 = 3.2;
/// How much larger the growth has to be than the largest fall that was seen: a collected heap rises
/// between collections, too.
const OVER_FALL: f64 = 1.5;
/// Share of the first part's slope that the last part's has to have: what fills up gets slower. Less
/// is asked for where so much is gone that it does not matter why.
const STEADY: f64 = 0.75;
const STEADY_LATE: f64 = 0.3;
/// Share of the head-room at which that is.
const MUCH: f64 = 0.17;

/// The course of one quantity.
#[derive(Clone, Debug, Default)]
pub struct Leak {
    points: VecDeque<(f64, f64)>,
    /// Values in each point.
    merged: u32,
    /// The lowest of the point that is being made, and how many it has.
    making: Option<(f64, f64, u32)>,
    /// Between the first value and the limit.
    room: f64,
    peak: f64,
    /// The largest fall from a peak.
    fall: f64,
}

/// A leak that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Units per second.
    pub per_second: f64,
    /// What it grew by.
    pub by: f64,
    /// Over how many seconds.
    pub seconds: f64,
    /// Share of the head-room that this is.
    pub share: f64,
    /// Standard deviations above chance.
    pub z: f64,
    /// Seconds until nothing is left, at this pace.
    pub left: f64,
}

impl Leak {
    /// Takes the value at a time in seconds, and what is left until its limit; tells of a leak once
    /// and then begins anew.
    pub fn see(&mut self, at: f64, value: f64, left: f64) -> Option<Growth> {
        if !(at.is_finite() && value.is_finite() && left.is_finite()) {
            return None;
        }
        if self.points.is_empty() && self.making.is_none() {
            *self = Leak { merged: 1, room: left.max(0.0), peak: value, ..Leak::default() };
        }
        self.peak = self.peak.max(value);
        self.fall = self.fall.max(self.peak - value);
        if self.fall > self.room * GONE {
            // Something let go of much, a process that was replaced as a rule: a new course.
            *self = Leak::default();
            return None;
        }
        if !self.add(at, value) {
            return None;
        }
        let found = self.judge(left);
        if found.is_some() {
            *self = Leak::default();
        }
        found
    }

    /// The lower envelope: of values that become one point the lowest counts. True when a point is
    /// made.
    fn add(&mut self, at: f64, value: f64) -> bool {
        let (_, lowest, count) = self.making.unwrap_or((at, value, 0));
        let (lowest, count) = (lowest.min(value), count + 1);
        if count < self.merged {
            self.making = Some((at, lowest, count));
            return false;
        }
        self.making = None;
        self.points.push_back((at, lowest));
        if self.points.len() > MOST {
            let all: Vec<(f64, f64)> = self.points.drain(..).collect();
            let one = |two: &[(f64, f64)]| {
                let last = two.last()?;
                let lowest = two.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
                Some((last.0, lowest))
            };
            self.points = all.chunks(2).filter_map(one).collect();
            self.merged = self.merged.saturating_mul(2);
        }
        true
    }

    fn judge(&self, left: f64) -> Option<Growth> {
        let points: Vec<(f64, f64)> = self.points.iter().copied().collect();
        let (first, last) = (points.first()?, points.last()?);
        let gone = if points.len() < SLOW && self.merged == 1 { GONE } else { GONE_SLOWLY };
        let least = (self.room * gone).max(self.fall * OVER_FALL);
        if points.len() < LEAST || least <= 0.0 || !grown(&points, least) {
            return None;
        }
        let whole = slope(&points)?;
        let seconds = last.0 - first.0;
        let by = whole.per_second * seconds;
        // The first and the last part of it: halves of a few points, thirds of many.
        let part = points.len() / if points.len() < SLOW { 2 } else { 3 };
        let (early, late) = (points.get(..part)?, points.get(points.len() - part..)?);
        let asked = if by >= self.room * MUCH { STEADY_LATE } else { STEADY };
        let steady = slope(late)?.per_second >= asked * slope(early)?.per_second;
        (by >= least && whole.z >= SURE && steady).then(|| Growth {
            per_second: whole.per_second,
            by,
            seconds,
            share: by / self.room,
            z: whole.z,
            left: left.max(0.0) / whole.per_second,
        })
    }
}

/// Whether the last quarter lies that much above the first, about: cheap, and true of most that
/// the slope would find.
fn grown(points: &[(f64, f64)], least: f64) -> bool {
    let quarter = (points.len() / 4).max(1);
    let middle = |part: &[(f64, f64)]| median(&mut part.iter().map(|p| p.1).collect::<Vec<_>>());
    let first = points.get(..quarter).and_then(middle);
    let last = points.get(points.len() - quarter..).and_then(middle);
    // Three quarters of the way lie between the middles of these quarters.
    first.zip(last).is_some_and(|(first, last)| last - first >= 0.6 * least)
}
