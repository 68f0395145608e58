//! The CPU profile of a Go process by its own net/http/pprof (<https://pkg.go.dev/net/http/pprof>).

use crate::{Profile, ProfileError, http, pprof, wait};
use knee_core::runtimes::GO_PPROF;
use knee_probe::gopages;
use knee_probe::process::Process;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;

/// How long it may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// What it may take longer than it was asked to look: it packs the profile.
const BESIDE: Duration = Duration::from_secs(20);
/// A packed profile is smaller; more is not read.
const MOST: u64 = 64 << 20;

/// Looks at a process for that long, in whole seconds.
///
/// # Errors
/// It may not be asked, serves no pprof, or answers with no profile.
pub fn profile(pid: i32, length: Duration, stop: &AtomicBool) -> Result<Profile, ProfileError> {
    let process = Process::new(pid);
    if process.stat().is_err() {
        return Err(ProfileError::Ended { pid });
    }
    if !process.is_open() {
        return Err(ProfileError::Foreign { pid });
    }
    if process.shares_network() == Some(false) {
        return Err(ProfileError::Network { pid });
    }
    let base = find(pid, &process)?;
    // pprof reads whole seconds alone, and takes 30 for what is none.
    let seconds = length.as_secs_f64().ceil().max(1.0);
    let url = format!("{base}{}profile?seconds={seconds}", gopages::PPROF);
    let patience = Duration::from_secs_f64(seconds) + BESIDE;
    let packed = interruptible(move || http::get(&url, patience, MOST), stop)?;
    let wrong = |problem| match process.stat() {
        Ok(_) => ProfileError::Pprof { at: base.clone(), problem },
        Err(_) => ProfileError::Ended { pid },
    };
    let (tree, seconds) = packed.and_then(|packed| pprof::read(&packed)).map_err(wrong)?;
    Ok(Profile { tree, seconds, one_thread: false, notes: vec![] })
}

/// Where it serves pprof: where its environment says, else at one of its own ports.
fn find(pid: i32, process: &Process) -> Result<String, ProfileError> {
    let places = gopages::places(process, process.variable(GO_PPROF).as_deref());
    if let Some(base) = places.iter().find(|base| gopages::is_pprof(process, base, PATIENCE)) {
        return Ok(base.clone());
    }
    let asked: Vec<&str> = places.iter().map(|base| base.trim_start_matches("http://")).collect();
    let asked = match asked.as_slice() {
        [] => ", it listens nowhere".into(),
        asked => format!(" (asked at {})", asked.join(", ")),
    };
    Err(ProfileError::NoPprof { pid, asked })
}

/// The result of what waits long, unless somebody asks to stop before.
fn interruptible<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
    stop: &AtomicBool,
) -> Result<T, ProfileError> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(act()));
    loop {
        match receiver.try_recv() {
            Ok(result) => return Ok(result),
            Err(TryRecvError::Disconnected) => return Err(ProfileError::Stopped),
            Err(TryRecvError::Empty) if wait(Duration::from_millis(50), stop) => {}
            Err(TryRecvError::Empty) => return Err(ProfileError::Stopped),
        }
    }
}
