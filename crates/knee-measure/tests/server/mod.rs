//! A server of few manners, a thread per connection, gone when it is dropped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it behaves.
#[derive(Clone)]
pub struct Manner {
    pub answer: String,
    /// Close after the answer, without having said so.
    pub close: bool,
    /// Cut every other request on a fresh connection before a byte of the answer.
    pub every_other: bool,
    pub delay_ms: u64,
    /// One request at a time over all connections.
    pub serial: bool,
}

impl Manner {
    pub fn answer(text: &str) -> Self {
        Manner { answer: text.into(), close: false, every_other: false, delay_ms: 0, serial: false }
    }
}

pub struct Server {
    pub addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, stopped, turn) = (accepted.clone(), stop.clone(), Arc::new(Mutex::new(())));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let number = count.fetch_add(1, Ordering::Relaxed);
                let (manner, turn) = (manner.clone(), turn.clone());
                std::thread::spawn(move || serve(stream, &manner, &turn, number));
            }
        });
        Server { addr, accepted, stop }
    }

    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.addr);
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

/// Reads one request with its body.
fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ").map(str::trim));
            let length: usize = length.map_or(0, |n| n.parse().unwrap());
            let mut missing = (end + 4 + length).saturating_sub(bytes.len());
            while missing > 0 {
                missing -= stream.read(&mut piece).ok().filter(|n| *n > 0)?.min(missing);
            }
            return Some(());
        }
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..n]);
    }
}
