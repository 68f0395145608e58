//! Closed forms of queueing theory, each with its source.
//!
//! What lives here: what can be said without simulating, exactly where the assumptions hold
//! and as an approximation where the name says so. What never does: randomness.
//!
//! Kendall's notation: arrivals / service / servers / places. M is exponential, D constant, G any.

pub mod erlang;
pub mod mdc;
pub mod mgc;
pub mod mmc;
pub mod mva;
pub mod pool;
pub mod sharing;
pub mod usl;

/// The time `t` at which a falling `tail` P(T > t) has come down to `1 - q`, seconds. `scale` is
/// any time of its order of magnitude. Infinite where it does not come down.
pub(crate) fn quantile(tail: impl Fn(f64) -> f64, q: f64, scale: f64) -> f64 {
    let target = 1.0 - q;
    let mut high = scale.max(1e-9);
    while tail(high) > target {
        high *= 2.0;
        if high > 1e9 * scale.max(1e-9) {
            return f64::INFINITY;
        }
    }
    let mut low = 0.0;
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if tail(middle) > target { low = middle } else { high = middle }
    }
    high
}

/// P(N < k) of a Poisson number N with this mean: the tail P(E > t) of an Erlang time of k
/// stages whose rate times t is `mean`.
pub(crate) fn poisson_below(k: u32, mean: f64) -> f64 {
    if mean <= 0.0 {
        return if k > 0 { 1.0 } else { 0.0 };
    }
    let (mut log, mut sum) = (-mean, 0.0);
    for j in 0..k {
        if j > 0 {
            log += libm::log(mean / f64::from(j));
        }
        sum += libm::exp(log);
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erlang_tail_of_one_stage_is_exponential() {
        assert!((poisson_below(1, 2.0) - libm::exp(-2.0)).abs() < 1e-15);
        assert!((poisson_below(3, 2.0) - 5.0 * libm::exp(-2.0)).abs() < 1e-14);
        let median = quantile(|t| libm::exp(-t), 0.5, 1.0);
        assert!((median - std::f64::consts::LN_2).abs() < 1e-12);
        assert_eq!(quantile(|_| 1.0, 0.5, 1.0), f64::INFINITY);
    }
}
