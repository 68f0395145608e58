//! What 10,000 open connections take of the generator's memory.

use crate::rounds::Rounds;
use crate::server::{HOLD, Server};
use crate::{CLIENT, Failure, NEVER, generator, no_goal, stay_on};
use knee_measure::Pace;
use knee_probe::process::Process;
use std::process::Command;
use std::time::Duration;

const CONNECTIONS: usize = 10_000;
const ROUNDS: usize = 3;
/// More than all connections are busy with at once.
const RATE: f64 = 1.1 * CONNECTIONS as f64 / HOLD.as_secs() as f64;
const SECONDS: f64 = 8.0;

pub fn run() -> Result<(), Failure> {
    let (mut open, mut memory) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let server = Server::start("hold")?;
        let me = std::env::current_exe()?;
        let mut load = Command::new(me).args(["load", &server.addr.to_string()]).spawn()?;
        let process = Process::new(load.id().try_into()?);
        let (mut most_open, mut most) = (0, 0);
        let status = loop {
            if let Some(status) = load.try_wait()? {
                break status;
            }
            // Unreadable once it has ended.
            most_open = most_open.max(process.descriptors().unwrap_or(0));
            most = most.max(process.pss().map_or(0, |pss| pss.0));
            std::thread::sleep(Duration::from_millis(100));
        };
        if !status.success() {
            return Err(format!("the generator ended with {status}").into());
        }
        open.push(most_open as f64);
        memory.push(most as f64 / 1e6);
    }
    println!("the generator with {CONNECTIONS} connections that all wait for an answer");
    println!("  descriptors: {open:.0}; PSS, MB: {memory:.1}");
    Ok(())
}

/// The generator in a process of its own.
pub fn load(addr: &str) -> Result<(), Failure> {
    stay_on(CLIENT)?;
    let pace = Pace::Constant { rate: RATE };
    let mut own = generator(addr.parse()?, CONNECTIONS)?;
    let step = own.step(&pace, SECONDS, 0.0, &no_goal(), &NEVER)?;
    if step.counts.failed() > 0 {
        return Err(format!("the server failed: {:?}", step.counts).into());
    }
    Ok(())
}
