//! What the last samples had, and what rises or falls in that. Pure but for the clock.

use crate::sample::Trend;
use crate::trend::slope;
use knee_core::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// Samples that a trend is seen in.
const MOST: usize = 120;
/// Standard deviations from which a trend counts as sure: chance alone exceeds it once in 700.
const SURE: f64 = 3.2;

/// What trends are seen in, sample by sample.
#[derive(Default)]
pub struct History(VecDeque<Point>);

#[derive(Clone, Copy)]
struct Point {
    at: Instant,
    memory: f64,
    descriptors: f64,
    cpu: f64,
}

impl History {
    /// What a sample has now; the oldest goes where too many are kept.
    pub fn add(&mut self, memory: Bytes, descriptors: u64, cpu: f64) {
        let (memory, descriptors) = (memory.0 as f64, descriptors as f64);
        self.0.push_back(Point { at: Instant::now(), memory, descriptors, cpu });
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// One for each quantity, where there are enough samples.
    pub fn trends(&self) -> Vec<Trend> {
        let Some(first) = self.0.front() else { return vec![] };
        let trend = |of: &'static str, value: fn(&Point) -> f64| {
            let at = |point: &Point| point.at.duration_since(first.at).as_secs_f64();
            let points: Vec<(f64, f64)> =
                self.0.iter().map(|point| (at(point), value(point))).collect();
            let slope = slope(&points)?;
            let seconds = points.last()?.0;
            let sure = slope.z.abs() >= SURE;
            Some(Trend { of, per_minute: slope.per_second * 60.0, seconds, sure })
        };
        [
            trend("memory", |point| point.memory),
            trend("descriptors", |point| point.descriptors),
            trend("cpu", |point| point.cpu),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
