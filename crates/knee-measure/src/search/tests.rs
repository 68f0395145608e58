//! The search against simulated services whose capacity is known from long runs.

use super::*;
use crate::simulated::Discipline::{self, Quota, Shared, Workers};
use crate::simulated::Service;
use knee_core::observe::{Counts, Usage};
use std::convert::Infallible;

/// How requests share the service, time per request in seconds, varying share of it.
type Kind = (Discipline, f64, f64);

/// Services of 80 requests/s and more: enough to tell a quantile from in some seconds.
const FAST: [Kind; 7] = [
    (Workers(1), 0.005, 1.0),
    (Workers(8), 0.01, 1.0),
    (Workers(16), 0.1, 0.2),
    (Shared(1.0), 0.005, 1.0),
    (Shared(2.0), 0.002, 0.5),
    (Quota(0.5), 0.005, 0.2),
    (Quota(0.5), 0.001, 0.5),
];
/// Services of few requests/s, most with a tail that needs minutes to be told well.
const SLOW: [Kind; 4] = [
    (Workers(1), 0.02, 0.2),
    (Workers(4), 0.1, 0.2),
    (Shared(1.0), 0.02, 0.5),
    (Quota(0.25), 0.005, 0.5),
];

fn goal(text: &str) -> Goal {
    text.parse().unwrap()
}

fn found(service: &mut Service, goal: &Goal, options: &SearchOptions) -> Capacity {
    let mut measure = |rate, seconds| Ok::<_, Infallible>(service.step(rate, seconds, goal));
    let Ok(capacity) = search_capacity(&mut measure, goal, options, &mut |_| {});
    capacity
}

/// Errors as logarithms, and times in seconds, over first guesses far off and near.
fn survey(kinds: &[Kind], noise: f64) -> (Vec<f64>, Vec<f64>) {
    let (mut errors, mut times) = (Vec::new(), Vec::new());
    for goal in [goal("p99<250ms"), goal("p95<1s")] {
        for (discipline, time, varying) in kinds {
            let new = |noise, seed| Service::new(*discipline, *time, *varying, noise, seed);
            let truth = new(0.0, 99).capacity(&goal);
            for (seed, guess) in [(1, 0.3), (2, 0.9), (3, 0.9), (4, 3.0)] {
                let mut service = new(noise, seed);
                let first = guess * service.most();
                let options = SearchOptions { first, ..SearchOptions::default() };
                let capacity = found(&mut service, &goal, &options);
                errors.push((capacity.rate / truth).ln());
                times.push(capacity.curve.iter().map(|s| length(s, &goal, &options)).sum());
            }
        }
    }
    errors.sort_by(f64::total_cmp);
    times.sort_by(f64::total_cmp);
    (errors, times)
}

/// Time that a step takes with all that belongs to it, seconds.
fn length(step: &Step, goal: &Goal, options: &SearchOptions) -> f64 {
    let drain = match step.outcome {
        Outcome::Hopeless => step.latency.max.min(verdict::drain(goal)),
        _ => 0.0,
    };
    options.warm_up + step.seconds + drain
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[(share * (sorted.len() - 1) as f64).round() as usize]
}

/// Share of the searches that end within so much of the truth.
fn within(errors: &[f64], most: f64) -> f64 {
    errors.iter().filter(|e| e.abs() <= most).count() as f64 / errors.len() as f64
}

/// A service that takes the same CPU for each request, on half a core.
#[test]
fn no_rate_far_beyond_the_cpu_is_offered() {
    let goal = goal("p99<250ms");
    let searched = |cores: Option<f64>, seed: u64| {
        let mut service = Service::new(Quota(0.5), 0.005, 0.2, 0.0, seed);
        let (time, most) = (service.time, service.most());
        let options =
            SearchOptions { first: 0.6 * most, upper: 1e4, cores, ..SearchOptions::default() };
        let mut measure = |rate, seconds| {
            let step = service.step(rate, seconds, &goal);
            let usage = Usage { cpu: time * step.throughput, ..Usage::default() };
            Ok::<_, Infallible>(Step { usage: Some(usage), ..step })
        };
        let Ok(capacity) = search_capacity(&mut measure, &goal, &options, &mut |_| {});
        let highest = capacity.curve.iter().map(|s| s.offered).fold(0.0, f64::max);
        (capacity.rate / service.capacity(&goal), highest / most)
    };
    for seed in 1..9 {
        let ((known, near), (unknown, far)) = (searched(Some(0.5), seed), searched(None, seed));
        assert!(near < 1.31 && far > 1.31, "offered {near} and {far} of what the CPU allows");
        assert!((known.ln().abs(), unknown.ln().abs()) < (0.16, 0.16), "{known} {unknown}");
    }
}

#[test]
fn the_capacity_is_found_within_the_resolution() {
    let (errors, times) = survey(&FAST, 0.0);
    let resolution = SearchOptions::default().resolution;
    println!("errors {errors:.3?}\ntimes {times:.1?}");
    assert!(within(&errors, resolution) >= 0.5);
    assert!(within(&errors, 2.0 * resolution) >= 0.85);
    assert!(within(&errors, 4.0 * resolution) == 1.0);
    assert!(at(&errors, 0.5).abs() < resolution, "leans to one side");
    assert!(at(&times, 0.5) < 20.0 && at(&times, 0.9) < 26.0);
}

/// Each step runs at a speed of its own, 5 % up or down.
#[test]
fn a_restless_machine_costs_precision_but_no_sanity() {
    let (errors, times) = survey(&FAST, 0.05);
    println!("errors {errors:.3?}\ntimes {times:.1?}");
    assert!(within(&errors, 0.10) >= 0.85 && within(&errors, 0.25) == 1.0);
    assert!(at(&errors, 0.5).abs() < 0.04, "leans to one side");
    assert!(at(&times, 0.5) < 20.0 && at(&times, 0.9) < 26.0);
}

/// Some hundred requests cannot tell a p99 better, and in some seconds a queue does not grow
/// as long as it will: the capacity is found too high rather than too low.
#[test]
fn few_requests_still_give_an_answer() {
    let (errors, times) = survey(&SLOW, 0.02);
    println!("errors {errors:.3?}\ntimes {times:.1?}");
    assert!(within(&errors, 0.15) >= 0.85 && within(&errors, 0.30) == 1.0);
    assert!(at(&times, 0.5) < 26.0 && at(&times, 1.0) < 42.0);
}

/// M/M/1: the time in the system is exponential with rate service rate less arrival rate.
#[test]
fn the_simulation_agrees_with_the_closed_form() {
    let service = Service::new(Workers(1), 0.005, 1.0, 0.0, 7);
    let exact = 200.0 - 100f64.ln() / 0.25;
    let simulated = service.capacity(&goal("p99<250ms"));
    assert!((simulated / exact - 1.0).abs() < 0.02, "{simulated} {exact}");
}

#[test]
fn what_is_slow_when_idle_has_no_capacity() {
    let mut service = Service::new(Workers(8), 0.4, 0.1, 0.0, 1);
    let options = SearchOptions { first: 20.0, ..SearchOptions::default() };
    let capacity = found(&mut service, &goal("p99<250ms"), &options);
    assert_eq!((capacity.rate, &capacity.at), (0.0, &None));
    assert!(capacity.curve.len() <= 7, "{}", capacity.curve.len());
    assert!(
        capacity.limited_by.evidence.starts_with("at 0.5 requests/s p99 was"),
        "{:?}",
        capacity.limited_by
    );
}

#[test]
fn a_first_rate_far_too_high_leaves_time_for_an_answer() {
    for seed in 1..6 {
        let mut service = Service::new(Workers(3), 0.03, 0.05, 0.0, seed);
        let options = SearchOptions {
            first: 1500.0,
            seconds: 0.8,
            confirm: 1.6,
            budget: 6.0,
            ..SearchOptions::default()
        };
        let capacity = found(&mut service, &goal("p99<250ms"), &options);
        assert!(
            (60.0..110.0).contains(&capacity.rate),
            "{} of {:?}",
            capacity.rate,
            capacity.curve
        );
    }
}

#[test]
fn a_first_rate_far_too_low_is_left_behind_in_large_strides() {
    let goal = goal("p99<250ms");
    for seed in 1..6 {
        let mut service = Service::new(Shared(2.0), 0.0002, 0.2, 0.0, seed);
        let truth = service.capacity(&goal);
        let capacity = found(&mut service, &goal, &SearchOptions::default());
        let rates: Vec<f64> = capacity.curve.iter().map(|s| s.offered).collect();
        assert!(capacity.curve.iter().any(|s| s.outcome != Outcome::Held), "{rates:?}");
        assert!(
            (capacity.rate / truth).ln().abs() < 0.2,
            "{} of {truth}: {rates:?}",
            capacity.rate
        );
    }
}

#[test]
fn no_more_than_the_upper_rate_is_offered() {
    let mut service = Service::new(Workers(8), 0.01, 0.5, 0.0, 1);
    let options = SearchOptions { first: 100.0, upper: 300.0, ..SearchOptions::default() };
    let capacity = found(&mut service, &goal("p99<250ms"), &options);
    assert_eq!(capacity.rate, 300.0);
    assert_eq!(capacity.limited_by.evidence, "no rate that was offered missed the goal");
}

/// A step in which everything takes 10 ms, and failures or reasons against it as given.
fn step(rate: f64, seconds: f64, failed: u64, invalid: Vec<String>) -> Step {
    let due = (rate * seconds) as u64;
    let mut record = crate::record::Record::new();
    (failed..due).for_each(|_| record.ended(crate::record::Class::Ok, 10_000_000));
    (0..failed).for_each(|_| record.ended(crate::record::Class::Reset, 0));
    record.answered = due - failed;
    let mut step = crate::generator::summary(&record, rate, seconds, &Goal::default(), 10.0);
    step.validity.invalid = invalid;
    step
}

#[test]
fn failures_alone_miss_a_goal() {
    let mut measure = |rate: f64, seconds: f64| {
        let failed = if rate > 100.0 { (rate * seconds / 200.0).ceil() as u64 } else { 0 };
        Ok::<_, Infallible>(step(rate, seconds, failed, vec![]))
    };
    let Ok(capacity) =
        search_capacity(&mut measure, &Goal::default(), &SearchOptions::default(), &mut |_| {});
    assert!((80.0..=100.0).contains(&capacity.rate), "{capacity:?}");
    assert!(capacity.limited_by.evidence.contains("ended as reset"), "{capacity:?}");
}

#[test]
fn a_miss_that_may_be_the_generators_is_measured_again() {
    let mut seen = Vec::new();
    let mut measure = |rate: f64, seconds| {
        seen.push(rate);
        let odd = seen.len() == 1;
        let invalid = if odd { vec!["the generator was late".into()] } else { vec![] };
        Ok::<_, Infallible>(step(rate, seconds, if odd { 50 } else { 0 }, invalid))
    };
    let options = SearchOptions { first: 200.0, ..SearchOptions::default() };
    let Ok(capacity) = check_rate(&mut measure, &Goal::default(), &options, &mut |_| {});
    assert_eq!(seen, [200.0, 200.0]);
    assert_eq!((capacity.rate, capacity.curve.len()), (200.0, 1));
    assert!(capacity.validity.is_valid());
}

#[test]
fn a_capacity_from_few_requests_says_so() {
    let mut measure = |rate, seconds| Ok::<_, Infallible>(step(rate, seconds, 0, vec![]));
    let options = SearchOptions { first: 10.0, ..SearchOptions::default() };
    let Ok(capacity) = check_rate(&mut measure, &Goal::default(), &options, &mut |_| {});
    assert_eq!(capacity.at.map(|s| s.counts), Some(Counts { ok: 100, ..Counts::default() }));
    assert_eq!(capacity.validity.caveats, ["100 requests are few to tell a p99 from"]);
}

/// Right nine times of ten when it is clear, and clear when the rate is well off.
#[test]
fn a_rate_is_told_from_the_capacity() {
    let goal = goal("p99<250ms");
    let (mut clear, mut wrong, mut far) = (0, 0, (0, 0));
    for (kind, (discipline, time, varying)) in FAST.into_iter().enumerate() {
        let truth = Service::new(discipline, time, varying, 0.0, 99).capacity(&goal);
        for (seed, ratio) in [0.6, 0.75, 0.9, 1.1, 1.3, 1.5].into_iter().enumerate() {
            let mut service =
                Service::new(discipline, time, varying, 0.03, (10 * kind + seed) as u64);
            let mut measure = |rate, s| Ok::<_, Infallible>(service.step(rate, s, &goal));
            let options = SearchOptions::default();
            let Ok(standing) = stand(&mut measure, ratio * truth, &goal, &options, &mut |_| {});
            let is_clear = standing.is_above() || standing.is_below();
            clear += u32::from(is_clear);
            wrong += u32::from(is_clear && standing.is_above() != (ratio < 1.0));
            if !(0.65..1.4).contains(&ratio) {
                far = (far.0 + u32::from(is_clear), far.1 + 1);
            }
            println!("{discipline:?} {ratio}: {:.2} {}", standing.above, standing.steps.len());
        }
    }
    println!("{clear} clear, {wrong} of them wrong; {} of {} far ones clear", far.0, far.1);
    assert!(wrong * 10 <= clear, "{wrong} of {clear}");
    assert!(far.0 * 10 >= far.1 * 9, "{far:?}");
}
