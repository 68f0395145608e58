//! One request alone on its own connection: what does the target say to it?

use crate::MeasureError;
use crate::answer::{Answer, AtClose, Progress};
use crate::message::Message;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest wait between two looks at `stop`.
const LOOK: Duration = Duration::from_millis(100);

/// Sends a request and waits for its answer, at most `timeout` seconds: its status, or what went
/// wrong, and how long that took.
///
/// # Errors
/// `stop` said so meanwhile.
pub(crate) fn ask(
    addr: SocketAddr,
    message: &Message,
    timeout: f64,
    stop: &AtomicBool,
) -> Result<(Result<u16, String>, f64), MeasureError> {
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(timeout);
    let status = exchange(addr, message, until, stop);
    if stop.load(Ordering::Relaxed) {
        return Err(MeasureError::Stopped);
    }
    Ok((status, began.elapsed().as_secs_f64()))
}

fn exchange(
    addr: SocketAddr,
    message: &Message,
    until: Instant,
    stop: &AtomicBool,
) -> Result<u16, String> {
    let words = |error: io::Error| match is_silence(&error) {
        true => "no answer in time".to_string(),
        false => error.to_string(),
    };
    let mut stream = TcpStream::connect_timeout(&addr, left(until)).map_err(words)?;
    stream.set_write_timeout(Some(left(until))).map_err(words)?;
    // A server may answer and close before it has read everything: read what it said.
    let sent = stream.write_all(&message.bytes);
    let mut answer = Answer::new();
    answer.expect(message.head);
    let mut buffer = vec![0; 64 << 10];
    loop {
        stream.set_read_timeout(Some(left(until).min(LOOK))).map_err(words)?;
        let n = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_silence(&error) && goes_on(until, stop) => continue,
            Err(error) => return Err(words(sent.err().unwrap_or(error))),
            Ok(n) => n,
        };
        if n == 0 {
            return match answer.at_close() {
                AtClose::Complete => Ok(answer.status),
                AtClose::Nothing => Err("closed without an answer".into()),
                AtClose::Short => Err("closed before the end of the announced body".into()),
                AtClose::Cut => Err("closed in the middle of the answer".into()),
            };
        }
        match answer.feed(&buffer[..n]) {
            Ok(Progress::Done { .. }) => return Ok(answer.status),
            Ok(Progress::More) => {}
            Err(_) => return Err("the answer is not HTTP/1.1".into()),
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn goes_on(until: Instant, stop: &AtomicBool) -> bool {
    Instant::now() < until && !stop.load(Ordering::Relaxed)
}

/// Time left; never zero, which would mean for ever.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
