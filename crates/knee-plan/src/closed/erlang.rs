//! M/M/c, the closed forms: Erlang's delay formula and the quantile of the time in the queue.
//!
//! Erlang, "Solution of some problems in the theory of probabilities of significance in
//! automatic telephone exchanges", 1917. The recursion for B is the numerically stable one.

/// Probability that an arrival has to wait, for `servers` servers and an offered load of
/// `load` Erlang (arrival rate × mean holding time). 1 where the load is not carried.
pub fn waits(servers: u32, load: f64) -> f64 {
    let c = f64::from(servers);
    if load >= c {
        return 1.0;
    }
    let blocked = (1..=servers).fold(1.0, |b, k| load * b / (f64::from(k) + load * b));
    blocked / (1.0 - load / c * (1.0 - blocked))
}

/// Quantile `q` in (0, 1) of the time in the queue, seconds, for `rate` arrivals/s that hold a
/// server for `holding` seconds in the mean. Infinite where the load is not carried.
pub fn queueing_quantile(servers: u32, rate: f64, holding: f64, q: f64) -> f64 {
    let spare = f64::from(servers) / holding - rate;
    if spare <= 0.0 {
        return f64::INFINITY;
    }
    let tail = waits(servers, rate * holding) / (1.0 - q);
    if tail <= 1.0 { 0.0 } else { libm::log(tail) / spare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_waits_with_its_utilisation() {
        for load in [0.1, 0.5, 0.9] {
            assert!((waits(1, load) - load).abs() < 1e-12);
        }
    }

    #[test]
    fn a_textbook_value() {
        // Ten Erlang on twelve servers: C = 0.4494 (any table of Erlang C).
        assert!((waits(12, 10.0) - 0.4494).abs() < 5e-4);
    }

    #[test]
    fn the_quantile_of_one_server_is_that_of_the_exponential() {
        // P(wait > t) = rho exp(-(mu - lambda) t)
        let t = queueing_quantile(1, 80.0, 0.01, 0.99);
        assert!((0.8 * libm::exp(-20.0 * t) - 0.01).abs() < 1e-12);
        assert_eq!(queueing_quantile(1, 100.0, 0.01, 0.99), f64::INFINITY);
        assert_eq!(queueing_quantile(100, 1.0, 0.01, 0.99), 0.0);
    }
}
