//! The highest rate that holds a goal, found in few steps. Pure over a function that
//! measures one step: no clock, no socket.
//!
//! Short steps bracket the capacity: from a first guess outwards in growing strides, then
//! inwards to where the goal's quantile, interpolated in its logarithm, meets the goal. An
//! overloaded service answers at about its capacity, which is the best next guess. Once the
//! bracket is narrow, a longer step has to confirm; when it misses, the search steps down
//! and confirms again.

use knee_core::Goal;
use knee_core::goal::quantile_name;
use knee_core::observe::{Capacity, Limit, Outcome, Resource, Step, Validity};
use knee_core::units::Seconds;

/// Strides from a first guess outwards; the last one repeats.
const STRIDES: [f64; 3] = [1.3, 1.8, 3.0];
/// What of an overloaded service's throughput is tried next.
const OF_THROUGHPUT: f64 = 0.94;
/// Requests that a step should hold, so that a quantile means something.
const REQUESTS: f64 = 100.0;
/// A step is at least this many times as long as the goal's latency, so that a queue that
/// grows is seen to miss it.
const LATENCIES: f64 = 4.0;
/// Most confirming steps.
const CONFIRMATIONS: usize = 4;

/// How a capacity is searched. Rates in requests/s, times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOptions {
    /// The rate tried first.
    pub first: f64,
    /// No rate above it is offered: the generator's ceiling, or what cannot be exceeded.
    pub upper: f64,
    /// No rate below it is tried; a service that misses the goal there has a capacity of 0.
    pub lowest: f64,
    /// Relative width of the bracket at which the search ends.
    pub resolution: f64,
    /// Length of a step.
    pub seconds: f64,
    /// Length of the confirming step.
    pub confirm: f64,
    /// Unmeasured start of each step; here only for the budget.
    pub warm_up: f64,
    /// Time after which no further step begins, but for one confirmation.
    pub budget: f64,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            first: 50.0,
            upper: f64::INFINITY,
            lowest: 0.5,
            resolution: 0.04,
            seconds: 2.5,
            confirm: 6.0,
            warm_up: 0.5,
            budget: 25.0,
        }
    }
}

/// Finds the capacity. `measure` is given a rate in requests/s and a length in seconds; each
/// of its steps is handed to `on_step` as it comes.
pub fn search_capacity<E>(
    measure: &mut dyn FnMut(f64, f64) -> Result<Step, E>,
    goal: &Goal,
    options: &SearchOptions,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Capacity, E> {
    let mut search = Search::new(goal, options);
    let mut take = |search: &mut Search<'_>, rate: f64, base: f64| -> Result<bool, E> {
        let mut step = measure(rate, search.length(rate, base))?;
        on_step(&step);
        search.note(step.clone());
        if step.outcome != Outcome::Held && !step.validity.is_valid() && !search.spent() {
            // The generator may be to blame; it is given a second chance.
            step = measure(rate, search.length(rate, base))?;
            on_step(&step);
            search.replace(step.clone());
        }
        Ok(step.outcome == Outcome::Held)
    };
    while let Some(rate) = search.next() {
        take(&mut search, rate, options.seconds)?;
    }
    while let Some(rate) = search.to_confirm() {
        let held = take(&mut search, rate, options.confirm)?;
        search.confirmed(held);
    }
    Ok(search.result())
}

/// Measures only the rate that the goal names (else `options.first`), as long as a confirming step:
/// its capacity is that rate when it holds and 0 when it does not.
pub fn check_rate<E>(
    measure: &mut dyn FnMut(f64, f64) -> Result<Step, E>,
    goal: &Goal,
    options: &SearchOptions,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Capacity, E> {
    let mut search = Search::new(goal, options);
    let rate = goal.rate.unwrap_or(options.first);
    let step = measure(rate, search.length(rate, options.confirm))?;
    on_step(&step);
    let held = step.outcome == Outcome::Held;
    search.note(step);
    search.confirmed(held);
    Ok(search.result())
}

struct Search<'a> {
    goal: &'a Goal,
    options: &'a SearchOptions,
    curve: Vec<Step>,
    /// Index in `curve` of the step that a confirmation rests on.
    confirmed: Option<usize>,
    confirmations: usize,
    used: f64,
}

impl<'a> Search<'a> {
    fn new(goal: &'a Goal, options: &'a SearchOptions) -> Self {
        Search { goal, options, curve: Vec::new(), confirmed: None, confirmations: 0, used: 0.0 }
    }

    /// A step long enough to say something.
    fn length(&self, rate: f64, base: f64) -> f64 {
        let enough = (REQUESTS / rate).min(2.0 * base);
        base.max(enough).max(LATENCIES * self.goal.latency.0)
    }

    fn note(&mut self, step: Step) {
        self.used += step.seconds + self.options.warm_up;
        self.curve.push(step);
    }

    /// A repeated step counts instead of the one before, which stays in no curve.
    fn replace(&mut self, step: Step) {
        self.curve.pop();
        self.note(step);
    }

    fn spent(&self) -> bool {
        self.used >= self.options.budget
    }

    /// The highest rate that held, and has no missed confirmation at or below it.
    fn low(&self) -> Option<&Step> {
        let failed = self.failed_confirmation().unwrap_or(f64::INFINITY);
        self.held().filter(|s| s.offered < failed).max_by(|a, b| a.offered.total_cmp(&b.offered))
    }

    /// The lowest rate above that which did not hold.
    fn high(&self) -> Option<&Step> {
        let low = self.low().map_or(0.0, |s| s.offered);
        let missed = self.curve.iter().filter(|s| s.outcome != Outcome::Held && s.offered > low);
        missed.min_by(|a, b| a.offered.total_cmp(&b.offered))
    }

    fn held(&self) -> impl Iterator<Item = &Step> {
        self.curve.iter().filter(|s| s.outcome == Outcome::Held)
    }

    fn failed_confirmation(&self) -> Option<f64> {
        let from = self.curve.len() - self.confirmations;
        let missed = self.curve[from..].iter().filter(|s| s.outcome != Outcome::Held);
        missed.map(|s| s.offered).min_by(f64::total_cmp)
    }

    /// The next rate to try shortly; None when it is time to confirm.
    fn next(&self) -> Option<f64> {
        let options = self.options;
        let rate = match (self.low(), self.high()) {
            _ if self.used + options.confirm > options.budget && !self.curve.is_empty() => None,
            (None, None) => Some(options.first),
            (Some(low), None) if low.offered >= options.upper => None,
            (Some(low), None) => Some(low.offered * self.stride(Outcome::Held)),
            (None, Some(high)) if high.offered <= options.lowest => None,
            (None, Some(high)) => Some(self.downwards(high)),
            (Some(low), Some(high)) => self.between(low, high),
        };
        rate.map(|rate| rate.clamp(options.lowest.min(options.upper), options.upper))
    }

    /// The stride for another step in the same direction.
    fn stride(&self, outcome: Outcome) -> f64 {
        let same = |s: &&Step| (s.outcome == Outcome::Held) == (outcome == Outcome::Held);
        let taken = self.curve.iter().filter(same).count();
        STRIDES[(taken.max(1) - 1).min(STRIDES.len() - 1)]
    }

    fn downwards(&self, high: &Step) -> f64 {
        let answered = OF_THROUGHPUT * high.throughput;
        if high.outcome == Outcome::Hopeless && answered > 0.0 && answered < 0.95 * high.offered {
            return answered;
        }
        let above = self.curve.iter().filter(|s| s.offered >= 3.0 * high.offered);
        let flat =
            above.filter(|s| s.outcome == Outcome::Missed && high.outcome == Outcome::Missed);
        if flat.map(|s| s.latency.goal).any(|latency| latency < 1.5 * high.latency.goal) {
            // Three times less load made no difference: it is slow even when idle.
            return self.options.lowest;
        }
        high.offered / self.stride(Outcome::Missed)
    }

    /// A rate inside the bracket; None when the bracket is narrow enough to confirm.
    fn between(&self, low: &Step, high: &Step) -> Option<f64> {
        let width = high.offered / low.offered;
        if width <= 1.0 + 2.0 * self.options.resolution {
            return None;
        }
        let answered = OF_THROUGHPUT * high.throughput;
        let inner = (low.offered * width.powf(0.15), low.offered * width.powf(0.85));
        if high.outcome == Outcome::Hopeless && (inner.0..inner.1).contains(&answered) {
            return Some(answered);
        }
        let (below, above) = (self.badness(low), self.badness(high));
        let share = if above > below { -below / (above - below) } else { 0.5 };
        Some(low.offered * width.powf(share.clamp(0.3, 0.7)))
    }

    /// Logarithm of latency over goal, below 0 where it held.
    fn badness(&self, step: &Step) -> f64 {
        (step.latency.goal.max(1e-6) / self.goal.latency.0).ln()
    }

    /// The next rate to confirm; None when the search is over.
    fn to_confirm(&self) -> Option<f64> {
        if self.confirmed.is_some() || self.confirmations >= CONFIRMATIONS {
            return None;
        }
        if self.confirmations > 0 && self.spent() {
            return None;
        }
        let low = self.low().map(|s| s.offered);
        let Some(high) = self.high() else { return low };
        let resolution = 1.0 + self.options.resolution;
        if self.confirmations == 0 {
            // The middle of a bracket of twice the resolution decides both halves at once.
            let low = low?;
            let narrow = high.offered / low <= resolution * resolution * 1.01;
            return Some(if narrow { (low * high.offered).sqrt() } else { low });
        }
        let step = resolution.powi(1 << (self.confirmations - 1).min(2));
        let answered = match high.outcome {
            Outcome::Hopeless => OF_THROUGHPUT * high.throughput,
            _ => f64::INFINITY,
        };
        let down = (high.offered / step).min(answered.max(high.offered * 0.7));
        let rate = low.map_or(down, |low| low.max(down).min(high.offered / resolution.sqrt()));
        (rate >= self.options.lowest).then_some(rate)
    }

    /// The last step was meant to confirm.
    fn confirmed(&mut self, held: bool) {
        self.confirmations += 1;
        self.confirmed = held.then_some(self.curve.len() - 1);
    }

    fn result(self) -> Capacity {
        let at = self.confirmed.map(|i| &self.curve[i]).or_else(|| self.low()).cloned();
        let rate = at.as_ref().map_or(0.0, |s| s.offered);
        let missed = self.curve.iter().filter(|s| s.outcome != Outcome::Held && s.offered > rate);
        let above = missed.min_by(|a, b| a.offered.total_cmp(&b.offered));
        let mut validity = Validity::default();
        at.iter().chain(above).for_each(|step| validity.merge(&step.validity));
        if at.is_some() && self.confirmed.is_none() {
            validity.caveats.push(format!("{rate:.1} requests/s held only in a short step"));
        }
        let limited_by = limit(above, self.goal.quantile);
        Capacity { rate, at, limited_by, validity, curve: self.curve }
    }
}

/// What is known here of what gave out: the generator, or the step that missed.
pub(crate) fn limit(above: Option<&Step>, quantile: f64) -> Limit {
    let Some(step) = above else {
        let evidence = "no rate that was offered missed the goal".into();
        return Limit { resource: Resource::Unknown, evidence };
    };
    if let Some(reason) = step.validity.invalid.first() {
        return Limit { resource: Resource::Generator, evidence: reason.clone() };
    }
    let counts = step.counts.named();
    let worst = counts.iter().max_by_key(|(_, n)| n).filter(|(_, n)| *n > 0);
    let mut evidence = format!(
        "at {:.1} requests/s {} was {}",
        step.offered,
        quantile_name(quantile),
        Seconds(step.latency.goal)
    );
    if let Some((name, n)) = worst {
        evidence += &format!(" and {n} of {} requests ended as {name}", step.counts.due());
    }
    Limit { resource: Resource::Unknown, evidence }
}
