//! The generator against small real servers on loopback.

mod server;

use knee_core::Goal;
use knee_core::observe::{Outcome, Step};
use knee_core::workload::{Body, Request};
use knee_measure::{Generator, GeneratorOptions, MeasureError, Pace, Target};
use server::{Server, read_request};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// How it behaves.
#[derive(Clone)]
struct Manner {
    answer: String,
    /// Close after the answer, without having said so.
    close: bool,
    /// Cut every other request on a fresh connection before a byte of the answer.
    every_other: bool,
    delay_ms: u64,
    /// One request at a time over all connections.
    serial: bool,
}

impl Manner {
    fn answer(text: &str) -> Self {
        Manner { answer: text.into(), close: false, every_other: false, delay_ms: 0, serial: false }
    }
}

fn serve(mut stream: TcpStream, manner: &Manner, turn: &Mutex<()>, number: usize) {
    while read_request(&mut stream).is_some() {
        {
            let _turn = manner.serial.then(|| turn.lock().unwrap());
            std::thread::sleep(Duration::from_millis(manner.delay_ms));
        }
        if manner.every_other {
            // A fresh connection each time, so that no retry hides the cut.
            if number.is_multiple_of(2) {
                return;
            }
            let closing = manner.answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            let _ = stream.write_all(closing.as_bytes());
            return;
        }
        if stream.write_all(manner.answer.as_bytes()).is_err() || manner.close {
            return;
        }
    }
}

fn start(manner: Manner) -> Server {
    let turn = Mutex::new(());
    Server::with(move |stream, number| serve(stream, &manner, &turn, number))
}

fn generator(addr: SocketAddr, request: Request, options: GeneratorOptions) -> Generator {
    Generator::new(Target { addr, host: "test".into() }, vec![request], options).unwrap()
}

/// One second of 100 requests/s.
fn step_with(addr: SocketAddr, request: Request, options: GeneratorOptions) -> Step {
    let goal: Goal = "p99<500ms".parse().unwrap();
    let pace = Pace::Poisson { rate: 100.0 };
    let stop = AtomicBool::new(false);
    generator(addr, request, options).step(&pace, 1.0, 0.2, &goal, &stop).unwrap()
}

fn step(server: &Server) -> Step {
    let options = GeneratorOptions { timeout: 1.0, ..GeneratorOptions::default() };
    step_with(server.addr, Request::get("/"), options)
}

#[test]
fn a_good_server_answers_everything() {
    let server = start(Manner::answer(OK));
    let step = step(&server);
    assert_eq!((step.counts.ok, step.counts.failed()), (100, 0));
    assert_eq!(step.outcome, Outcome::Held, "{step:?}");
    assert!(step.latency.p50 > 0.0 && step.latency.p50 <= step.latency.max);
    assert!(server.connections() < 60, "kept alive: {} connections", server.connections());
}

#[test]
fn bodies_end_by_length_by_chunks_and_by_closing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let counts = step(&start(Manner::answer(answer))).counts;
        assert_eq!((counts.ok, counts.failed()), (100, 0), "{answer:?}");
    }
    let closing = Manner { close: true, ..Manner::answer("HTTP/1.1 200 OK\r\n\r\nhello") };
    let server = start(closing);
    assert_eq!(step(&server).counts.ok, 100);
    assert!(server.connections() >= 100, "a connection per request");
}

#[test]
fn a_server_that_closes_without_saying_so_loses_nothing() {
    let counts = step(&start(Manner { close: true, ..Manner::answer(OK) })).counts;
    assert_eq!((counts.ok, counts.failed()), (100, 0));
}

#[test]
fn every_kind_of_failure_is_counted_apart() {
    let closing = |text| Manner { close: true, ..Manner::answer(text) };
    let count = |manner| step(&start(manner)).counts;
    let bad = |status| format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
    let (error, missing) = (bad(503), bad(404));
    assert!(count(Manner::answer(&error)).server_error >= 10);
    assert!(count(Manner::answer(&missing)).client_error >= 10);
    assert!(count(Manner::answer("SSH-2.0-x\r\n\r\n")).malformed >= 10);
    assert!(count(closing("")).reset >= 10);
    assert!(count(closing("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")).short_body >= 10);
    let silent = count(Manner::answer(""));
    assert!(silent.timed_out >= 10 && silent.ok == 0, "{silent:?}");
}

#[test]
fn every_request_that_is_due_has_one_end() {
    let failing = Manner { every_other: true, ..Manner::answer(OK) };
    let counts = step(&start(failing)).counts;
    assert!(counts.ok > 0 && counts.reset + counts.ok == counts.due(), "{counts:?}");
}

#[test]
fn nobody_listening_is_refused() {
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let step = step_with(addr, Request::get("/"), GeneratorOptions::default());
    assert_eq!(step.outcome, Outcome::Hopeless);
    assert!(step.counts.refused >= 10 && step.counts.ok == 0, "{step:?}");
}

#[test]
fn a_client_error_may_be_what_the_target_says_when_idle() {
    let server = start(Manner::answer("HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n"));
    let options = GeneratorOptions { client_errors_ok: true, ..GeneratorOptions::default() };
    assert_eq!(step_with(server.addr, Request::get("/"), options).counts.ok, 100);
}

#[test]
fn a_large_request_arrives_whole() {
    let server = start(Manner::answer(OK));
    let mut post = Request::get("/");
    post.method = "POST".into();
    post.body = Body::Inline(vec![b'x'; 3 << 20]);
    let generator = generator(server.addr, post, GeneratorOptions::default());
    let stop = AtomicBool::new(false);
    let reply = generator.ask(&stop).unwrap().remove(0);
    assert_eq!(reply.status, Ok(200));
    let goal: Goal = "p50<5s".parse().unwrap();
    let mut generator = generator;
    let step = generator.step(&Pace::Constant { rate: 5.0 }, 1.0, 0.0, &goal, &stop).unwrap();
    assert_eq!(step.counts.ok, 5, "{step:?}");
}

#[test]
fn a_full_queue_is_hopeless_soon() {
    // One connection at a time, 50 ms each: 20 requests/s.
    let slow = Manner { delay_ms: 50, serial: true, ..Manner::answer(OK) };
    let server = start(slow);
    let goal: Goal = "p99<100ms".parse().unwrap();
    let mut generator = generator(server.addr, Request::get("/"), GeneratorOptions::default());
    let stop = AtomicBool::new(false);
    let pace = Pace::Poisson { rate: 200.0 };
    let step = generator.step(&pace, 20.0, 0.2, &goal, &stop).unwrap();
    assert_eq!(step.outcome, Outcome::Hopeless);
    assert!(step.seconds < 10.0, "{step:?}");
    assert!(step.throughput < 25.0, "{step:?}");
}

#[test]
fn latency_counts_from_due_under_a_connection_limit() {
    // One connection and 20 ms an answer: the tenth of ten at once waits for nine others.
    let server = start(Manner { delay_ms: 20, ..Manner::answer(OK) });
    let options = GeneratorOptions { max_connections: 1, ..GeneratorOptions::default() };
    let mut generator = generator(server.addr, Request::get("/"), options);
    let goal: Goal = "p99<5s".parse().unwrap();
    let stop = AtomicBool::new(false);
    let pace = Pace::Steps(vec![(1000.0, 0.01), (0.0, 1.0)]);
    let step = generator.step(&pace, 0.5, 0.0, &goal, &stop).unwrap();
    assert_eq!(step.counts.ok, 10);
    assert!(step.latency.max >= 0.180, "{step:?}");
    assert!(step.validity.caveats[0].contains("no more than 1 connections"), "{step:?}");
}

#[test]
fn a_stop_is_obeyed() {
    let server = start(Manner::answer(OK));
    let mut generator = generator(server.addr, Request::get("/"), GeneratorOptions::default());
    let stop = AtomicBool::new(true);
    let pace = Pace::Poisson { rate: 10.0 };
    let result = generator.step(&pace, 60.0, 0.0, &Goal::default(), &stop);
    assert!(matches!(result, Err(MeasureError::Stopped)));
}

#[test]
fn other_hosts_are_refused_unless_meant() {
    let target = Target { addr: "192.0.2.1:80".parse().unwrap(), host: "x".into() };
    let new = |allow_host| {
        let options = GeneratorOptions { allow_host, ..GeneratorOptions::default() };
        Generator::new(target.clone(), vec![Request::get("/")], options)
    };
    let error = new(false).err().unwrap().to_string();
    assert!(error.contains("192.0.2.1:80 is not a loopback address"), "{error}");
    assert!(new(true).is_ok());
}

#[test]
fn a_rate_beyond_the_generator_is_not_blamed_on_the_service() {
    // A hundred requests/s at most, fewer than any machine's generator makes.
    let server = start(Manner { delay_ms: 10, serial: true, ..Manner::answer(OK) });
    let mut generator = generator(server.addr, Request::get("/"), GeneratorOptions::default());
    let stop = AtomicBool::new(false);
    let ceiling = generator.calibrate(&stop).unwrap();
    assert!(ceiling.rate > 100.0, "{ceiling:?}");
    let pace = Pace::Poisson { rate: 2.0 * ceiling.rate };
    let step = generator.step(&pace, 0.5, 0.0, &Goal::default(), &stop).unwrap();
    assert_ne!(step.outcome, Outcome::Held);
    let reasons = step.validity.invalid.join("; ");
    assert!(reasons.contains("more than the generator can make here"), "{reasons}");
}

#[test]
fn the_target_is_asked_before_it_is_loaded() {
    let stop = AtomicBool::new(false);
    let server = start(Manner::answer("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"));
    let ask = |addr| {
        let options = GeneratorOptions { timeout: 0.3, ..GeneratorOptions::default() };
        generator(addr, Request::get("/orders"), options).ask(&stop).unwrap().remove(0)
    };
    let reply = ask(server.addr);
    assert_eq!((reply.request, reply.status), (0, Ok(404)));
    let silent = start(Manner::answer(""));
    assert_eq!(ask(silent.addr).status, Err("no answer in time".into()));
    let closing = start(Manner { close: true, ..Manner::answer("") });
    assert_eq!(ask(closing.addr).status, Err("closed without an answer".into()));
    stop.store(true, Ordering::Relaxed);
    let generator = generator(silent.addr, Request::get("/"), GeneratorOptions::default());
    assert!(matches!(generator.ask(&stop), Err(MeasureError::Stopped)), "it does not wait");
}
