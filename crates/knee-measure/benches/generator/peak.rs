//! The most requests/s that one core makes against nginx's static file.

use crate::nginx::Nginx;
use crate::peers::{Peer, Run};
use crate::rounds::Rounds;
use crate::{Failure, NEVER, generator, no_goal};
use knee_measure::{Generator, Pace};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 9;
const SECONDS: u64 = 3;
pub const CONNECTIONS: usize = 64;
/// More than one core makes, requests/s.
const TOO_MUCH: f64 = 200_000.0;
/// How much more than it made before is offered, so that it is always behind.
const AHEAD: f64 = 1.1;

pub fn run() -> Result<(), Failure> {
    let nginx = Nginx::start()?;
    let peers: Vec<Peer> = [Peer::wrk(), Peer::oha()].into_iter().flatten().collect();
    let mut own = generator(nginx.addr, CONNECTIONS)?;
    let (mut rate, mut cpu) = (Rounds::default(), Rounds::default());
    let mut compared: Vec<[Rounds; 4]> = peers.iter().map(|_| Default::default()).collect();
    let mut most = of(&mut own)?;
    for _ in 0..ROUNDS {
        let run = at(&mut own, AHEAD * most, SECONDS as f64)?;
        most = most.max(run.rate);
        rate.push(run.rate);
        cpu.push(1e6 * run.cpu);
        for (peer, [rates, costs, rate_ratio, cpu_ratio]) in peers.iter().zip(&mut compared) {
            let other = peer.peak(nginx.addr, CONNECTIONS, SECONDS)?;
            rates.push(other.rate);
            costs.push(1e6 * other.cpu);
            rate_ratio.push(run.rate / other.rate);
            cpu_ratio.push(run.cpu / other.cpu);
        }
    }
    println!("peak, {CONNECTIONS} connections, {SECONDS} s a round");
    println!("  knee: {rate:.0} requests/s; {cpu:.1} us of CPU per request");
    for (peer, [rates, costs, rate_ratio, cpu_ratio]) in peers.iter().zip(&compared) {
        let name = peer.name;
        println!("  {name}: {rates:.0} requests/s; {costs:.1} us of CPU per request");
        println!("  knee / {name}: requests/s {rate_ratio}; CPU per request {cpu_ratio}");
    }
    Ok(())
}

/// What the generator makes at most, roughly: the best of some short runs, as a neighbour that
/// takes the CPU meanwhile can only make it less.
pub fn of(own: &mut Generator) -> Result<f64, Failure> {
    let mut most = at(own, TOO_MUCH, 0.5)?.rate;
    for _ in 0..3 {
        most = most.max(at(own, AHEAD * most, 1.0)?.rate);
    }
    Ok(most)
}

fn at(own: &mut Generator, rate: f64, seconds: f64) -> Result<Run, Failure> {
    let before = thread_cpu();
    let step = own.step(&Pace::Constant { rate }, seconds, 0.0, &no_goal(), &NEVER)?;
    let cpu = thread_cpu() - before;
    if step.counts.failed() > 0 {
        return Err(format!("nginx failed: {:?}", step.counts).into());
    }
    Ok(Run { rate: step.throughput, cpu: cpu / step.counts.due() as f64 })
}

/// CPU of this thread, seconds.
fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
