//! Load that comes and goes: a tide, bursts, pauses; each client waits by chance for its next request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Requests/s of all clients in the mean.
const RATE: f64 = 100.0;
const CLIENTS: u64 = 4;
/// Seconds of a tide: an hour of a day, as fast as all else here.
const TIDE: f64 = 72.0;
/// Seconds of each stretch, which may be a burst or a pause.
const STRETCH: f64 = 3.0;

/// Asks until it is to stop; how many requests were answered.
pub fn on(port: u16, seed: u64, stop: &AtomicBool) -> u64 {
    let answered = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let answered = &answered;
            scope.spawn(move || {
                let mut chance =
                    Chance(seed.wrapping_mul(CLIENTS).wrapping_add(client + 1) << 16 | 1);
                while !stop.load(Ordering::Relaxed) {
                    if ask(port) {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    let rate = RATE / CLIENTS as f64 * course(seed, began.elapsed().as_secs_f64());
                    let wait = -chance.unit().max(1e-9).ln() / rate;
                    std::thread::sleep(Duration::from_secs_f64(wait.min(1.0)));
                }
            });
        }
    });
    answered.into_inner()
}

/// The rate at a time over its mean. All clients see the same bursts and pauses.
fn course(seed: u64, at: f64) -> f64 {
    let tide = 1.0 + 0.8 * (at / TIDE * std::f64::consts::TAU).sin();
    let stretch = (at / STRETCH) as u64;
    let kind = Chance((seed ^ 0x9e37_79b9) << 20 | stretch << 1 | 1).unit();
    tide * match kind {
        ..0.1 => 0.05,
        0.9.. => 2.5,
        _ => 1.0,
    }
}

/// Numbers by chance that are the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        for _ in 0..4 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
        }
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn ask(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut answer = String::new();
    let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    sent.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("done")
}
