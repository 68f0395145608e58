//! A byte stream to the target: plain TCP. Nothing here knows HTTP, due times or the event
//! loop.
//!
//! This is the seam for TLS: a link that shakes hands between `connected` and its first
//! `write` and hides records behind `write` and `read`. HTTP/2 would go one level up, beside
//! `answer` and `pool`: several requests on one connection, where now there is one.

use rustix::event::epoll;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;

/// A non-blocking connection that is being opened or is open.
pub(crate) struct Link(OwnedFd);

impl Link {
    /// Begins to connect and has the kernel report to `epoll` under `token`.
    pub fn open(addr: &SocketAddr, epoll: &OwnedFd, token: u64) -> Result<Self, Errno> {
        let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match net::connect(&socket, addr) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        // Edge-triggered and for both directions: one registration for the whole life.
        let events = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        epoll::add(epoll, &socket, epoll::EventData::new_u64(token), events)?;
        Ok(Link(socket))
    }

    /// How connecting ended.
    pub fn connected(&self) -> Result<(), Errno> {
        sockopt::socket_error(&self.0).and_then(|result| result)
    }

    /// Sends what the kernel takes.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| net::send(self.0.as_fd(), bytes, SendFlags::NOSIGNAL))
    }

    /// Whether nothing has come, not even the end.
    pub fn is_quiet(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        net::recv(self.0.as_fd(), &mut [0u8; 1][..], flags) == Err(Errno::AGAIN)
    }

    /// Receives what has come; 0 when the other side has closed.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| {
            net::recv(self.0.as_fd(), &mut *buffer, RecvFlags::empty()).map(|(n, _)| n)
        })
    }
}
