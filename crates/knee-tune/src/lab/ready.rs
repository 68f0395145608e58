//! Waiting until a service answers, or saying why it does not.

use super::Running;
use super::answer::{self, Answer};
use super::error::LabError;
use knee_probe::sockets::{self, Address, Listener};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a service may give the same wrong answer: some answer 404 until they are loaded.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines of its output that an error shows.
pub(super) const LINES: usize = 12;

/// What one look showed.
enum Look {
    Ready(u16),
    /// Nothing yet, in words.
    Waiting(String),
    /// Something that may never change: what was asked for and what came.
    Wrong(String, String),
    Taken(u16, u64),
}

struct Question<'a> {
    port: Option<u16>,
    path: Option<&'a str>,
}

impl Running {
    /// Waits until the service answers and returns its port.
    ///
    /// With a `path`, an answer below 400 counts; without, a connection to `port` does. With no
    /// `port`, it is the first listening port of the service that answers in HTTP. `stop` ends
    /// the wait.
    ///
    /// # Errors
    /// The service ended, was killed for memory or forked away; somebody else has its port; it
    /// keeps answering wrongly; `timeout` passed; or `stop` said so.
    pub fn wait_ready(
        &self,
        port: Option<u16>,
        path: Option<&str>,
        timeout: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<u16, LabError> {
        let started = Instant::now();
        let question = Question { port, path };
        let (mut wrong_since, mut taken) = (None::<Instant>, 0);
        loop {
            if stop() {
                return Err(LabError::Stopped);
            }
            self.alive().map_err(|e| self.or_port_taken(e, port))?;
            let look = question.look(self);
            let over = started.elapsed() >= timeout;
            taken = if matches!(look, Look::Taken(..)) { taken + 1 } else { 0 };
            match look {
                Look::Ready(port) => return Ok(port),
                // Twice: a process may have closed its socket between two readings.
                Look::Taken(port, inode) if taken > 1 => {
                    return Err(LabError::PortTaken { port, holder: sockets::holder(inode) });
                }
                Look::Wrong(url, answer) => {
                    let since = *wrong_since.get_or_insert_with(Instant::now);
                    if over || since.elapsed() >= PATIENCE {
                        return Err(LabError::BadAnswer { url, answer, log: self.log_tail(LINES) });
                    }
                }
                Look::Waiting(seen) => {
                    wrong_since = None;
                    if over {
                        let log = self.log_tail(LINES);
                        return Err(LabError::NeverReady { waited: started.elapsed(), seen, log });
                    }
                }
                Look::Taken(..) => {}
            }
            thread::sleep(PAUSE);
        }
    }

    /// The TCP ports that the service listens on, in order.
    pub fn listening(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.listeners().iter().filter_map(Listener::port).collect();
        ports.dedup();
        ports
    }

    fn listeners(&self) -> Vec<Listener> {
        let all = sockets::listening();
        let mine = sockets::inodes(&self.pids());
        all.into_iter().filter(|l| mine.contains(&l.inode)).collect()
    }

    /// A service whose port is taken ends with an error of its own: the cause is the better one.
    fn or_port_taken(&self, error: LabError, port: Option<u16>) -> LabError {
        let holder = port.and_then(port_holder);
        match (error, port, holder) {
            (LabError::Exited { .. }, Some(port), Some(holder)) => {
                LabError::PortTaken { port, holder }
            }
            (error, ..) => error,
        }
    }
}

/// Who listens on a port now, `nginx (pid 42)`; None when it is free.
pub fn port_holder(port: u16) -> Option<String> {
    let listener = sockets::listening().into_iter().find(|l| l.port() == Some(port))?;
    Some(sockets::holder(listener.inode))
}

impl Question<'_> {
    fn look(&self, running: &Running) -> Look {
        let all = sockets::listening();
        let mine = sockets::inodes(&running.pids());
        let asked = |l: &&Listener| l.port().is_some_and(|at| self.port.is_none_or(|p| p == at));
        let (own, foreign): (Vec<&Listener>, Vec<&Listener>) =
            all.iter().filter(asked).partition(|l| mine.contains(&l.inode));
        if own.is_empty() {
            return match (self.port, foreign.first()) {
                (Some(port), Some(l)) => Look::Taken(port, l.inode),
                (Some(port), None) => {
                    Look::Waiting(format!("nothing listens on port {port}{}", others(running)))
                }
                (None, _) => Look::Waiting("it listens on no TCP port".into()),
            };
        }
        let mut last = Look::Waiting(String::new());
        for listener in own {
            let Address::Tcp(at) = listener.at else { continue };
            last = self.ask(at);
            if matches!(last, Look::Ready(_)) {
                break;
            }
        }
        last
    }

    fn ask(&self, listening: SocketAddr) -> Look {
        let Some(at) = answer::loopback(listening) else {
            return Look::Waiting(format!(
                "it listens on {listening} only, and knee asks 127.0.0.1: let it listen on 0.0.0.0"
            ));
        };
        // Among several ports the one that speaks HTTP is wanted: any status will do.
        let path = self.path.or(if self.port.is_none() { Some("/") } else { None });
        let url = || format!("http://{at}{}", path.unwrap_or("/"));
        match answer::ask(at, path) {
            Answer::Connected => Look::Ready(at.port()),
            Answer::Status(status) if status < 400 || self.path.is_none() => Look::Ready(at.port()),
            Answer::Status(status) if status >= 500 => {
                Look::Waiting(format!("{} answers {status}", url()))
            }
            Answer::Status(status) => Look::Wrong(url(), status.to_string()),
            Answer::Garbage => Look::Wrong(url(), "something that is no HTTP".into()),
            Answer::None(why) => Look::Waiting(why),
        }
    }
}

fn others(running: &Running) -> String {
    match running.listening().as_slice() {
        [] => String::new(),
        ports => {
            let list: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("; the service listens on {}", list.join(", "))
        }
    }
}
