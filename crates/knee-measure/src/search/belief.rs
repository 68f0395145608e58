//! What the steps so far say about the capacity: a probability over rates.
//!
//! A service is taken to have a ceiling somewhat above its capacity, towards which the wait
//! grows with the inverse of the distance, as queues do (Kleinrock, Queueing Systems I, 5.6).
//! Capacity and ceiling are both unknown; each step weighs on both, by its latency at the
//! goal's quantile and by how far its throughput stays behind. Both are noisy, and now and
//! then plainly wrong: each is given Student's t, whose broad tails keep one odd step from
//! outvoting the others.

use knee_core::Goal;
use knee_core::observe::{Outcome, Step};

/// Rates that are told apart.
const PLACES: usize = 240;
/// How far beyond what was offered the capacity is thought of, as a factor.
const BEYOND: f64 = 8.0;
/// Ceiling over capacity, from a cliff to a gentle slope, and how common each is.
const CEILINGS: [(f64, f64); 8] = [
    (1.01, 1.0),
    (1.02, 1.0),
    (1.04, 1.0),
    (1.08, 1.0),
    (1.15, 1.0),
    (1.3, 0.7),
    (1.6, 0.4),
    (2.2, 0.1),
];
/// Where the logarithm of latency over goal tells no more.
const FAR: f64 = 1.5;
/// Latency over goal at rest while no step has held, and the most that is assumed.
const REST: (f64, f64) = (0.5, 0.9);
/// A machine's unrest from step to step, as standard deviations of logarithms: in the
/// latency itself, and in the speed.
const UNREST: f64 = 0.15;
const SPEED: f64 = 0.03;
/// Variance of the logarithm of a sampled quantile times the requests beyond it. Late
/// requests come in bursts: several times what independent ones would give.
const SAMPLING: f64 = 0.3;
/// Variance of the logarithm of a throughput times the answers.
const COUNTING: f64 = 0.5;
/// Square of how far chance takes a queue, in goal latencies, per room and time.
const DIFFUSION: f64 = 2.0;
/// A throughput is a floor for the ceiling, and may stay below it by this share of how far it
/// stays behind the offered rate: an overloaded service does worse, and one that works on all
/// requests at once finishes few of them at first.
const COLLAPSE: f64 = 0.5;

/// A probability over rates.
pub(super) struct Belief {
    /// Logarithms of rates, evenly spaced.
    places: Vec<f64>,
    weights: Vec<f64>,
}

impl Belief {
    /// What `curve` says about the capacity; it holds one step at least.
    pub fn new(curve: &[Step], goal: &Goal) -> Self {
        let offered = || curve.iter().map(|s| s.offered);
        let from = offered().fold(f64::INFINITY, f64::min) / BEYOND;
        let to = offered().fold(0.0, f64::max) * BEYOND;
        let held = curve.iter().filter(|s| s.outcome == Outcome::Held);
        let rest = held.map(|s| s.latency.goal / goal.latency.0).reduce(f64::min);
        let rest = rest.unwrap_or(REST.0).min(REST.1);
        let evidence: Vec<Evidence> = curve.iter().map(|s| Evidence::of(s, goal)).collect();
        let width = (to / from).ln() / (PLACES - 1) as f64;
        let places: Vec<f64> = (0..PLACES).map(|i| from.ln() + width * i as f64).collect();
        let fit = |place: f64, (ceiling, common): (f64, f64)| -> f64 {
            let service = Service { capacity: place.exp(), ceiling: place.exp() * ceiling, rest };
            common.ln() + evidence.iter().map(|e| e.likelihood(&service)).sum::<f64>()
        };
        let fits: Vec<[f64; CEILINGS.len()]> =
            places.iter().map(|place| CEILINGS.map(|ceiling| fit(*place, ceiling))).collect();
        let best = fits.iter().flatten().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let weight = |f: &[f64; CEILINGS.len()]| f.iter().map(|l| (l - best).exp()).sum();
        let weights: Vec<f64> = fits.iter().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Belief { places, weights: weights.iter().map(|w| w / sum).collect() }
    }

    /// The rate below which the capacity is with probability `share`.
    pub fn quantile(&self, share: f64) -> f64 {
        let width = self.places[1] - self.places[0];
        let mut sum = 0.0;
        for (place, weight) in self.places.iter().zip(&self.weights) {
            if sum + weight >= share {
                return (place + width * ((share - sum) / weight - 0.5)).exp();
            }
            sum += weight;
        }
        self.places[PLACES - 1].exp()
    }

    /// Probability that the capacity is above `rate`.
    pub fn above(&self, rate: f64) -> f64 {
        let width = self.places[1] - self.places[0];
        let part = |place: &f64| ((place - rate.ln()) / width + 0.5).clamp(0.0, 1.0);
        self.places.iter().zip(&self.weights).map(|(p, w)| w * part(p)).sum()
    }

    /// Standard deviation of the logarithm of the capacity: a relative one, where small.
    pub fn spread(&self) -> f64 {
        let both = || self.places.iter().zip(&self.weights);
        let mean: f64 = both().map(|(p, w)| p * w).sum();
        both().map(|(p, w)| w * (p - mean).powi(2)).sum::<f64>().sqrt()
    }
}

/// A service as it might be. Rates in requests/s.
struct Service {
    capacity: f64,
    ceiling: f64,
    /// Latency at rest over the goal's.
    rest: f64,
}

impl Service {
    /// Logarithm of latency over goal at a rate, for ever.
    fn over(&self, rate: f64) -> f64 {
        if rate >= self.ceiling {
            return FAR;
        }
        let wait = rate / self.capacity * (self.ceiling - self.capacity) / (self.ceiling - rate);
        (self.rest + (1.0 - self.rest) * wait).ln().clamp(-FAR, FAR)
    }

    /// The same when the load began `since` ago, in times of the goal's latency: a queue is
    /// no longer than what stayed undone since then, and how far chance may have taken it. A
    /// service with room between capacity and ceiling needs it because its work varies
    /// (diffusion: the variance per time is twice the room, over the goal's quantile).
    fn over_since(&self, rate: f64, since: f64) -> f64 {
        let undone = (1.0 - self.ceiling / rate).max(0.0);
        let room = 1.0 - self.capacity / self.ceiling;
        let queue = since * undone + (DIFFUSION * room * since).sqrt();
        self.over(rate).min((self.rest + queue).ln().max(-FAR))
    }
}

/// What one step says: logarithms, with the variances that sampling gives them.
struct Evidence {
    offered: f64,
    /// Of latency over goal; None when the queue grew without bound.
    over: Option<f64>,
    over_variance: f64,
    /// Of throughput over offered rate.
    behind: f64,
    behind_variance: f64,
    /// Length in times of the goal's latency.
    since: f64,
}

impl Evidence {
    fn of(step: &Step, goal: &Goal) -> Self {
        let over = (step.latency.goal.max(1e-9) / goal.latency.0).ln().clamp(-FAR, FAR);
        let over = match step.outcome {
            Outcome::Held => Some(over.min(0.0)),
            // It may have missed by its failures alone.
            Outcome::Missed if over <= 0.0 => Some(FAR / 2.0),
            Outcome::Missed => Some(over),
            Outcome::Hopeless => None,
        };
        let due = step.counts.due() as f64;
        let answers = (step.throughput * step.seconds).max(1.0);
        let behind = (step.throughput / step.offered).max(1e-3).ln().min(0.0);
        Evidence {
            offered: step.offered,
            over,
            over_variance: UNREST.powi(2) + SAMPLING / ((1.0 - goal.quantile) * due).max(0.25),
            behind,
            behind_variance: SPEED.powi(2) + COUNTING / answers,
            since: step.seconds / goal.latency.0,
        }
    }

    /// Logarithm of how likely this is with such a service, up to a constant.
    fn likelihood(&self, service: &Service) -> f64 {
        let expected = |rate: f64| match self.over {
            Some(_) => service.over_since(rate, self.since),
            None => service.over(rate),
        };
        // On a cliff a small change of speed is a large one of latency.
        let faster = expected(self.offered * (1.0 - SPEED));
        let slower = expected(self.offered * (1.0 + SPEED));
        let variance = self.over_variance + ((slower - faster) / 2.0).powi(2);
        let over = self.over.unwrap_or(FAR) - expected(self.offered);
        let behind = self.behind - (service.ceiling / self.offered).ln().min(0.0);
        let collapse = if behind < 0.0 { COLLAPSE * self.behind } else { 0.0 };
        // The variance of latency depends on the service, and with it the density's height.
        student(over, variance) - variance.ln() / 2.0
            + student(behind, self.behind_variance + collapse.powi(2))
    }
}

/// Logarithm of the density of Student's t with 4 degrees of freedom over its height.
fn student(distance: f64, variance: f64) -> f64 {
    -2.5 * (distance * distance / (4.0 * variance)).ln_1p()
}
