//! Which services run here: by process, by port, or all that are recognised.

use crate::recognise::{self, Server, servers};
use knee_core::runtimes::Runtime;
use knee_probe::process::{self, Process};
use knee_probe::sockets;
use std::collections::HashSet;
use std::fmt;

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything that is recognised.
    All,
    /// These processes and what descends from them.
    Processes(Vec<i32>),
    /// Who listens on these TCP ports.
    Ports(Vec<u16>),
}

/// A service: a process that was recognised, or that was asked for, and what descends from it.
#[derive(Clone, Copy)]
pub struct Found {
    /// Its first process.
    pub root: i32,
    /// What it runs; None where nothing is recognised.
    pub runtime: Option<&'static Runtime>,
}

/// What was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No process of that number.
    Process(i32),
    /// Nobody that can be seen listens there.
    Port(u16),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Process(pid) => write!(f, "no process {pid} runs here"),
            Missing::Port(port) => {
                write!(f, "nobody that can be seen listens on port {port}")
            }
        }
    }
}

/// Finds them now.
///
/// # Errors
/// A process or port that was asked for is not there.
pub fn find(wanted: &Wanted) -> Result<Vec<Found>, Missing> {
    let mut found = looked_for(wanted)?;
    // One that listens on two of the ports, or descends from two of the processes, is one.
    let mut once = HashSet::new();
    found.retain(|found| once.insert(found.root));
    Ok(found)
}

fn looked_for(wanted: &Wanted) -> Result<Vec<Found>, Missing> {
    match wanted {
        Wanted::All => Ok(all()),
        Wanted::Processes(pids) => {
            let each = pids.iter().map(|pid| {
                let lives = Process::new(*pid).stat().is_ok_and(|stat| !stat.is_dead());
                if lives { Ok(below(*pid)) } else { Err(Missing::Process(*pid)) }
            });
            Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
        }
        Wanted::Ports(ports) => {
            let each = ports.iter().map(|port| {
                let holders = sockets::holders(*port);
                if holders.is_empty() { Err(Missing::Port(*port)) } else { Ok(among(&holders)) }
            });
            Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

/// All servers; of Go's programs, which may be anything, those that listen.
fn all() -> Vec<Found> {
    let everyone = process::all();
    let known = servers(&everyone);
    let mut found: Vec<Found> = known.iter().map(Found::of).collect();
    let taken: HashSet<i32> = process::with_descendants(&roots(&found)).into_iter().collect();
    let listening: HashSet<u64> = sockets::listening().iter().map(|l| l.inode).collect();
    let mine = std::process::id().cast_signed();
    for pid in everyone.into_iter().filter(|pid| !taken.contains(pid) && *pid != mine) {
        let process = Process::new(pid);
        if process.is_go() && process.sockets().iter().any(|inode| listening.contains(inode)) {
            found.push(Found { root: pid, runtime: recognise::of_any_process(pid) });
        }
    }
    found
}

fn roots(found: &[Found]) -> Vec<i32> {
    found.iter().map(|found| found.root).collect()
}

/// The servers in a process's family; itself where none is recognised.
fn below(pid: i32) -> Vec<Found> {
    let known = servers(&process::with_descendants(&[pid]));
    if known.is_empty() {
        return vec![Found { root: pid, runtime: recognise::of_any_process(pid) }];
    }
    known.iter().map(Found::of).collect()
}

/// The servers among those who hold a socket; else the first of them.
fn among(holders: &[i32]) -> Vec<Found> {
    let known = servers(holders);
    if !known.is_empty() {
        return known.iter().map(Found::of).collect();
    }
    let parent = |pid: i32| Process::new(pid).stat().map_or(0, |stat| stat.parent);
    let first = holders.iter().copied().find(|pid| !holders.contains(&parent(*pid)));
    first.map_or(vec![], |pid| vec![Found { root: pid, runtime: recognise::of_any_process(pid) }])
}

impl Found {
    fn of(server: &Server) -> Found {
        Found { root: server.pid, runtime: Some(server.runtime) }
    }

    /// What it is called: its runtime, else its program.
    pub fn name(&self) -> String {
        let own = || Process::new(self.root).name();
        match self.runtime {
            Some(runtime) if runtime.id == "go" => format!("go {}", own()),
            Some(runtime) => runtime.id.into(),
            None => own(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_was_asked_for_is_found_or_named() {
        let me = std::process::id().cast_signed();
        let found = |wanted| find(&wanted).map(|all| roots(&all)).map_err(|e| e.to_string());
        assert_eq!(found(Wanted::Processes(vec![me])), Ok(vec![me]));
        assert_eq!(found(Wanted::Processes(vec![me, me])), Ok(vec![me]), "once");
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(found(Wanted::Ports(vec![port])), Ok(vec![me]));
        drop(socket);
        let free = format!("nobody that can be seen listens on port {port}");
        assert_eq!(found(Wanted::Ports(vec![port])), Err(free));
        let none = "no process 2000000000 runs here".to_string();
        assert_eq!(found(Wanted::Processes(vec![2_000_000_000])), Err(none));
        assert!(found(Wanted::All).is_ok());
    }
}
