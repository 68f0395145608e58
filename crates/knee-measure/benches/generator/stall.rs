//! A server that stalls one second in every ten, under evenly spaced requests: a request that is
//! due `u` seconds into a stall takes `1 - u`, so that a share of `(1 - x) / 10` takes longer
//! than `x` seconds.

use crate::peers::Peer;
use crate::server::{STALL, Server};
use crate::{Failure, NEVER, generator, no_goal};
use knee_measure::Pace;

const RATE: f64 = 500.0;
/// Whole periods, whenever it begins.
const SECONDS: u64 = 30;
const QUANTILES: [(&str, f64); 2] = [("p99", 0.99), ("p99.9", 0.999)];

pub fn run() -> Result<(), Failure> {
    let server = Server::start("stall")?;
    let pace = Pace::Constant { rate: RATE };
    let mut own = generator(server.addr, 4096)?;
    let step = own.step(&pace, SECONDS as f64, 0.0, &no_goal(), &NEVER)?;
    if step.counts.failed() > 0 {
        return Err(format!("the server failed: {:?}", step.counts).into());
    }
    println!("a stall of 1 s in every 10 s, {RATE} requests/s for {SECONDS} s");
    say("knee", [step.latency.p99, step.latency.p999]);
    for peer in [Peer::wrk(), Peer::wrk2()].into_iter().flatten() {
        say(peer.name, peer.latency(server.addr, RATE, SECONDS)?);
    }
    Ok(())
}

fn say(who: &str, measured: [f64; 2]) {
    for ((name, quantile), seconds) in QUANTILES.into_iter().zip(measured) {
        let analytic = STALL - 10.0 * (1.0 - quantile);
        let off = 100.0 * (seconds / analytic - 1.0);
        println!("  {who}: {name} {seconds:.3} s, analytic {analytic:.3} s: {off:+.2} %");
    }
}
