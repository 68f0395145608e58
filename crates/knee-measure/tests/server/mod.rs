//! A server with a thread per connection, gone when it is dropped.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub struct Server {
    pub addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Handles each connection, which has a number, on a thread of its own.
    pub fn with(handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), handle)
    }

    pub fn on(
        listener: TcpListener,
        handle: impl Fn(TcpStream, usize) + Send + Sync + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, stopped, handle) = (accepted.clone(), stop.clone(), Arc::new(handle));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let number = count.fetch_add(1, Ordering::Relaxed);
                let handle = handle.clone();
                std::thread::spawn(move || handle(stream, number));
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

/// Reads one request with its body.
pub fn read_request(stream: &mut TcpStream) -> Option<()> {
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
