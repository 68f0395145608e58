//! A server that stops answering for a second in every ten, or that holds each answer back: a
//! process of its own, with one thread and one epoll.

use crate::{Failure, TARGET, stay_on};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, listen, recv, send};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Stalls begin so often and last so long.
const EVERY: f64 = 10.0;
pub const STALL: f64 = 1.0;
/// How long `hold` keeps a request.
pub const HOLD: Duration = Duration::from_secs(4);

const LISTENER: u64 = 0;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub struct Server {
    pub addr: SocketAddr,
    process: Child,
}

impl Server {
    /// `stall` or `hold`.
    pub fn start(manner: &str) -> Result<Server, Failure> {
        let me = std::env::current_exe()?;
        let mut process =
            Command::new(me).args(["serve", manner]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = process.stdout.take().ok_or("the server has no standard output")?;
        BufReader::new(out).read_line(&mut line)?;
        Ok(Server { addr: line.trim().parse()?, process })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed.
pub fn serve(manner: &str) -> Result<(), Failure> {
    stay_on(TARGET)?;
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let all = rustix::process::Rlimit { current: most, maximum: most };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    listen(&listener, 4096)?;
    println!("{}", listener.local_addr()?);
    Service::new(listener)?.run(manner == "stall")
}

struct Service {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: HashMap<u64, OwnedFd>,
    /// Requests that are held back, with the time of their answer.
    held: VecDeque<(Instant, u64)>,
    began: Instant,
    token: u64,
}

impl Service {
    fn new(listener: TcpListener) -> Result<Service, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&epoll, &listener, data, epoll::EventFlags::IN)?;
        let (connections, held) = Default::default();
        Ok(Service { epoll, listener, connections, held, began: Instant::now(), token: LISTENER })
    }

    fn run(&mut self, stalls: bool) -> Result<(), Failure> {
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; 64];
        let tick = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        loop {
            let phase = self.began.elapsed().as_secs_f64() % EVERY;
            if stalls && phase >= EVERY - STALL {
                std::thread::sleep(Duration::from_secs_f64(EVERY - phase));
            }
            let (ready, _) = epoll::wait(&self.epoll, &mut events, Some(&tick))?;
            for event in ready {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    token => self.read(token, stalls),
                }
            }
            while self.held.front().is_some_and(|(at, _)| *at <= Instant::now()) {
                let token = self.held.pop_front().map_or(LISTENER, |(_, token)| token);
                self.answer(token);
            }
        }
    }

    fn accept(&mut self) -> Result<(), Failure> {
        while let Ok(connection) = accept_with(&self.listener, SocketFlags::NONBLOCK) {
            self.token += 1;
            let data = epoll::EventData::new_u64(self.token);
            epoll::add(&self.epoll, &connection, data, epoll::EventFlags::IN)?;
            self.connections.insert(self.token, connection);
        }
        Ok(())
    }

    fn read(&mut self, token: u64, at_once: bool) {
        let Some(connection) = self.connections.get(&token) else { return };
        match recv(connection, &mut [0u8; 4096][..], RecvFlags::empty()) {
            Ok((1.., _)) if at_once => self.answer(token),
            Ok((1.., _)) => self.held.push_back((Instant::now() + HOLD, token)),
            _ => _ = self.connections.remove(&token),
        }
    }

    fn answer(&self, token: u64) {
        if let Some(connection) = self.connections.get(&token) {
            // Who has gone needs no answer.
            let _ = send(connection, ANSWER, SendFlags::NOSIGNAL);
        }
    }
}
