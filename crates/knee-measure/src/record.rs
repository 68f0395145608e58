//! What a step's requests became: counts, latencies, the generator's own lateness.

use hdrhistogram::Histogram;
use knee_core::observe::{Counts, Latency, Outcome};

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Ok,
    TimedOut,
    Refused,
    Reset,
    ServerError,
    ClientError,
    ShortBody,
    Malformed,
    Unsent,
}

/// Everything that one step noted. Times are in ns.
pub(crate) struct Record {
    pub counts: Counts,
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
    /// Good answers that came within the measured window, whenever they were due.
    pub answered: u64,
    /// Requests that are known to take longer than each of the rule's two limits.
    pub beyond: [u64; 2],
    /// Most connections open at once.
    pub connections: usize,
    /// Whether a request had to wait because no more connections were allowed.
    pub at_limit: bool,
    /// Connections that found no free local port.
    pub out_of_ports: u64,
    /// Connections that found no free descriptor.
    pub out_of_descriptors: u64,
    /// The outcome that was certain before the end, and when: seconds into the measured window.
    pub decided: Option<(Outcome, f64)>,
    /// Requests outstanding over time, from the measured window on: seconds, requests.
    pub outstanding: Vec<(f64, u64)>,
}

impl Record {
    pub fn new() -> Self {
        Record {
            counts: Counts::default(),
            latency: histogram(),
            lateness: histogram(),
            answered: 0,
            beyond: [0; 2],
            connections: 0,
            at_limit: false,
            out_of_ports: 0,
            out_of_descriptors: 0,
            decided: None,
            outstanding: Vec::new(),
        }
    }

    /// A request ended `latency` ns after it was due.
    pub fn ended(&mut self, class: Class, latency: u64) {
        let counts = &mut self.counts;
        let field = match class {
            Class::Ok => {
                self.latency.saturating_record(latency);
                &mut counts.ok
            }
            Class::TimedOut => &mut counts.timed_out,
            Class::Refused => &mut counts.refused,
            Class::Reset => &mut counts.reset,
            Class::ServerError => &mut counts.server_error,
            Class::ClientError => &mut counts.client_error,
            Class::ShortBody => &mut counts.short_body,
            Class::Malformed => &mut counts.malformed,
            Class::Unsent => &mut counts.unsent,
        };
        *field += 1;
    }

    /// A request ended that was not yet known to be beyond some of these limits, in seconds.
    pub fn exceeded(&mut self, class: Class, latency: u64, limits: [f64; 2], known: [bool; 2]) {
        for ((n, limit), known) in self.beyond.iter_mut().zip(limits).zip(known) {
            let missed = class != Class::Ok || latency as f64 > limit * 1e9;
            *n += u64::from(missed && !known);
        }
    }

    /// The generator turned to a request `lateness` ns after it was due.
    pub fn dispatched(&mut self, lateness: u64) {
        self.lateness.saturating_record(lateness);
    }

    /// Latency from due, where a failure is infinite and shown as the time-out (seconds).
    pub fn latency(&self, goal: f64, timeout: f64) -> Latency {
        let at = |quantile| self.quantile(quantile, timeout);
        Latency {
            mean: self.latency.mean() / 1e9,
            p10: at(0.1),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
            goal: at(goal),
        }
    }

    /// The smallest latency that a share of `quantile` of all requests does not exceed.
    fn quantile(&self, quantile: f64, timeout: f64) -> f64 {
        let due = self.counts.due();
        let rank = (quantile * due as f64 - 1e-9).ceil().max(1.0) as u64;
        if due == 0 {
            return 0.0;
        }
        if rank > self.latency.len() {
            return timeout;
        }
        let share = rank as f64 / self.latency.len() as f64;
        // The histogram answers with the upper end of a bucket.
        let upper = self.latency.value_at_quantile(share).min(self.latency.max());
        upper as f64 / 1e9
    }

    /// Lateness of dispatch at a quantile, seconds.
    pub fn lateness(&self, quantile: f64) -> f64 {
        self.lateness.value_at_quantile(quantile).min(self.lateness.max()) as f64 / 1e9
    }
}

/// From 1 ns to an hour with three digits: 256 KiB.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are constants")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ok: u64, failed: u64) -> Record {
        let mut record = Record::new();
        (1..=ok).for_each(|ms| record.ended(Class::Ok, ms * 1_000_000));
        (0..failed).for_each(|_| record.ended(Class::Reset, 5));
        record
    }

    #[test]
    fn a_failure_is_infinitely_late() {
        let latency = record(98, 2).latency(0.98, 10.0);
        assert_eq!((latency.p99, latency.max), (10.0, 10.0));
        assert!((latency.goal - 0.098).abs() < 1e-4, "{latency:?}");
        assert!((latency.p50 - 0.050).abs() < 1e-4, "{latency:?}");
    }

    #[test]
    fn a_quantile_is_a_rank() {
        assert!((record(100, 0).latency(0.99, 10.0).goal - 0.099).abs() < 1e-4);
        assert_eq!(record(0, 3).latency(0.5, 10.0).goal, 10.0);
        assert_eq!(record(0, 0).latency(0.5, 10.0).goal, 0.0);
    }

    #[test]
    fn every_class_has_its_count() {
        let mut record = Record::new();
        for class in [
            Class::TimedOut,
            Class::Refused,
            Class::Reset,
            Class::ServerError,
            Class::ClientError,
            Class::ShortBody,
            Class::Malformed,
            Class::Unsent,
        ] {
            record.ended(class, 1);
        }
        assert!(record.counts.named().iter().all(|(_, n)| *n == 1));
    }
}
