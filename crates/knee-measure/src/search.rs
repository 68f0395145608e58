//! The highest rate that holds a goal, found in few steps. Pure over a function that
//! measures one step: no clock, no socket.
//!
//! After each step a [`Belief`] says where the capacity may be. Short steps are offered at
//! its middle until it is narrow or time runs out; then a longer step has to hold the goal
//! close to the middle, or, after a miss, somewhat lower. The capacity is the highest rate
//! that held such a step; what all steps together leave open is its spread.

mod belief;
#[cfg(test)]
mod tests;

use crate::verdict;
use belief::Belief;
use knee_core::Goal;
use knee_core::goal::quantile_name;
use knee_core::observe::{Capacity, Limit, Outcome, Resource, Step, Validity};
use knee_core::units::Seconds;

/// Longest stride beyond what was offered, up or down, as a factor.
const STRIDE: f64 = 2.5;
/// Once rates so far from each other have held without a miss the first was no guess at all: strides get
/// as long, and end at this share of the belief.
const FAR: f64 = 8.0;
const FAR_TO: f64 = 0.8;
/// What the CPU may turn out to allow over what the steps before say: under more load a request often
/// takes less.
const CHEAPER: f64 = 1.3;
/// Requests that a step should hold, so that a quantile means something, and how much
/// longer than usual it may be for that.
const REQUESTS: f64 = 200.0;
const LONGER: f64 = 2.0;
/// A step is at least this many times as long as the goal's latency.
const LATENCIES: f64 = 2.0;
/// The belief is narrow when its spread is so many resolutions.
const NARROW: f64 = 1.5;
/// Throughput over offered rate of a service that is not overloaded, and a factor between
/// rates that makes a difference to any queue.
const KEEPS_UP: f64 = 0.9;
const DIFFERENT: f64 = 1.5;
/// Time for so many confirming steps is kept in reserve.
const RESERVE: f64 = 2.0;
/// Probability that the capacity is below the rate of the first, second, … confirming step.
const CONFIRM_AT: [f64; 4] = [0.45, 0.3, 0.15, 0.05];
/// A confirming step is not below this share of the one that missed.
const DOWN: f64 = 0.8;
/// Better late than without an answer: budgets after which no further rate is confirmed.
const OVERTIME: f64 = 1.5;
/// Requests beyond the goal's quantile below which a capacity is read with care.
const FEW: f64 = 3.0;

/// How a capacity is searched. Rates in requests/s, times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOptions {
    /// The rate tried first.
    pub first: f64,
    /// No rate above it is offered: the generator's ceiling, or what cannot be exceeded.
    pub upper: f64,
    /// vCPU that the service can have, where that is known: no rate far beyond it is tried shortly.
    pub cores: Option<f64>,
    /// No rate below it is tried; a service that misses the goal there has a capacity of 0.
    pub lowest: f64,
    /// Relative precision that is aimed at.
    pub resolution: f64,
    /// Length of a step; one of few requests is up to twice as long.
    pub seconds: f64,
    /// Length of the confirming step, likewise.
    pub confirm: f64,
    /// Unmeasured start of each step; here only for the budget.
    pub warm_up: f64,
    /// Time that the search plans with. Where rates go on missing it takes up to half as
    /// long again.
    pub budget: f64,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            first: 50.0,
            upper: f64::INFINITY,
            cores: None,
            lowest: 0.5,
            resolution: 0.04,
            seconds: 2.0,
            confirm: 5.0,
            warm_up: 0.5,
            budget: 20.0,
        }
    }
}

impl SearchOptions {
    fn allowed(&self, rate: f64) -> f64 {
        rate.max(self.lowest).min(self.upper)
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
    search_on(vec![], measure, goal, options, on_step)
}

/// The same where some steps are known already, as a [`Standing`] leaves them.
pub fn search_on<E>(
    known: Vec<Step>,
    measure: &mut dyn FnMut(f64, f64) -> Result<Step, E>,
    goal: &Goal,
    options: &SearchOptions,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Capacity, E> {
    let mut search = Search::new(goal, options);
    search.used = known.iter().map(|step| step.seconds + options.warm_up).sum();
    search.curve = known;
    while let Some(rate) = search.next() {
        search.take(rate, options.seconds, measure, on_step)?;
    }
    while let Some(rate) = search.to_confirm() {
        search.take(rate, options.confirm, measure, on_step)?;
        search.confirm();
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
    search.take(rate, options.confirm, measure, on_step)?;
    search.confirm();
    Ok(search.result())
}

/// What one or two short steps at a rate say about where the capacity is.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Probability that the capacity is above the rate, when nothing else is known of it.
    pub above: f64,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Standing {
    /// Probability from which the capacity is clearly on one side.
    const CLEAR: f64 = 0.9;

    /// The capacity is above the rate, with a probability of 90 % or more.
    pub fn is_above(&self) -> bool {
        self.above >= Self::CLEAR
    }

    /// The capacity is below the rate, with a probability of 90 % or more.
    pub fn is_below(&self) -> bool {
        self.above <= 1.0 - Self::CLEAR
    }
}

/// Asks whether the capacity is clearly above or below a rate: with one short step, and a
/// second one where the first leaves it open. Neither is clear when the capacity is near.
pub fn stand<E>(
    measure: &mut dyn FnMut(f64, f64) -> Result<Step, E>,
    rate: f64,
    goal: &Goal,
    options: &SearchOptions,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Standing, E> {
    let mut search = Search::new(goal, options);
    loop {
        search.take(rate, options.seconds, measure, on_step)?;
        let above = search.belief().above(rate);
        let standing = Standing { above, steps: search.curve.clone() };
        if standing.is_above() || standing.is_below() || search.curve.len() > 1 {
            return Ok(standing);
        }
    }
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

    /// Measures a step, and again where the generator itself may be to blame for a miss.
    fn take<E>(
        &mut self,
        rate: f64,
        base: f64,
        measure: &mut dyn FnMut(f64, f64) -> Result<Step, E>,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<(), E> {
        let enough = (REQUESTS / rate).min(LONGER * base);
        let length = base.max(enough).max(LATENCIES * self.goal.latency.0);
        for chances_left in [true, false] {
            let step = measure(rate, length)?;
            on_step(&step);
            self.used += step.seconds + self.options.warm_up;
            let missed = step.outcome != Outcome::Held;
            if step.outcome == Outcome::Hopeless {
                self.used += step.latency.max.min(verdict::drain(self.goal));
            }
            let doubtful = missed && !step.validity.is_valid() && self.left() > 0.0;
            if !(doubtful && chances_left) {
                self.curve.push(step);
                break;
            }
        }
        Ok(())
    }

    /// What is left of the budget. Steps far below a rate that was tried later only led there: as long as
    /// overtime goes they do not count.
    fn left(&self) -> f64 {
        let top = highest(&self.curve).map_or(0.0, |s| s.offered);
        let led = self.held().filter(|s| s.offered * FAR < top);
        let climbed: f64 = led.map(|s| s.seconds + self.options.warm_up).sum();
        self.options.budget + climbed.min((OVERTIME - 1.0) * self.options.budget) - self.used
    }

    fn belief(&self) -> Belief {
        Belief::new(&self.curve, self.goal)
    }

    fn held(&self) -> impl Iterator<Item = &Step> {
        self.curve.iter().filter(|s| s.outcome == Outcome::Held)
    }

    fn missed(&self) -> impl Iterator<Item = &Step> {
        self.curve.iter().filter(|s| s.outcome != Outcome::Held)
    }

    /// The next rate to try shortly; None when it is time to confirm.
    fn next(&self) -> Option<f64> {
        let options = self.options;
        let (Some(least), Some(most)) = (lowest(&self.curve), highest(&self.curve)) else {
            return Some(options.allowed(options.first));
        };
        let (never_missed, never_held) =
            (self.missed().next().is_none(), self.held().next().is_none());
        let at_an_end = (never_missed && most.offered >= options.upper)
            || (never_held && least.offered <= options.lowest);
        if at_an_end || self.left() < RESERVE * options.confirm {
            return None;
        }
        if never_held && self.is_flat() {
            return Some(options.lowest);
        }
        let belief = self.belief();
        let narrow = belief.spread() <= NARROW * options.resolution;
        // When rate after rate misses, look for one that holds.
        let climbs = never_missed && most.offered >= FAR * least.offered;
        let (share, stride) = match (never_held, climbs) {
            (true, _) => (0.5 / self.curve.len() as f64, STRIDE),
            (false, true) => (FAR_TO, FAR),
            (false, false) => (0.5, STRIDE),
        };
        let middle = belief.quantile(share).clamp(least.offered / STRIDE, most.offered * stride);
        (!narrow).then_some(options.allowed(middle.min(self.affordable())))
    }

    /// What the CPU allows, by the least that a request took so far; more than any rate that held.
    fn affordable(&self) -> f64 {
        let each = |s: &Step| s.usage.as_ref().map(|usage| usage.cpu / s.throughput);
        let took = self.curve.iter().filter_map(each).filter(|cpu| cpu.is_finite() && *cpu > 0.0);
        let most = self.options.cores.zip(took.reduce(f64::min));
        most.map_or(f64::INFINITY, |(cores, each)| CHEAPER * cores / each)
    }

    /// Whether load makes no difference: answers keep up with very different rates, and come
    /// too late all the same. The service is slow even when idle.
    fn is_flat(&self) -> bool {
        let keeps_up = |s: &&Step| s.throughput >= KEEPS_UP * s.offered;
        let rates: Vec<f64> = self.missed().filter(keeps_up).map(|s| s.offered).collect();
        rates.iter().any(|a| rates.iter().any(|b| *a >= DIFFERENT * b))
    }

    /// The next rate to confirm; None when the search is over.
    fn to_confirm(&self) -> Option<f64> {
        let options = self.options;
        if self.missed().next().is_none() {
            // Nothing missed: the highest rate that may be offered.
            return highest(&self.curve).filter(|_| self.confirmed.is_none()).map(|s| s.offered);
        }
        let belief = self.belief();
        if let Some(index) = self.confirmed {
            // Much more may be possible than what was confirmed.
            let rate = belief.quantile(CONFIRM_AT[0]);
            let worth = rate > self.curve[index].offered * (1.0 + 2.0 * options.resolution);
            return (worth && self.left() > options.confirm / 2.0).then_some(options.allowed(rate));
        }
        let never_held = self.held().next().is_none();
        if never_held && self.missed().any(|s| s.offered <= options.lowest) {
            return None;
        }
        if never_held && self.is_flat() {
            return Some(options.lowest);
        }
        let patience = if never_held { 2.0 } else { 1.0 } * OVERTIME;
        if self.used > patience * options.budget {
            return None;
        }
        let missed = self.curve.last().filter(|_| self.confirmations > 0);
        let rate = belief.quantile(CONFIRM_AT[self.confirmations.min(CONFIRM_AT.len() - 1)]);
        // While nothing has held, what an overloaded service still answers says how far down.
        let down = |s: &Step| match never_held {
            true => (DOWN * s.offered).min(KEEPS_UP * s.throughput),
            false => DOWN * s.offered,
        };
        Some(missed.map_or(rate, |s| rate.max(down(s)))).map(|rate| options.allowed(rate))
    }

    /// The last step was meant to confirm.
    fn confirm(&mut self) {
        self.confirmations += 1;
        let last = self.curve.len() - 1;
        if self.curve[last].outcome == Outcome::Held {
            self.confirmed = Some(last);
        }
    }

    fn result(self) -> Capacity {
        let at = self.confirmed.map(|i| &self.curve[i]).or_else(|| self.unconfirmed()).cloned();
        let rate = at.as_ref().map_or(0.0, |s| s.offered);
        let missed = self.missed().filter(|s| s.offered > rate);
        let above = missed.min_by(|a, b| a.offered.total_cmp(&b.offered));
        let mut validity = Validity::default();
        at.iter().chain(above).for_each(|step| validity.merge(&step.validity));
        if let Some(step) = &at {
            validity.caveats.extend(self.caveats(step));
        }
        let limited_by = limit(above, self.goal.quantile);
        let spread = Some(self.belief().spread());
        Capacity { rate, spread, at, limited_by, validity, curve: self.curve }
    }

    /// What may be said when no confirmation held: the highest rate that held shortly and is
    /// not above where all steps together see the capacity.
    fn unconfirmed(&self) -> Option<&Step> {
        let middle = self.belief().quantile(0.5);
        let plausible = self.held().filter(|s| s.offered <= middle);
        let lowest = || self.held().min_by(|a, b| a.offered.total_cmp(&b.offered));
        plausible.max_by(|a, b| a.offered.total_cmp(&b.offered)).or_else(lowest)
    }

    fn caveats(&self, at: &Step) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.confirmed.is_none() {
            caveats.push(format!("{:.1} requests/s held only in a short step", at.offered));
        }
        let due = at.counts.due();
        if (1.0 - self.goal.quantile) * (due as f64) < FEW {
            let quantile = self.goal.quantile_name();
            caveats.push(format!("{due} requests are few to tell a {quantile} from"));
        }
        caveats
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

fn lowest(curve: &[Step]) -> Option<&Step> {
    curve.iter().min_by(|a, b| a.offered.total_cmp(&b.offered))
}

fn highest(curve: &[Step]) -> Option<&Step> {
    curve.iter().max_by(|a, b| a.offered.total_cmp(&b.offered))
}
