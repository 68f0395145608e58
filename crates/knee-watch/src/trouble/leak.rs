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
    points: VecDeque<Point>,
    /// Values in each point.
    merged: u32,
    /// The lowest of the point that is being made, and how many it has.
    making: Option<(Point, u32)>,
    /// Between the first value and the limit.
    room: f64,
    peak: f64,
    /// The largest fall from a peak.
    fall: f64,
}

/// A value, and when it was so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds.
    pub at: f64,
    /// Requests that the service had answered by then, from any number on; 0 where nobody counts.
    pub served: f64,
    /// The value.
    pub value: f64,
}

/// A leak that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Units per second.
    pub per_second: f64,
    /// Units per request of the service, where these are counted.
    pub per_request: Option<f64>,
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
    /// Takes a value and what is left until its limit; tells of a leak once and then begins anew.
    pub fn see(&mut self, point: Point, left: f64) -> Option<Growth> {
        let Point { at, served, value } = point;
        if ![at, served, value, left].iter().all(|n| n.is_finite()) {
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
        if !self.add(point) {
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
    fn add(&mut self, point: Point) -> bool {
        let (before, count) = self.making.unwrap_or((point, 0));
        let (lowest, count) = (lower(before, point), count + 1);
        if count < self.merged {
            self.making = Some((lowest, count));
            return false;
        }
        self.making = None;
        self.points.push_back(lowest);
        if self.points.len() > MOST {
            let all: Vec<Point> = self.points.drain(..).collect();
            let one = |two: &[Point]| two.iter().copied().reduce(lower);
            self.points = all.chunks(2).filter_map(one).collect();
            self.merged = self.merged.saturating_mul(2);
        }
        true
    }

    /// Over time and, where they are counted, over requests: what a request leaves behind grows evenly over
    /// these, however the load comes and goes.
    fn judge(&self, left: f64) -> Option<Growth> {
        let (first, last) = (self.points.front()?, self.points.back()?);
        let over = |of: fn(&Point) -> f64| -> Vec<(f64, f64)> {
            self.points.iter().map(|point| (of(point), point.value)).collect()
        };
        let time = over(|point| point.at);
        let requests = (last.served > first.served).then(|| over(|point| point.served));
        let grown = self.grown(&time).or_else(|| self.grown(requests.as_ref()?));
        let (by, z) = grown?;
        let seconds = last.at - first.at;
        // Of load that came in one burst the middle of all slopes over time may be none.
        let per_second = slope(&time)?.per_second.max(by / seconds);
        Some(Growth {
            per_second,
            per_request: requests.and_then(|points| Some(slope(&points)?.per_second)),
            by,
            seconds,
            share: by / self.room,
            z,
            left: left.max(0.0) / per_second,
        })
    }

    /// What it grew by along these points, and how sure that is; None where that is no leak.
    fn grown(&self, points: &[(f64, f64)]) -> Option<(f64, f64)> {
        let gone = if points.len() < SLOW && self.merged == 1 { GONE } else { GONE_SLOWLY };
        let least = (self.room * gone).max(self.fall * OVER_FALL);
        if points.len() < LEAST || least <= 0.0 || !risen(points, least) {
            return None;
        }
        let whole = slope(points)?;
        let by = whole.per_second * (points.last()?.0 - points.first()?.0);
        // The first and the last part of it: halves of a few points, thirds of many.
        let part = points.len() / if points.len() < SLOW { 2 } else { 3 };
        let (early, late) = (points.get(..part)?, points.get(points.len() - part..)?);
        let asked = if by >= self.room * MUCH { STEADY_LATE } else { STEADY };
        let steady = slope(late)?.per_second >= asked * slope(early)?.per_second;
        (by >= least && whole.z >= SURE && steady).then_some((by, whole.z))
    }
}

/// The lower of two values, at the time of the later.
fn lower(before: Point, after: Point) -> Point {
    Point { value: before.value.min(after.value), ..after }
}

/// Whether the last quarter lies that much above the first, about: cheap, and true of most that
/// the slope would find.
fn risen(points: &[(f64, f64)], least: f64) -> bool {
    let quarter = (points.len() / 4).max(1);
    let middle = |part: &[(f64, f64)]| median(&mut part.iter().map(|p| p.1).collect::<Vec<_>>());
    let first = points.get(..quarter).and_then(middle);
    let last = points.get(points.len() - quarter..).and_then(middle);
    // Three quarters of the way lie between the middles of these quarters.
    first.zip(last).is_some_and(|(first, last)| last - first >= 0.6 * least)
}
