//! The generator against servers that keep to the letter of HTTP, or not at all.

mod server;

use knee_core::Goal;
use knee_core::observe::{Counts, Outcome, Step};
use knee_core::workload::{Body, Request};
use knee_measure::{Generator, GeneratorOptions, MeasureError, Pace, Target};
use rustix::net::{SendFlags, sockopt::set_socket_linger};
use server::{Server, read_request};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn ms(n: u64) {
    std::thread::sleep(Duration::from_millis(n));
}

fn request(method: &str, body: &[u8]) -> Request {
    let mut request = Request::get("/");
    request.method = method.into();
    request.body = if body.is_empty() { Body::Empty } else { Body::Inline(body.to_vec()) };
    request
}

fn generator(addr: SocketAddr, request: Request) -> Generator {
    let options = GeneratorOptions { timeout: 1.0, ..GeneratorOptions::default() };
    let target = Target { addr, host: "test".into() };
    Generator::new(target, vec![request], options).unwrap()
}

/// One second of `rate` requests/s, all of them measured.
fn step(addr: SocketAddr, request: Request, rate: f64) -> Step {
    let goal: Goal = "p50<900ms".parse().unwrap();
    let stop = AtomicBool::new(false);
    let pace = Pace::Constant { rate };
    generator(addr, request).step(&pace, 1.0, 0.0, &goal, &stop).unwrap()
}

fn counts(server: &Server, request: Request) -> Counts {
    step(server.addr, request, 50.0).counts
}

/// Answers each request with these bytes.
fn answering(bytes: &'static [u8]) -> Server {
    Server::with(
        move |mut stream, _| {
            while read_request(&mut stream).is_some() && stream.write_all(bytes).is_ok() {}
        },
    )
}

#[test]
fn answers_that_drip_byte_by_byte_are_whole() {
    let server = Server::with(|mut stream, _| {
        let answer =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        while read_request(&mut stream).is_some() {
            for byte in answer {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::yield_now();
            }
        }
    });
    let counts = counts(&server, Request::get("/"));
    assert_eq!((counts.ok, counts.failed()), (50, 0), "{counts:?}");
}

#[test]
fn an_answer_to_head_ends_with_its_header() {
    let server = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    assert_eq!(counts(&server, request("HEAD", b"")).ok, 50);
    assert!(server.connections() < 30, "kept alive: {} connections", server.connections());
}

#[test]
fn what_follows_an_answer_unasked_costs_the_connection_only() {
    let at_once =
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 x\r\n\r\n");
    assert_eq!(counts(&at_once, Request::get("/")).ok, 50);
    assert!(at_once.connections() >= 50, "{} connections", at_once.connections());
    let later = Server::with(|mut stream, _| {
        while read_request(&mut stream).is_some() && stream.write_all(HELLO).is_ok() {
            ms(5);
            let _ = stream.write_all(b"garbage");
        }
    });
    // A request in each 100 ms: what follows an answer comes before the next request, also from a
    // server that a busy host lets wait.
    let step = step(later.addr, Request::get("/"), 10.0);
    assert_eq!((step.counts.ok, step.counts.failed()), (10, 0), "{step:?}");
}

#[test]
fn a_connection_that_is_said_to_close_is_not_used_again() {
    // It waits for the client to close.
    let server = answering(b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(counts(&server, Request::get("/")).ok, 50);
    assert!(server.connections() >= 50, "{} connections", server.connections());
}

#[test]
fn a_header_that_never_ends_times_out_or_is_malformed() {
    let slow = Server::with(|mut stream, _| {
        let _ = read_request(&mut stream);
        while stream.write_all(b"X").is_ok() {
            ms(20);
        }
    });
    let counts = counts(&slow, Request::get("/"));
    assert!(counts.ok == 0 && counts.malformed >= 10, "{counts:?}");
    let fields = Server::with(|mut stream, _| {
        let _ = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X: y\r\n").is_ok() {
            ms(20);
        }
    });
    let counts = self::counts(&fields, Request::get("/"));
    assert!(counts.ok == 0 && counts.timed_out >= 10, "{counts:?}");
}

#[test]
fn a_body_of_many_megabytes_is_read_to_its_end() {
    let body = vec![b'x'; 24 << 20];
    let server = Server::with(move |mut stream, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        while read_request(&mut stream).is_some()
            && stream.write_all(head.as_bytes()).is_ok()
            && stream.write_all(&body).is_ok()
        {}
    });
    let step = step(server.addr, Request::get("/"), 4.0);
    assert_eq!((step.counts.ok, step.counts.failed()), (4, 0), "{step:?}");
}

/// Whoever sends for ever, as fast as the kernel takes it, neither holds a step up nor hides
/// other requests.
#[test]
fn an_endless_answer_ends_at_the_time_out() {
    let server = Server::with(|mut stream, number| {
        if number == 0 {
            let _ = read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let flood = vec![b'x'; 1 << 20];
            while stream.write_all(&flood).is_ok() {}
        }
        while read_request(&mut stream).is_some() && stream.write_all(HELLO).is_ok() {}
    });
    let counts = counts(&server, Request::get("/"));
    assert_eq!((counts.ok, counts.timed_out), (49, 1), "{counts:?}");
}

#[test]
fn a_reset_in_the_middle_of_a_body_is_a_reset() {
    let server = Server::with(|mut stream, _| {
        let _ = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf");
        ms(2);
        let _ = set_socket_linger(&stream, Some(Duration::ZERO));
    });
    let counts = counts(&server, Request::get("/"));
    assert!(counts.ok == 0 && counts.reset >= 10, "{counts:?}");
}

/// Answers the first request on each connection and closes at the second, unread: as a server
/// does whose idle time is over. Counts what it has read.
fn forgetful(read: &Arc<AtomicUsize>) -> Server {
    let read = read.clone();
    Server::with(move |mut stream, _| {
        if read_request(&mut stream).is_some() && stream.write_all(HELLO).is_ok() {
            read.fetch_add(1, Ordering::Relaxed);
            let _ = stream.peek(&mut [0]);
        }
    })
}

#[test]
fn a_request_that_may_be_sent_twice_survives_a_connection_that_was_idle() {
    let read = Arc::new(AtomicUsize::new(0));
    let counts = counts(&forgetful(&read), Request::get("/"));
    assert_eq!((counts.ok, counts.failed()), (50, 0), "{counts:?}");
}

#[test]
fn a_post_is_never_sent_twice() {
    let read = Arc::new(AtomicUsize::new(0));
    let counts = counts(&forgetful(&read), request("POST", b"pay 5 euro"));
    let read = read.load(Ordering::Relaxed) as u64;
    assert_eq!((counts.ok, counts.ok + counts.reset), (read, counts.due()), "{counts:?}");
    assert!(counts.reset >= 10, "the server closed under it: {counts:?}");
}

#[test]
fn a_post_is_not_sent_where_the_server_has_closed() {
    // The end comes with the answer, in one segment.
    let server = Server::with(|mut stream, _| {
        let _ = read_request(&mut stream);
        let _ = rustix::net::send(&stream, HELLO, SendFlags::MORE);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read(&mut [0]);
    });
    let counts = counts(&server, request("POST", b"pay 5 euro"));
    assert_eq!((counts.ok, counts.failed()), (50, 0), "{counts:?}");
}

#[test]
fn an_answer_before_the_request_was_sent_is_an_answer() {
    let server = Server::with(|mut stream, _| {
        let _ = stream.read(&mut [0; 100]);
        let _ =
            stream.write_all(b"HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        // What comes yet is thrown away, or the kernel would reset the answer too.
        while stream.read(&mut [0; 64 << 10]).is_ok_and(|n| n > 0) {}
    });
    let step = step(server.addr, request("POST", &vec![b'x'; 2 << 20]), 5.0);
    assert_eq!(step.counts.client_error, 5, "{step:?}");
}

#[test]
fn who_accepts_and_never_reads_times_out() {
    let server = Server::with(|stream, _| {
        ms(3000);
        drop(stream);
    });
    let step = step(server.addr, request("POST", &vec![b'x'; 8 << 20]), 5.0);
    assert_eq!(step.counts.timed_out, 5, "{step:?}");
}

/// The kernel lets connections wait until the queue is full, then says nothing.
#[test]
fn who_never_accepts_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let step = step(listener.local_addr().unwrap(), Request::get("/"), 20.0);
    assert_eq!(step.outcome, Outcome::Hopeless);
    assert!(step.counts.timed_out >= 15 && step.counts.ok == 0, "{step:?}");
}

/// The kernel tries again after a second, and the requests that waited are served.
#[test]
fn who_accepts_late_still_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        ms(600);
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                while read_request(&mut stream).is_some() && stream.write_all(HELLO).is_ok() {}
            });
        }
    });
    let goal: Goal = "p50<5s".parse().unwrap();
    let stop = AtomicBool::new(false);
    let pace = Pace::Constant { rate: 20.0 };
    let step = generator(addr, Request::get("/")).step(&pace, 1.0, 0.0, &goal, &stop).unwrap();
    assert_eq!((step.counts.ok, step.counts.failed()), (20, 0), "{step:?}");
}

#[test]
fn ipv6_loopback_is_loopback() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let server = Server::on(listener, |mut stream, _| {
        while read_request(&mut stream).is_some() && stream.write_all(HELLO).is_ok() {}
    });
    assert!(server.addr.is_ipv6());
    assert_eq!(counts(&server, Request::get("/")).ok, 50);
    let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
    let target = Target { addr: mapped, host: "x".into() };
    let refused = Generator::new(target, vec![Request::get("/")], GeneratorOptions::default());
    assert!(matches!(refused, Err(MeasureError::NotLoopback(_))));
}

#[test]
fn a_stop_is_obeyed_in_the_middle_of_a_step() {
    let server = Server::with(|mut stream: TcpStream, _| {
        while read_request(&mut stream).is_some() && stream.write_all(HELLO).is_ok() {}
    });
    let stop = Arc::new(AtomicBool::new(false));
    let raised = stop.clone();
    std::thread::spawn(move || {
        ms(300);
        raised.store(true, Ordering::Relaxed);
    });
    let pace = Pace::Poisson { rate: 50.0 };
    let mut generator = generator(server.addr, Request::get("/"));
    let result = generator.step(&pace, 60.0, 0.0, &Goal::default(), &stop);
    assert!(matches!(result, Err(MeasureError::Stopped)));
}
