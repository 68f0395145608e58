//! The page that Prometheus asks for: whatever the path, the latest metrics.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long whoever asks may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The latest metrics, shared between who writes and who serves them.
#[derive(Clone, Default)]
pub struct Page(Arc<Mutex<String>>);

impl Page {
    /// Puts new ones in their place.
    pub fn put(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Listens there.
///
/// # Errors
/// The port is taken, or not allowed.
pub fn open(at: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(at)
}

/// Answers one after the other, without end. Who is slow is left.
pub fn serve(listener: &TcpListener, page: &Page) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => drop(answer(stream, &page.text())),
            // No descriptor is left: one may be, later.
            Err(_) => std::thread::sleep(PATIENCE),
        }
    }
}

fn answer(mut stream: TcpStream, text: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; 1024];
    let length = stream.read(&mut request)?;
    let request = request.get(..length).unwrap_or_default();
    let head = match request.starts_with(b"GET ") {
        true => "200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8",
        false => "405 Method Not Allowed\r\nAllow: GET",
    };
    let body = if request.starts_with(b"GET ") { text } else { "" };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())
}
