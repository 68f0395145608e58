//! M/G/1 exactly in its mean, M/G/c by approximation.

use super::erlang::waits;

/// Mean wait of M/G/1 in order of arrival, seconds (Pollaczek and Khinchine, 1930 and 1932):
/// `rate` arrivals/s, mean service and the square of its coefficient of variation.
pub fn single_wait(rate: f64, holding: f64, variation: f64) -> f64 {
    let load = rate * holding;
    if load >= 1.0 {
        return f64::INFINITY;
    }
    load * holding * (1.0 + variation) / (2.0 * (1.0 - load))
}

/// Probability that a request of M/G/c waits for longer than `t` seconds, approximately: the
/// probability of waiting is that of M/M/c, and the wait is stretched by the mean of 1 and the
/// variation (Lee and Longton, "Queueing processes associated with airline passenger check-in",
/// Operational Research Quarterly 10, 1959; Tijms, "A First Course in Stochastic Models", 2003,
/// section 9.6). Exact in the mean for one server, and for exponential service.
pub fn wait_tail(servers: u32, rate: f64, holding: f64, variation: f64, t: f64) -> f64 {
    let spare = f64::from(servers) / holding - rate;
    if spare <= 0.0 {
        return 1.0;
    }
    let stretch = ((1.0 + variation) / 2.0).max(1e-3);
    waits(servers, rate * holding) * libm::exp(-spare * t / stretch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_what_is_exact() {
        // M/D/1 waits half as long as M/M/1.
        assert!((single_wait(0.8, 1.0, 0.0) - 2.0).abs() < 1e-12);
        assert!((single_wait(0.8, 1.0, 1.0) - 4.0).abs() < 1e-12);
        assert_eq!(single_wait(1.0, 1.0, 0.0), f64::INFINITY);
        for variation in [0.0, 1.0, 3.0] {
            let area: f64 = (0..300_000)
                .map(|i| 1e-3 * wait_tail(1, 0.8, 1.0, variation, f64::from(i) * 1e-3))
                .sum();
            assert!((area / single_wait(0.8, 1.0, variation) - 1.0).abs() < 1e-3);
        }
        assert_eq!(wait_tail(2, 2.0, 1.0, 1.0, 5.0), 1.0);
    }
}
