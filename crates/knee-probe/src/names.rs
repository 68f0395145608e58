//! Names of hosts, looked up as resolv.conf(5) and hosts(5) say. Not by the C library: that has no
//! deadline, and in a static program it would load parts of the very library that it was built with.
//!
//! What lives here: `/etc/hosts`, and one question over UDP (RFC 1035) to the name servers of
//! `/etc/resolv.conf`. What never does: a cache, as who is asked may move.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

/// A server that says nothing for so long is left for the next one, and tried again after that.
const PATIENCE: Duration = Duration::from_secs(1);
/// Servers that are asked and folders that a name is looked for in, at most (resolv.conf(5)).
const SERVERS: usize = 3;
const FOLDERS: usize = 6;
/// A datagram without extensions has no more bytes.
const MOST: usize = 512;
/// Port of a name server.
const PORT: u16 = 53;
/// The longest name.
const LONGEST: usize = 253;

const A: u16 = 1;
const AAAA: u16 = 28;

/// Whether it can be the name of a host.
pub fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(fit)
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= LONGEST && text.split('.').all(label)
}

/// The addresses of a host, one at least. What is written as a number is one, `localhost` is this machine, all else
/// is looked up.
///
/// # Errors
/// It has none, the time is over, or no name server can be asked.
pub fn addresses(host: &str, until: Instant) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    }
    if !is_name(host) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no name of a host"));
    }
    let all = look_up(host, until)?;
    if all.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no address has that name"));
    }
    Ok(all)
}

/// The addresses of a name; none where it has none.
fn look_up(name: &str, until: Instant) -> io::Result<Vec<IpAddr>> {
    let own = text("/etc/hosts");
    let known = in_hosts(&own, name);
    if !known.is_empty() {
        return Ok(known);
    }
    Resolver::read(&text("/etc/resolv.conf")).look_up(name, until)
}

fn text(path: &str) -> String {
    fs::read(Path::new(path)).map(|t| String::from_utf8_lossy(&t).into_owned()).unwrap_or_default()
}

/// `ADDRESS NAME [NAME ...]` in each line.
fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let of = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    text.lines().filter_map(of).collect()
}

/// Whom to ask, and for what.
#[derive(Debug, PartialEq)]
struct Resolver {
    servers: Vec<SocketAddr>,
    folders: Vec<String>,
    /// A name with so many dots is looked for as it is first.
    dots: usize,
}

impl Resolver {
    fn read(text: &str) -> Resolver {
        let mut resolver = Resolver { servers: vec![], folders: vec![], dots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let at = words.next().and_then(|at| at.parse().ok());
                    resolver.servers.extend(at.map(|at| SocketAddr::new(at, PORT)));
                }
                Some("search" | "domain") => {
                    let folders = words.filter(|word| is_name(word)).take(FOLDERS);
                    resolver.folders =
                        folders.map(|word| word.trim_end_matches('.').into()).collect();
                }
                Some("options") => {
                    let mut dots =
                        words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    resolver.dots = dots.next_back().unwrap_or(resolver.dots);
                }
                _ => {}
            }
        }
        if resolver.servers.is_empty() {
            resolver.servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        }
        resolver.servers.truncate(SERVERS);
        resolver
    }

    /// The names that it may stand for, in the order in which they are looked for.
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(whole) = name.strip_suffix('.') {
            return vec![whole.into()];
        }
        let below = self.folders.iter().map(|folder| format!("{name}.{folder}"));
        let own = std::iter::once(name.to_string());
        let all: Vec<String> = match name.matches('.').count() >= self.dots {
            true => own.chain(below).collect(),
            false => below.chain(own).collect(),
        };
        all.into_iter().filter(|name| name.len() <= LONGEST).collect()
    }

    fn look_up(&self, name: &str, until: Instant) -> io::Result<Vec<IpAddr>> {
        for name in self.candidates(name) {
            for kind in [A, AAAA] {
                match self.ask(&name, kind, until)? {
                    Said::Addresses(all) if !all.is_empty() => return Ok(all),
                    Said::Addresses(_) => {}
                    // Neither has it one of the other kind.
                    Said::NoSuchName => break,
                }
            }
        }
        Ok(vec![])
    }

    /// Server after server, and again, until one answers.
    fn ask(&self, name: &str, kind: u16, until: Instant) -> io::Result<Said> {
        let id = chance()?;
        let question = question(id, name, kind);
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        let mut dead = HashSet::new();
        loop {
            for server in &self.servers {
                if until.saturating_duration_since(Instant::now()).is_zero() {
                    return Err(last);
                }
                match exchange(*server, id, &question, kind, until) {
                    Ok(said) => return Ok(said),
                    Err(error) => {
                        // One that refuses goes on to do so.
                        if error.kind() != io::ErrorKind::TimedOut {
                            dead.insert(*server);
                        }
                        last = error;
                    }
                }
            }
            if self.servers.iter().all(|server| dead.contains(server)) {
                return Err(last);
            }
        }
    }
}

/// What a server said.
#[derive(Debug, PartialEq)]
enum Said {
    Addresses(Vec<IpAddr>),
    NoSuchName,
}

/// Asks one server.
fn exchange(
    server: SocketAddr,
    id: u16,
    question: &[u8],
    kind: u16,
    until: Instant,
) -> io::Result<Said> {
    let from: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(from)?;
    // Then nobody else's datagrams arrive.
    socket.connect(server)?;
    socket.send(question)?;
    let until = until.min(Instant::now() + PATIENCE);
    let mut came = [0; MOST];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut came) {
            Ok(length) => length,
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let answer = came.get(..length).unwrap_or_default();
        // An answer to something else: the right one may still come.
        if answer.get(..2) == Some(&id.to_be_bytes()) {
            return read(answer, kind).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
    }
}

/// Nobody else may guess it.
fn chance() -> io::Result<u16> {
    let mut id = [0; 2];
    fs::File::open("/dev/urandom")?.read_exact(&mut id)?;
    Ok(u16::from_be_bytes(id))
}

/// Head, name, kind, class: recursion is asked for.
fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// The addresses of that kind, whatever other names they stand behind; None where it is no answer, or
/// the server could not look.
fn read(answer: &[u8], kind: u16) -> Option<Said> {
    let number = |at: usize| {
        let bytes = answer.get(at..at.checked_add(2)?)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let (flags, questions, answers) = (number(2)?, number(4)?, number(6)?);
    if flags & 0x8000 == 0 {
        return None;
    }
    match flags & 0xf {
        0 => {}
        3 => return Some(Said::NoSuchName),
        _ => return None,
    }
    let mut at = 12;
    for _ in 0..questions {
        at = behind_name(answer, at)?.checked_add(4)?;
    }
    let mut all = Vec::new();
    for _ in 0..answers {
        // What does not fit into a datagram is cut off: the addresses before that are right.
        let Some(head) = behind_name(answer, at) else { break };
        let (Some(of), Some(length)) = (number(head), number(head.checked_add(8)?)) else { break };
        let begin = head.checked_add(10)?;
        at = begin.checked_add(length.into())?;
        let Some(data) = answer.get(begin..at) else { break };
        let four = || <[u8; 4]>::try_from(data).ok().map(IpAddr::from);
        let sixteen = || <[u8; 16]>::try_from(data).ok().map(IpAddr::from);
        all.extend(match of {
            A if of == kind => four(),
            AAAA if of == kind => sixteen(),
            _ => None,
        });
    }
    Some(Said::Addresses(all))
}

/// Behind a name: labels to an empty one, or to one that points elsewhere.
fn behind_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return at.checked_add(1),
            0xc0.. => return at.checked_add(2),
            _ => at = at.checked_add(length)?.checked_add(1)?,
        }
    }
}
