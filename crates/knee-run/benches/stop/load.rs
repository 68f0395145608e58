//! Two independent loads on one address, and what each lost: knee's generator and oha.

use crate::Failure;
use knee_core::workload::Request;
use knee_core::{Goal, Seconds};
use knee_measure::{Generator, GeneratorOptions, Pace, Target};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

/// Requests/s of each load, low enough that the services are far from their capacity.
const RATE: u32 = 20;
/// Length of the load, seconds: knee-run's stop lasts some 6 s by default.
const SECONDS: u32 = 9;
const PATH: &str = "/api/orders?limit=2&wait=50";

/// Requests sent and lost; the peer's likewise where there is one.
#[derive(Default)]
pub struct Lost {
    pub sent: u64,
    pub lost: u64,
    pub peer: Option<(u64, u64)>,
}

pub struct Load {
    own: JoinHandle<Result<(u64, u64), String>>,
    peer: Option<Child>,
}

pub fn begin(port: u16, seed: u64) -> Result<Load, Failure> {
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let own = std::thread::spawn(move || own(addr, seed).map_err(|error| error.to_string()));
    Ok(Load { own, peer: peer(addr) })
}

fn own(addr: SocketAddr, seed: u64) -> Result<(u64, u64), Failure> {
    let target = Target { addr, host: addr.to_string() };
    let options = GeneratorOptions { seed, timeout: 30.0, ..GeneratorOptions::default() };
    let mut generator = Generator::new(target, vec![Request::get(PATH)], options)?;
    let pace = Pace::Poisson { rate: f64::from(RATE) };
    // A goal that is never hopeless, so that the load goes on whatever is lost.
    let goal = Goal { latency: Seconds(30.0), quantile: 0.5, errors: 1.0, ..Goal::default() };
    let never = AtomicBool::new(false);
    let step = generator.step(&pace, f64::from(SECONDS), 0.0, &goal, &never)?;
    Ok((step.counts.due(), step.counts.failed()))
}

/// oha as the benchmarks' set-up brings it, or from the PATH.
fn peer(addr: SocketAddr) -> Option<Child> {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/setup/oha/bin/oha");
    let program = if set_up.exists() { set_up } else { "oha".into() };
    let number = (RATE * SECONDS).to_string();
    Command::new(program)
        .args(["-n", &number, "-q", &RATE.to_string(), "-c", "20", "--no-tui"])
        .args(["--output-format", "json", &format!("http://{addr}{PATH}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

impl Load {
    pub fn end(self) -> Result<Lost, Failure> {
        let (sent, lost) = self.own.join().map_err(|_| "the generator panicked")??;
        let peer = self.peer.map(counted).transpose()?;
        Ok(Lost { sent, lost, peer })
    }
}

/// What oha sent, and what did not come back as a good answer.
fn counted(peer: Child) -> Result<(u64, u64), Failure> {
    let output = peer.wait_with_output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let good = report["statusCodeDistribution"]
        .as_object()
        .map_or(0, |codes| good(codes.iter().map(|(code, n)| (code.as_str(), n.as_u64()))));
    let sent = u64::from(RATE * SECONDS);
    Ok((sent, sent - good))
}

fn good<'a>(codes: impl Iterator<Item = (&'a str, Option<u64>)>) -> u64 {
    codes.filter(|(code, _)| *code < "400").filter_map(|(_, n)| n).sum()
}
