//! What watching costs: knee-run's own CPU and memory beside gunicorn with 32 workers, at the default
//! interval, watching and not watching.

use knee_probe::process::{Process, with_descendants};
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_knee-run");
const WORKERS: usize = 32;
/// As long as is looked; SECONDS in the environment names another length.
const SECONDS: u64 = 120;
const APP: &str = "def app(e, s):\n    s('200 OK', [])\n    return [b'ok']\n";

fn main() {
    let seconds = std::env::var("SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(SECONDS);
    println!("knee-run beside {WORKERS} idle gunicorn workers, {seconds} s:");
    for (name, flags) in [
        ("watching nothing", &["--watch-every", "0s"][..]),
        ("watching, as by default", &[]),
        ("watching, with metrics", &["--metrics", "127.0.0.1:0", "--emf"]),
    ] {
        let (cpu, pss) = beside(flags, Duration::from_secs(seconds));
        println!("{name}: {:.3} % of a core, {:.2} MB PSS", cpu * 100.0, pss as f64 / 1e6);
    }
}

/// Cores that knee-run used, and its PSS at the end.
fn beside(flags: &[&str], length: Duration) -> (f64, u64) {
    let folder = std::env::temp_dir().join(format!("knee-watch-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("app.py"), APP).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bind = format!("127.0.0.1:{port}");
    let mut command = Command::new(PROGRAM);
    command.args(flags).args(["--serve-for", "0s", "--", "gunicorn", "--no-control-socket"]);
    command.args(["-w", &WORKERS.to_string(), "-b", &bind, "app:app"]).current_dir(&folder);
    let null = Stdio::null;
    let mut child = command.stdin(null()).stdout(null()).stderr(null()).spawn().unwrap();
    let pid = child.id().cast_signed();
    // Itself, gunicorn's master, and the workers.
    while with_descendants(&[pid]).len() < WORKERS + 2 {
        assert!(child.try_wait().unwrap().is_none(), "gunicorn does not run");
        std::thread::sleep(Duration::from_millis(200));
    }
    // Past the start, when it looks for services after each sample.
    std::thread::sleep(Duration::from_secs(70));
    let used = || Process::new(pid).stat().unwrap().cpu;
    let (before, began) = (used(), Instant::now());
    std::thread::sleep(length);
    let cpu = (used() - before) / began.elapsed().as_secs_f64();
    let pss = Process::new(pid).pss().unwrap().0;
    let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    let _ = child.wait();
    let _ = fs::remove_dir_all(folder);
    (cpu, pss)
}
