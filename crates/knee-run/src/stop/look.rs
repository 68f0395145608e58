//! What the service still has in hand: requests without an answer, and connections that nobody
//! has accepted.

use knee_probe::process::Process;
use knee_probe::sockets::{Listener, Sockets, inodes};
use std::collections::HashSet;
use std::net::SocketAddr;

/// A watcher of one family's ports.
pub struct Watch {
    sockets: Sockets,
    ports: HashSet<u16>,
    listeners: HashSet<u64>,
}

/// What one look saw.
#[derive(Debug, Default, PartialEq)]
pub struct Look {
    /// Both ends of connections that wait for an answer.
    pub busy: HashSet<(SocketAddr, SocketAddr)>,
    /// Connections in accept queues.
    pub waiting: u32,
}

impl Look {
    /// Whether nobody waits for anything.
    pub fn is_quiet(&self) -> bool {
        self.busy.is_empty() && self.waiting == 0
    }
}

impl Watch {
    /// Of what these processes listen on. Where some of them may not be looked into, being another
    /// user's, that is all that listens in this network namespace.
    pub fn of(members: &[i32]) -> Watch {
        let mut sockets = Sockets::open();
        let held = inodes(members);
        let hidden = members.iter().any(|pid| !Process::new(*pid).is_open());
        let all = sockets.listening();
        let own = |l: &&Listener| held.contains(&l.inode);
        let mine: Vec<&Listener> = all.iter().filter(own).collect();
        let mine = if mine.is_empty() && hidden { all.iter().collect() } else { mine };
        let ports = mine.iter().filter_map(|l| l.port()).collect();
        let listeners = mine.iter().map(|l| l.inode).collect();
        Watch { sockets, ports, listeners }
    }

    /// Whether anything could be routed here at all.
    pub fn listens(&self) -> bool {
        !self.ports.is_empty()
    }

    /// Looks; None where the kernel tells nothing of connections.
    pub fn look(&mut self) -> Option<Look> {
        let connections = self.sockets.connections(&self.ports)?;
        let busy = connections.iter().filter(|c| c.is_busy()).map(|c| (c.local, c.remote));
        let busy = busy.collect();
        let all = self.sockets.listening();
        let waiting = all.iter().filter(|l| self.listeners.contains(&l.inode)).map(|l| l.waiting);
        Some(Look { busy, waiting: waiting.fold(0, u32::saturating_add) })
    }
}
