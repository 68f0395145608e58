//! `/proc/net/tcp` and `tcp6` (proc(5)): what is left where the kernel knows no sock_diag. Slow
//! with many connections, as they stand in the same table.

use super::{Address, Listener};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// All listening TCP sockets.
pub(super) fn tcp() -> Vec<Listener> {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .iter()
        .flat_map(|path| parse(&fs::read_to_string(path).unwrap_or_default()))
        .collect()
}

/// Keeps what listens (state 0A); the second number of `tx_queue:rx_queue` is what waits there.
fn parse(text: &str) -> Vec<Listener> {
    let line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let at = Address::Tcp(address(fields.get(1)?)?);
        let inode = fields.get(9)?.parse().ok()?;
        let waiting = u32::from_str_radix(fields.get(4)?.split_once(':')?.1, 16).ok()?;
        (*fields.get(3)? == "0A").then_some(Listener { at, inode, waiting, backlog: None })
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn both_families_are_read_and_connections_left_out() {
        let text = "  sl  local_address rem_address   st\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:0000001F 00:00000000 00000000     0        0 71 1\n\
            1: 00000000000000000000000001000000:0050 0:0 0A 0:0 0:0 0 0 0 72 1\n\
            2: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 73 1\n";
        let listener = |at: &str, inode, waiting| {
            let at = Address::Tcp(at.parse().unwrap());
            Listener { at, inode, waiting, backlog: None }
        };
        assert_eq!(parse(text), [listener("127.0.0.1:8080", 71, 31), listener("[::1]:80", 72, 0)]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            parse(&text);
            parse(&format!("0: {text} 0:0 0A 0:0 0 0 0 0 7"));
            address(&text);
        }
    }
}
