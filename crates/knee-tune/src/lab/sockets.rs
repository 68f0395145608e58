//! Who listens on which TCP port of the host's network, which the task shares.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub at: SocketAddr,
    pub inode: u64,
}

/// All listening TCP sockets, by port.
pub(super) fn listeners() -> Vec<Listener> {
    let mut all: Vec<Listener> = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .iter()
        .flat_map(|path| parse(&fs::read_to_string(path).unwrap_or_default()))
        .collect();
    all.sort_by_key(|l| (l.at.port(), l.inode));
    all
}

/// Reads `/proc/net/tcp` or `tcp6` (proc(5)) and keeps what listens (state 0A).
fn parse(text: &str) -> Vec<Listener> {
    let line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let at = address(fields.get(1)?)?;
        let inode = fields.get(9)?.parse().ok()?;
        (*fields.get(3)? == "0A").then_some(Listener { at, inode })
    };
    text.lines().filter_map(line).collect()
}

/// `0100007F:1F90`: each four bytes in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    if !ip.is_ascii() {
        return None;
    }
    let word =
        |at: usize| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The sockets that these processes have open.
pub(super) fn inodes(pids: &[i32]) -> HashSet<u64> {
    pids.iter().flat_map(|pid| sockets_of(*pid)).collect()
}

fn sockets_of(pid: i32) -> Vec<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    entries.filter_map(inode).collect()
}

/// `nginx (pid 42)`: the first process that has a socket open, as far as this one may look.
pub(super) fn holder(inode: u64) -> String {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<i32> =
        processes.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    match pids.into_iter().find(|pid| sockets_of(*pid).contains(&inode)) {
        Some(pid) => format!("{} (pid {pid})", program(pid)),
        None => "a process of another user".into(),
    }
}

/// The short name of a process.
fn program(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim().is_empty() { "a process".into() } else { name.trim().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;

    #[test]
    fn my_own_listener_is_found_and_named() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let found = listeners().into_iter().find(|l| l.at == at).unwrap();
        let me = std::process::id().cast_signed();
        assert!(inodes(&[me]).contains(&found.inode));
        assert!(holder(found.inode).ends_with(&format!("(pid {me})")));
        drop(socket);
        assert!(!listeners().iter().any(|l| l.at == at));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn both_families_are_read_and_connections_left_out() {
        let text = "  sl  local_address rem_address   st\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 71 1\n\
            1: 00000000000000000000000001000000:0050 0:0 0A 0:0 0:0 0 0 0 72 1\n\
            2: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 73 1\n";
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(
            parse(text),
            [
                Listener { at: at("127.0.0.1:8080"), inode: 71 },
                Listener { at: at("[::1]:80"), inode: 72 }
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            parse(&text);
            parse(&format!("0: {text} 0:0 0A 0 0 0 0 0 7"));
            address(&text);
        }
    }
}
