//! Listening sockets of this network namespace, TCP and unix, with their accept queues, and who
//! has them open.

mod diag;
mod table;

use crate::process::{self, Process};
use diag::Diag;
use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub at: Address,
    /// Its number.
    pub inode: u64,
    /// Connections that wait to be accepted.
    pub waiting: u32,
    /// How many may wait, somaxconn already applied: one more fits, the next is refused or
    /// has to try again. None where the kernel did not tell.
    pub backlog: Option<u32>,
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket's path as it was bound, `@name` for an abstract one.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(at) => at.fmt(f),
            Address::Unix(path) => path.fmt(f),
        }
    }
}

impl Listener {
    /// Its TCP port.
    pub fn port(&self) -> Option<u16> {
        match self.at {
            Address::Tcp(at) => Some(at.port()),
            Address::Unix(_) => None,
        }
    }

    /// Where it can be reached from here by TCP.
    pub fn reached(&self) -> Option<SocketAddr> {
        let Address::Tcp(at) = &self.at else { return None };
        let loopback = match at {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Some(if at.ip().is_unspecified() { SocketAddr::new(loopback, at.port()) } else { *at })
    }
}

/// A TCP connection, as one side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// This side.
    pub local: SocketAddr,
    /// The other.
    pub remote: SocketAddr,
    /// Its socket's number; 0 while nobody has accepted it.
    pub inode: u64,
    /// Bytes that came and nobody read.
    pub unread: u32,
    /// Bytes that were written and the other side has not confirmed.
    pub unsent: u32,
    /// Milliseconds since data came; None where the kernel did not tell.
    pub since_received: Option<u32>,
    /// Milliseconds since data was sent.
    pub since_sent: Option<u32>,
    /// Whether data came and none was ever sent.
    pub unanswered: bool,
}

impl Connection {
    /// Whether a request on it has no answer yet, as far as the kernel can know: something is
    /// unread or unsent, data came later than the last was sent, or data was sent so recently
    /// that more may follow. One that only waits for its next request is not busy.
    pub fn is_busy(&self) -> bool {
        let unanswered = match (self.since_received, self.since_sent) {
            (Some(received), Some(sent)) => received < sent || (sent < FLOWING && sent < received),
            _ => false,
        };
        self.unread > 0 || self.unsent > 0 || unanswered
    }
}

impl Connection {
    /// Whether somebody has accepted it and works on a request: something came that is unread, or
    /// came later than the last was sent. Unlike [`Connection::is_busy`] an answer that was just
    /// sent counts as the last part: in a count of what is in service now, doubt is no work. A
    /// next request that comes within the same tick of the kernel's clock (1 to 10 ms) as the answer
    /// before is missed.
    pub fn is_in_service(&self) -> bool {
        let later = match (self.since_received, self.since_sent) {
            (Some(received), Some(sent)) => received < sent,
            _ => false,
        };
        self.inode != 0 && (self.unread > 0 || later || self.unanswered)
    }
}

impl Connection {
    /// Whether this side has asked and waits for an answer: something was sent later than the last came.
    /// Where nothing has come for long it sends only, such as lines of a log.
    pub fn awaits(&self) -> bool {
        let later = match (self.since_received, self.since_sent) {
            (Some(received), Some(sent)) => sent < received,
            _ => false,
        };
        let answers = self.since_received.is_none_or(|received| received < SENDS_ONLY);
        self.unread == 0 && answers && (self.unsent > 0 || later)
    }
}

/// No request waits so long for an answer, milliseconds: the load generator has given up by then.
const SENDS_ONLY: u32 = 10_000;

/// An answer that was sent in parts goes on within that time, milliseconds: a guess.
const FLOWING: u32 = 100;

/// A reader of all listening sockets that keeps its own open.
pub struct Sockets(Option<Diag>);

impl Sockets {
    /// Asks the kernel by sock_diag; where it does not know that, `/proc/net` tells of TCP
    /// without backlogs, and nobody of unix sockets.
    pub fn open() -> Sockets {
        Sockets(Diag::open().ok())
    }

    /// All that listen now, TCP by port and then unix.
    pub fn listening(&mut self) -> Vec<Listener> {
        let mut all = self.0.as_mut().and_then(|diag| diag.tcp().ok()).unwrap_or_else(table::tcp);
        all.sort_by_key(|l| (l.port(), l.inode));
        all.extend(self.0.as_mut().and_then(|diag| diag.unix().ok()).unwrap_or_default());
        all
    }

    /// TCP connections whose own side has one of these ports, also those that nobody has accepted
    /// yet; None where the kernel knows no sock_diag.
    pub fn connections(&mut self, ports: &HashSet<u16>) -> Option<Vec<Connection>> {
        let mut all = self.0.as_mut()?.connections().ok()?;
        all.retain(|connection| ports.contains(&connection.local.port()));
        Some(all)
    }
}

impl Sockets {
    /// TCP connections of these sockets to others: those whose own side has none of these ports; None
    /// where the kernel knows no sock_diag.
    pub fn outgoing(
        &mut self,
        mine: &HashSet<u64>,
        served: &HashSet<u16>,
    ) -> Option<Vec<Connection>> {
        let mut all = self.0.as_mut()?.connections().ok()?;
        all.retain(|c| mine.contains(&c.inode) && !served.contains(&c.local.port()));
        Some(all)
    }

    /// Connections that were accepted from unix sockets of these names; None as above. One whose
    /// other end is gone, or that nobody has accepted, is none.
    pub fn accepted(&mut self, names: &HashSet<String>) -> Option<usize> {
        self.0.as_mut()?.accepted(names).ok()
    }
}

/// All that listen now, see [`Sockets::listening`].
pub fn listening() -> Vec<Listener> {
    Sockets::open().listening()
}

/// The sockets that these processes have open.
pub fn inodes(pids: &[i32]) -> HashSet<u64> {
    pids.iter().flat_map(|pid| Process::new(*pid).sockets()).collect()
}

/// `nginx (pid 42)`: the first process that has a socket open, as far as this one may look.
pub fn holder(inode: u64) -> String {
    match process::all().into_iter().find(|pid| Process::new(*pid).sockets().contains(&inode)) {
        Some(pid) => format!("{} (pid {pid})", Process::new(pid).name()),
        None => "a process of another user".into(),
    }
}

/// The processes that have a listening TCP socket of that port open, as far as this one may look.
pub fn holders(port: u16) -> Vec<i32> {
    let all = listening();
    let inodes: HashSet<u64> =
        all.iter().filter(|l| l.port() == Some(port)).map(|l| l.inode).collect();
    let holds = |pid: &i32| Process::new(*pid).sockets().iter().any(|s| inodes.contains(s));
    if inodes.is_empty() { vec![] } else { process::all().into_iter().filter(holds).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn find(at: &str) -> Option<Listener> {
        listening().into_iter().find(|l| l.at.to_string() == at)
    }

    #[test]
    fn my_own_listener_is_found_and_named() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let socket = TcpListener::bind(any).unwrap();
            let at = socket.local_addr().unwrap().to_string();
            let found = find(&at).unwrap();
            let me = std::process::id().cast_signed();
            assert!(inodes(&[me]).contains(&found.inode));
            assert!(holders(socket.local_addr().unwrap().port()).contains(&me));
            assert!(holder(found.inode).ends_with(&format!("(pid {me})")));
            assert_eq!(found.port(), Some(socket.local_addr().unwrap().port()));
            drop(socket);
            assert!(find(&at).is_none());
        }
    }

    #[test]
    fn connections_that_wait_are_counted_on_tcp() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let waiting: Vec<_> = (0..7).map(|_| TcpStream::connect(at).unwrap()).collect();
        let found = find(&at.to_string()).unwrap();
        assert_eq!((found.waiting, found.backlog), (7, Some(128)), "std listens with 128");
        let table = table::tcp().into_iter().find(|l| l.at == found.at).unwrap();
        assert_eq!((table.inode, table.waiting, table.backlog), (found.inode, 7, None));
        let accepted = socket.accept().unwrap();
        assert_eq!(find(&at.to_string()).unwrap().waiting, 6);
        drop((waiting, accepted));
    }

    #[test]
    fn a_connection_is_busy_from_its_request_to_its_answer() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let mut client = TcpStream::connect(at).unwrap();
        let (mut server, _) = socket.accept().unwrap();
        let mut sockets = Sockets::open();
        let mut looked = || {
            // Longer than the clock of the kernel's times, and than an answer flows.
            std::thread::sleep(std::time::Duration::from_millis(2 * u64::from(FLOWING)));
            let all = sockets.connections(&HashSet::from([at.port()])).unwrap();
            assert_eq!(all.len(), 1, "{all:?}");
            (all[0].is_busy(), all[0].is_in_service())
        };
        assert_eq!(looked(), (false, false), "nothing was asked yet");
        client.write_all(b"request").unwrap();
        assert_eq!(looked(), (true, true), "nobody read it");
        let mut request = [0; 7];
        server.read_exact(&mut request).unwrap();
        assert_eq!(looked(), (true, true), "no answer yet");
        server.write_all(b"answer").unwrap();
        assert_eq!(looked(), (false, false), "answered");
        client.write_all(b"request").unwrap();
        server.read_exact(&mut request).unwrap();
        assert_eq!(looked(), (true, true), "the next one");
    }

    #[test]
    fn what_nobody_has_accepted_is_not_in_service() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let mut client = TcpStream::connect(at).unwrap();
        client.write_all(b"request").unwrap();
        let mut sockets = Sockets::open();
        let mut served = || {
            let all = sockets.connections(&HashSet::from([at.port()])).unwrap();
            all.iter().filter(|c| c.is_in_service()).count()
        };
        assert_eq!(served(), 0);
        let (mut accepted, _) = socket.accept().unwrap();
        assert_eq!(served(), 1);
        // Right away, so within a tick of its beginning.
        accepted.read_exact(&mut [0; 7]).unwrap();
        assert_eq!(served(), 1, "read, and no answer ever");
    }

    #[test]
    fn who_asked_awaits_an_answer_and_who_only_sends_does_not() {
        let awaits = |unread, unsent, received, sent| {
            let at: SocketAddr = "127.0.0.1:5432".parse().unwrap();
            let (since_received, since_sent) = (Some(received), Some(sent));
            let ends = Connection {
                local: at,
                remote: at,
                inode: 1,
                unread,
                unsent,
                since_received,
                since_sent,
                unanswered: false,
            };
            ends.awaits()
        };
        assert!(awaits(0, 0, 300, 200) && awaits(0, 9, 300, 400));
        assert!(!awaits(0, 0, 200, 300) && !awaits(5, 0, 300, 200));
        assert!(!awaits(0, 0, 60_000, 20) && !awaits(0, 9, 60_000, 20), "lines of a log");
    }

    #[test]
    fn connections_that_wait_are_counted_on_unix_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let socket = UnixListener::bind(&path).unwrap();
        let waiting: Vec<_> = (0..5).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let found = find(path.to_str().unwrap()).unwrap();
        assert_eq!((found.waiting, found.port()), (5, None));
        assert!(found.backlog.is_some_and(|holds| holds >= 128), "{found:?}");
        let names = HashSet::from([path.to_str().unwrap().to_string()]);
        let mut sockets = Sockets::open();
        assert_eq!(sockets.accepted(&names), Some(0), "nobody accepted them");
        let (one, _) = socket.accept().unwrap();
        assert_eq!(sockets.accepted(&names), Some(1));
        drop(one);
        assert_eq!(sockets.accepted(&names), Some(0), "closed by this side");
        drop((socket, waiting));
        let name = format!("knee-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let _socket = UnixListener::bind_addr(&address).unwrap();
        assert!(find(&format!("@{name}")).is_some());
    }
}
