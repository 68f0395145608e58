//! sock_diag(7): the kernel's own answer about sockets, over netlink. For a listening socket the
//! receive queue is what waits to be accepted, the send queue how much may.

use super::{Address, Connection, Listener};
use crate::ProbeError;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{self, InetRequest, InetResponse, SocketId};
use netlink_packet_sock_diag::unix::nlas::{Nla, UnixDiagName};
use netlink_packet_sock_diag::unix::{self, ShowFlags, UnixRequest, UnixResponse};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use std::collections::HashSet;
use std::io;
use std::time::Duration;

/// As much as the kernel puts into one datagram (`NLMSG_GOODSIZE` and more).
const DATAGRAM: usize = 32 << 10;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open connection to the kernel.
pub(super) struct Diag {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Diag {
    pub fn open() -> Result<Diag, ProbeError> {
        let open = || {
            let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
            socket.bind_auto()?;
            // The kernel answers at once; nobody is to wait for ever where it does not.
            set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(ProbeError::Diagnostics)?;
        Ok(Diag { socket, buffer: vec![0; DATAGRAM] })
    }

    /// Listening TCP sockets, IPv4 and IPv6.
    pub fn tcp(&mut self) -> Result<Vec<Listener>, ProbeError> {
        let mut all = Vec::new();
        let none = inet::ExtensionFlags::empty();
        self.inet(inet::StateFlags::LISTEN, none, &mut |response| all.push(tcp(response)))?;
        Ok(all)
    }

    /// TCP connections over which both sides, or at least this one, may still send.
    pub fn connections(&mut self) -> Result<Vec<Connection>, ProbeError> {
        let mut all = Vec::new();
        let open = inet::StateFlags::ESTABLISHED | inet::StateFlags::CLOSE_WAIT;
        self.inet(open, inet::ExtensionFlags::INFO, &mut |response| {
            all.push(connection(response));
        })?;
        Ok(all)
    }

    /// TCP sockets in these states, IPv4 and IPv6.
    fn inet(
        &mut self,
        states: inet::StateFlags,
        extensions: inet::ExtensionFlags,
        on: &mut dyn FnMut(&InetResponse),
    ) -> Result<(), ProbeError> {
        for family in [AF_INET, AF_INET6] {
            let request = SockDiagMessage::InetRequest(InetRequest {
                family,
                protocol: IPPROTO_TCP,
                extensions: extensions.clone(),
                states: states.clone(),
                socket_id: if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() },
            });
            self.dump(request, &mut |message| {
                if let SockDiagMessage::InetResponse(response) = message {
                    on(&response);
                }
            })?;
        }
        Ok(())
    }

    /// Listening unix sockets.
    pub fn unix(&mut self) -> Result<Vec<Listener>, ProbeError> {
        let mut all = Vec::new();
        let show = ShowFlags::NAME | ShowFlags::RQLEN;
        self.unix_in(unix::StateFlags::LISTEN, show, &mut |response| all.extend(unix(response)))?;
        Ok(all)
    }

    /// How many connections from unix sockets of these names somebody has accepted: an accepted
    /// socket has its listener's name, and a number once it was accepted.
    pub fn accepted(&mut self, names: &HashSet<String>) -> Result<usize, ProbeError> {
        let mut count = 0;
        self.unix_in(unix::StateFlags::ESTABLISHED, ShowFlags::NAME, &mut |response| {
            let mine = name(response).is_some_and(|name| names.contains(&name));
            count += usize::from(mine && response.header.inode != 0);
        })?;
        Ok(count)
    }

    fn unix_in(
        &mut self,
        state_flags: unix::StateFlags,
        show_flags: ShowFlags,
        on: &mut dyn FnMut(&UnixResponse),
    ) -> Result<(), ProbeError> {
        let request = UnixRequest { state_flags, inode: 0, show_flags, cookie: [0xff; 8] };
        self.dump(SockDiagMessage::UnixRequest(request), &mut |message| {
            if let SockDiagMessage::UnixResponse(response) = message {
                on(&response);
            }
        })
    }

    /// Asks, and hands on each message until the kernel says that there are no more.
    fn dump(
        &mut self,
        request: SockDiagMessage,
        on: &mut dyn FnMut(SockDiagMessage),
    ) -> Result<(), ProbeError> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut packet = NetlinkMessage::new(header, request.into());
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(ProbeError::Diagnostics)?;
        loop {
            let received = self.socket.recv(&mut &mut self.buffer[..], 0);
            let length = received.map_err(ProbeError::Diagnostics)?;
            if datagram(&self.buffer[..length.min(DATAGRAM)], on)? {
                return Ok(());
            }
        }
    }
}

/// Reads the messages of one datagram; true when the last has come. One that is not understood
/// is left out: it is about one socket.
fn datagram(mut bytes: &[u8], on: &mut dyn FnMut(SockDiagMessage)) -> Result<bool, ProbeError> {
    while let Some(length) = bytes.first_chunk::<4>().map(|n| u32::from_ne_bytes(*n) as usize) {
        // A header has 16 bytes.
        if length < 16 || length > bytes.len() {
            break;
        }
        match NetlinkMessage::<SockDiagMessage>::deserialize(&bytes[..length]).map(|m| m.payload) {
            Ok(NetlinkPayload::InnerMessage(message)) => on(message),
            Ok(NetlinkPayload::Done(_)) => return Ok(true),
            Ok(NetlinkPayload::Error(error)) => return Err(ProbeError::Diagnostics(error.to_io())),
            _ => {}
        }
        // Messages begin at multiples of 4.
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    if bytes.is_empty() {
        return Ok(false);
    }
    let cut = io::Error::new(io::ErrorKind::InvalidData, "a message that ends too early");
    Err(ProbeError::Diagnostics(cut))
}

fn tcp(response: &InetResponse) -> Listener {
    let header = &response.header;
    let at = (header.socket_id.source_address, header.socket_id.source_port);
    Listener {
        at: Address::Tcp(at.into()),
        inode: header.inode.into(),
        waiting: header.recv_queue,
        backlog: Some(header.send_queue),
    }
}

/// `tcpi_last_data_sent`, `tcpi_last_data_recv`, and `tcpi_data_segs_in` and `_out` (Linux 4.6) of the kernel's struct tcp_info
/// (include/uapi/linux/tcp.h), which only ever grows at its end.
const LAST_SENT: usize = 44;
const LAST_RECEIVED: usize = 52;
const DATA_IN: usize = 152;
const DATA_OUT: usize = 156;

fn connection(response: &InetResponse) -> Connection {
    let header = &response.header;
    let id = &header.socket_id;
    let info = response.nlas.iter().find_map(|nla| match nla {
        inet::nlas::Nla::TcpInfo(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    let field = |at: usize| {
        let bytes = info?.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    Connection {
        local: (id.source_address, id.source_port).into(),
        remote: (id.destination_address, id.destination_port).into(),
        inode: header.inode.into(),
        unread: header.recv_queue,
        unsent: header.send_queue,
        since_received: field(LAST_RECEIVED),
        since_sent: field(LAST_SENT),
        unanswered: field(DATA_IN).is_some_and(|n| n > 0) && field(DATA_OUT) == Some(0),
    }
}

/// None for a socket without a name.
fn name(response: &UnixResponse) -> Option<String> {
    response.nlas.iter().find_map(|nla| match nla {
        Nla::Name(UnixDiagName::Pathname(path)) => Some(path.to_string_lossy().into_owned()),
        Nla::Name(UnixDiagName::Abstract(name)) => {
            Some(format!("@{}", String::from_utf8_lossy(name)))
        }
        _ => None,
    })
}

/// None for a socket without a name: nobody can connect to it.
fn unix(response: &UnixResponse) -> Option<Listener> {
    let name = name(response)?;
    let queue = response.nlas.iter().find_map(|nla| match nla {
        Nla::ReceiveQueueLength(waiting, holds) => Some((*waiting, *holds)),
        _ => None,
    })?;
    Some(Listener {
        at: Address::Unix(name),
        inode: response.header.inode.into(),
        waiting: queue.0,
        backlog: Some(queue.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<bool, ProbeError> {
        datagram(bytes, &mut |_| {})
    }

    #[test]
    fn an_error_and_a_message_cut_short_are_told() {
        // Length 20, type 2 (NLMSG_ERROR), the error -2 (ENOENT) and the header it is about.
        let mut error = [0u8; 36];
        error[..4].copy_from_slice(&36u32.to_ne_bytes());
        error[4..6].copy_from_slice(&2u16.to_ne_bytes());
        error[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        assert!(read(&error).unwrap_err().to_string().contains("No such file"));
        assert!(read(&error[..20]).unwrap_err().to_string().contains("ends too early"));
        assert!(!read(&[]).unwrap());
    }

    proptest! {
        #[test]
        fn any_datagram_is_survived(
            kind in prop::sample::select(vec![0u16, 1, 2, 3, 20]),
            family in prop::sample::select(vec![1u8, 2, 10]),
            body in prop::collection::vec(any::<u8>(), 0..160),
        ) {
            let mut bytes = vec![0; 16];
            bytes.push(family);
            bytes.extend(&body);
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            let _ = read(&bytes);
            let _ = read(&body);
        }
    }
}
