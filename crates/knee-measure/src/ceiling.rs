//! The generator against a server that does nothing: how much it can make on this machine.

use crate::MeasureError;
use crate::engine::{Course, Engine};
use crate::generator::Ceiling;
use crate::message::Messages;
use crate::pacer::Pace;
use crate::record::Record;
use crate::thread::Punctual;
use knee_core::workload::Request;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// More than any one core makes, requests/s.
const TOO_MUCH: f64 = 250_000.0;
/// Connections under which the ceiling is found.
const CONNECTIONS: usize = 64;
/// Length of each of the two runs, seconds.
const SECONDS: f64 = 0.4;
/// Longer than a run: however slow the host is, what waits in line for a whole run is answered
/// and counted. With less, a busy host's generator would be late for everything and make nothing.
const TIMEOUT: f64 = 1.0;

/// Measures the ceiling.
pub(crate) fn find(seed: u64, stop: &AtomicBool) -> Result<Ceiling, MeasureError> {
    let server = Nothing::start().map_err(MeasureError::system("start its own server"))?;
    let mut messages = Messages::new(&[Request::get("/")], "127.0.0.1", seed)?;
    let most = run(server.addr, &mut messages, Pace::Constant { rate: TOO_MUCH }, stop)?;
    let rate = most.answered as f64 / SECONDS;
    let half = Pace::Poisson { rate: (rate / 2.0).max(1.0) };
    let lateness = run(server.addr, &mut messages, half, stop)?.lateness(0.5);
    Ok(Ceiling { rate, lateness })
}

fn run(
    addr: SocketAddr,
    messages: &mut Messages,
    pace: Pace,
    stop: &AtomicBool,
) -> Result<Record, MeasureError> {
    let course = Course {
        pace: &pace,
        warm_up: 0.1,
        seconds: SECONDS,
        seed: 1,
        timeout: TIMEOUT,
        connections: CONNECTIONS,
        client_errors_ok: false,
        rule: None,
    };
    let _punctual = Punctual::begin();
    Engine::new(addr, messages, course)?.run(stop)
}

/// A server that answers each piece it receives with the same few bytes.
struct Nothing {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nothing {
    fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("knee-nothing".into()).spawn(move || {
            // When it fails, the ceiling is 0 and says so.
            let _ = serve(&listener, &stopped);
        })?;
        Ok(Nothing { addr, stop, thread: Some(thread) })
    }
}

impl Drop for Nothing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const LISTENER: u64 = 0;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn serve(listener: &TcpListener, stop: &AtomicBool) -> rustix::io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let add = |fd: &dyn rustix::fd::AsFd, token: u64| {
        epoll::add(&epoll, fd.as_fd(), epoll::EventData::new_u64(token), epoll::EventFlags::IN)
    };
    add(listener, LISTENER)?;
    let mut connections: HashMap<u64, OwnedFd> = HashMap::new();
    let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; 64];
    let mut buffer = [0u8; 4096];
    let mut token = LISTENER;
    let look = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    while !stop.load(Ordering::Relaxed) {
        let (ready, _) = match epoll::wait(&epoll, &mut events, Some(&look)) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        for event in ready {
            let from = event.data.u64();
            if from == LISTENER {
                while let Ok(connection) = accept_with(listener, SocketFlags::NONBLOCK) {
                    token += 1;
                    add(&connection, token)?;
                    connections.insert(token, connection);
                }
            } else if let Some(connection) = connections.get(&from) {
                match recv(connection, &mut buffer[..], RecvFlags::empty()) {
                    Ok((1.., _)) => _ = send(connection, ANSWER, SendFlags::NOSIGNAL),
                    _ => _ = connections.remove(&from),
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four programs for each CPU that never rest: the server gets a fifth of one, and the
    /// generator what is left.
    #[test]
    fn a_crowded_host_lowers_the_ceiling_and_does_not_hide_it() {
        let over = Arc::new(AtomicBool::new(false));
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let spin = |_| {
            let over = over.clone();
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {})
        };
        let crowd: Vec<_> = (0..4 * cpus).map(spin).collect();
        let found = find(1, &AtomicBool::new(false));
        over.store(true, Ordering::Relaxed);
        crowd.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(found.unwrap().rate > 100.0);
    }
}
