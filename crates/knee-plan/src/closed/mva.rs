//! Closed networks: so many requests, always the same number, going round between stations.
//!
//! Exact mean value analysis for one class with load-dependent stations: Reiser and Lavenberg,
//! "Mean-value analysis of closed multichain queuing networks", Journal of the ACM 27(2), 1980;
//! in this form Lazowska et al., "Quantitative System Performance", 1984, section 8.4. It holds
//! for any distribution at delays and under processor sharing.

/// A place where a request spends time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Station {
    /// Nobody waits for another: a backend with room for all. Seconds.
    Delay(f64),
    /// `servers` work at once, a share of one among them: cores, a CPU quota. A request needs
    /// `demand` seconds of one server.
    Shared {
        /// Seconds of one server.
        demand: f64,
        /// Servers, positive; 0.5 is a server of half the speed.
        servers: f64,
    },
}

/// Requests/s that go round for each population from 1 to `population`.
pub fn throughput(stations: &[Station], population: u32) -> Vec<f64> {
    let mut shared: Vec<Marginal> = stations.iter().filter_map(Marginal::of).collect();
    let delay: f64 = stations
        .iter()
        .map(|s| match s {
            Station::Delay(seconds) => seconds.max(0.0),
            Station::Shared { .. } => 0.0,
        })
        .sum();
    (1..=population)
        .map(|n| {
            let stay: f64 = shared.iter().map(Marginal::residence).sum();
            let rate = f64::from(n) / (delay + stay).max(1e-12);
            shared.iter_mut().for_each(|station| station.next(rate));
            rate
        })
        .collect()
}

/// How many requests are at a station, for the population before.
struct Marginal {
    demand: f64,
    servers: f64,
    present: Vec<f64>,
}

impl Marginal {
    fn of(station: &Station) -> Option<Marginal> {
        match station {
            Station::Shared { demand, servers } if *demand > 0.0 => {
                Some(Marginal { demand: *demand, servers: servers.max(1e-9), present: vec![1.0] })
            }
            _ => None,
        }
    }

    /// Requests/s that leave when `j` are present.
    fn rate(&self, j: usize) -> f64 {
        (j as f64).min(self.servers) / self.demand
    }

    /// Mean time at the station of a request that comes.
    fn residence(&self) -> f64 {
        let stay = |(j, p): (usize, &f64)| (j + 1) as f64 / self.rate(j + 1) * p;
        self.present.iter().enumerate().map(stay).sum()
    }

    /// One more request goes round, and so many pass per second.
    fn next(&mut self, rate: f64) {
        let mut present: Vec<f64> =
            self.present.iter().enumerate().map(|(j, p)| rate / self.rate(j + 1) * p).collect();
        let rest = 1.0 - present.iter().sum::<f64>();
        // Rounding near saturation, where the station is never empty.
        present.insert(0, rest.max(0.0));
        let sum: f64 = present.iter().sum();
        present.iter_mut().for_each(|p| *p /= sum);
        self.present = present;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_product_form() {
        // One station and a delay: p(k at the station) ~ Z^(N-k)/(N-k)! * prod D / min(j, m).
        for servers in [0.5, 1.0, 2.0, 4.0] {
            let (demand, delay, n) = (0.005, 0.020, 12usize);
            let mut weights = vec![1.0];
            for k in 1..=n {
                let last = weights[k - 1];
                let there = demand / (k as f64).min(servers);
                weights.push(last * there * (n - k + 1) as f64 / delay);
            }
            let sum: f64 = weights.iter().sum();
            let flow = |(k, w): (usize, &f64)| w / sum * (k as f64).min(servers) / demand;
            let right: f64 = weights.iter().enumerate().map(flow).sum();
            let stations = [Station::Delay(delay), Station::Shared { demand, servers }];
            let said = throughput(&stations, n as u32)[n - 1];
            assert!((said / right - 1.0).abs() < 1e-9, "{servers}: {said} {right}");
        }
    }

    #[test]
    fn it_keeps_within_the_bounds_of_operational_analysis() {
        let stations = [Station::Delay(0.02), Station::Shared { demand: 0.005, servers: 1.0 }];
        let rates = throughput(&stations, 64);
        assert!((rates[0] - 40.0).abs() < 1e-9);
        for (n, rate) in rates.iter().enumerate() {
            assert!(*rate <= ((n + 1) as f64 * 40.0).min(200.0) + 1e-6, "{n}: {rate}");
        }
        assert!(rates[63] > 199.9 && rates.windows(2).all(|w| w[1] > w[0] - 1e-6));
    }
}
