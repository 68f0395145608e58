//! Other load generators, run as their users run them, on the generator's core and with its
//! priority.

use crate::{CLIENT, Failure};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What one run of a load generator came to.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Requests/s.
    pub rate: f64,
    /// CPU of the client for each request, seconds.
    pub cpu: f64,
}

/// A peer's program, if it is here.
pub struct Peer {
    pub name: &'static str,
    program: String,
}

impl Peer {
    pub fn wrk() -> Option<Peer> {
        find("wrk", "wrk".into())
    }

    /// Where `scripts/bench-setup` puts it.
    pub fn oha() -> Option<Peer> {
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/setup/oha/bin/oha");
        find("oha", setup.to_string_lossy().into_owned())
    }

    /// In no registry: compared only where the user names her own.
    pub fn wrk2() -> Option<Peer> {
        find("wrk2", std::env::var("WRK2").ok()?)
    }

    /// As fast as it can.
    pub fn peak(&self, addr: SocketAddr, connections: usize, seconds: u64) -> Result<Run, Failure> {
        let (connections, length) = (connections.to_string(), format!("{seconds}s"));
        let (args, key) = match self.name {
            "oha" => (
                vec!["--no-tui", "--output-format", "json", "-c", &connections, "-z", &length],
                "\"requestsPerSec\":",
            ),
            _ => (vec!["-t", "1", "-c", &connections, "-d", &length], "Requests/sec:"),
        };
        let before = children_cpu()?;
        let text = self.run(&args, addr)?;
        let cpu = children_cpu()? - before;
        let rate = number_after(&text, key)?;
        Ok(Run { rate, cpu: cpu / (rate * seconds as f64) })
    }

    /// What wrk and wrk2 report as p99 and p99.9, seconds. Only wrk2 takes a rate.
    pub fn latency(&self, addr: SocketAddr, rate: f64, seconds: u64) -> Result<[f64; 2], Failure> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("quantiles.lua");
        let print = "done = function(_, latency, _)\n\
                     for _, p in ipairs({99, 99.9}) do\n\
                     io.write(string.format('p%g: %d\\n', p, latency:percentile(p)))\n\
                     end\nend\n";
        std::fs::write(&script, print)?;
        let (script, rate) = (script.to_string_lossy().into_owned(), format!("{rate:.0}"));
        let length = format!("{seconds}s");
        let mut args = vec!["-t", "1", "-c", "50", "-d", &length, "-s", &script];
        if self.name == "wrk2" {
            args.extend(["-R", &rate]);
        }
        let text = self.run(&args, addr)?;
        Ok([number_after(&text, "p99: ")? / 1e6, number_after(&text, "p99.9: ")? / 1e6])
    }

    fn run(&self, args: &[&str], addr: SocketAddr) -> Result<String, Failure> {
        let out = Command::new("taskset")
            .args(["--cpu-list", &CLIENT.to_string(), "nice", "-n", "-20", &self.program])
            .args(args)
            .arg(format!("http://{addr}/"))
            .output()?;
        if !out.status.success() {
            let words = String::from_utf8_lossy(&out.stderr);
            return Err(format!("{}: {}", self.name, words.trim()).into());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

fn find(name: &'static str, program: String) -> Option<Peer> {
    match Command::new(&program).arg("--version").output() {
        Ok(_) => Some(Peer { name, program }),
        Err(error) => {
            eprintln!("{name} is not compared: {program}: {error}");
            None
        }
    }
}

/// CPU of all children that have ended, seconds: cutime and cstime (proc_pid_stat(5)).
fn children_cpu() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?.1;
    let ticks: f64 = fields.split_whitespace().skip(13).take(2).filter_map(as_number).sum();
    Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
}

fn as_number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn number_after(text: &str, key: &str) -> Result<f64, Failure> {
    let rest = text.split_once(key).map(|(_, rest)| rest.trim_start());
    let end = |c: char| !(c.is_ascii_digit() || c == '.');
    let number = rest.and_then(|rest| rest.split(end).next()).and_then(as_number);
    number.ok_or_else(|| format!("no `{key}` in: {text}").into())
}
