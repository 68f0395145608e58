//! What the observer sees of real services in the laboratory. Plausible, not exact: no test
//! here expects a machine to be quick.

mod kernel;
mod runtimes;

use super::support::*;
use knee_core::launch::{Ask, Launch};
use knee_core::observe::Usage;
use knee_core::runtimes::{Injection, by_id};
use knee_core::settings::Site;
use knee_measure::observer::{Mark, Observer};
use knee_tune::lab::Running;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(50);

fn observe(running: &Running) -> Observer {
    Observer::start(running.subject(), LOOK)
}

/// Gives a runtime what makes it tell of itself: environment, files, and where it then answers.
/// Entries for configuration files are returned.
fn inject(launch: &mut Launch, runtime: &str) -> Vec<(String, String)> {
    let runtime = by_id(runtime).unwrap();
    let Injection { entries, files, answers, .. } = (runtime.inject)().unwrap();
    let text = |(path, text): (&str, &str)| (path.into(), text.into());
    launch.files.extend(files.into_iter().map(text));
    let ask =
        |told: &knee_core::runtimes::Told| Ask { runtime: runtime.id, how: told.in_container(0) };
    launch.asks.extend(answers.iter().map(ask));
    let mut left = Vec::new();
    for (site, value) in entries {
        match site {
            Site::Environment { name } => launch.containers[0].env.set(name, value),
            Site::Ini { key } => left.push((key.to_string(), value)),
            other => panic!("{other:?}"),
        }
    }
    left
}

/// One request on a connection of its own; the answer with its head.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// As many connections as are let in, of `n` tried; nothing is sent on them.
fn connect(port: u16, n: usize) -> Vec<TcpStream> {
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let wait = Duration::from_millis(50);
    (0..n).filter_map(|_| TcpStream::connect_timeout(&at, wait).ok()).collect()
}

/// The usage since a mark, once it shows something.
fn usage(observer: &Observer, mark: Mark, what: &str, is_so: impl Fn(&Usage) -> bool) -> Usage {
    let last = std::cell::RefCell::new(Usage::default());
    until(what, || {
        *last.borrow_mut() = observer.usage_since(mark);
        is_so(&last.borrow())
    });
    last.into_inner()
}

fn reading(usage: &Usage, name: &str) -> Option<f64> {
    usage.readings.iter().find(|r| r.name == name).map(|r| r.value)
}
