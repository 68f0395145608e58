//! The examples' backend as a process, for the benchmarks that need it: each takes this file in by its
//! path, as benchmarks of several crates have no other module in common.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the examples ask.
const PORT: u16 = 9400;
/// Longer than it takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// The backend. What this started ends with it; one that was there before stays.
pub struct Backend(Option<Child>);

impl Backend {
    /// Waits until it answers.
    pub fn start() -> Result<Backend, Box<dyn std::error::Error>> {
        let there = || TcpStream::connect(("127.0.0.1", PORT)).is_ok();
        if there() {
            return Ok(Backend(None));
        }
        // All crates lie side by side.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/backend/server.js");
        let mut child = Command::new("node").arg(script).stdout(Stdio::null()).spawn()?;
        let began = Instant::now();
        while !there() {
            if began.elapsed() > PATIENCE || child.try_wait()?.is_some() {
                let _ = child.kill();
                let _ = child.wait();
                return Err("the examples' backend does not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Backend(Some(child)))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
