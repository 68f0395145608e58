//! A byte stream to the target: plain TCP. The one place that TLS has to wrap; nothing here
//! knows HTTP, due times or the event loop.

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

    /// Receives what has come; 0 when the other side has closed.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| {
            net::recv(self.0.as_fd(), &mut *buffer, RecvFlags::empty()).map(|(n, _)| n)
        })
    }
}
