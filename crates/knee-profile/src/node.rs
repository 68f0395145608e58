//! The CPU profile of a Node.js process by its inspector. Where that is not open, SIGUSR1 opens it at
//! 127.0.0.1:9229 (<https://nodejs.org/api/process.html#signal-events>), and it is closed again.

use crate::inspector::{Inspector, Wrong};
use crate::{Profile, ProfileError, v8, wait};
use knee_probe::process::Process;
use knee_probe::sockets::{self, Listener};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Where Node.js opens its inspector unless told otherwise.
const PORT: u16 = 9229;
/// How long it is waited for until it does, or has closed it.
const OPENS: Duration = Duration::from_secs(10);
/// Options of Node.js that take the next word where they have no `=`
/// (<https://nodejs.org/api/cli.html#options>).
const VALUED: [&str; 11] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-C",
    "--conditions",
    "--env-file",
    "--title",
    "--inspect-port",
    "--debug-port",
];
/// Between two samples, microseconds: V8's own default.
const EVERY: u32 = 1000;
/// How long a process that starts may take until it listens to the signal.
const STARTS: Duration = Duration::from_secs(5);
/// Closes the inspector, when this answer has gone out. `require` is there while this is evaluated and not
/// later; what is thrown later would end the service.
const CLOSE: &str = "{
    const { close } = require('node:inspector');
    setImmediate(() => { try { close(); } catch {} });
}";

/// Looks at a process for that long.
///
/// # Errors
/// It may not be asked, opens no inspector, or answers otherwise than an inspector does.
pub fn profile(pid: i32, length: Duration, stop: &AtomicBool) -> Result<Profile, ProfileError> {
    let process = Process::new(pid);
    if process.stat().is_err() {
        return Err(ProfileError::Ended { pid });
    }
    if process.shares_network() == Some(false) {
        return Err(ProfileError::Network { pid });
    }
    let port = port(&process.argv(), process.variable("NODE_OPTIONS").as_deref());
    if let Some(at) =
        own(&process).iter().find(|l| l.port() == Some(port)).and_then(Listener::reached)
    {
        return talk(pid, at, length, stop, false).map_err(|wrong| told(pid, wrong));
    }
    let at = open(pid, port, stop)?;
    let taken = talk(pid, at, length, stop, true);
    let left =
        (!is_closed(&process, at.port())).then(|| format!("its inspector is still open at {at}"));
    match (taken, left) {
        (Ok(mut profile), left) => {
            profile.notes.extend(left);
            Ok(profile)
        }
        (Err(Wrong::Said(problem)), Some(left)) => {
            Err(told(pid, Wrong::Said(format!("{problem}; {left}"))))
        }
        (Err(wrong), _) => Err(told(pid, wrong)),
    }
}

fn told(pid: i32, wrong: Wrong) -> ProfileError {
    match wrong {
        Wrong::Stopped => ProfileError::Stopped,
        Wrong::Said(_) if Process::new(pid).stat().is_err() => ProfileError::Ended { pid },
        Wrong::Said(problem) => ProfileError::Inspector { pid, problem },
    }
}

/// What it listens on.
fn own(process: &Process) -> Vec<Listener> {
    let held: HashSet<u64> = process.sockets().into_iter().collect();
    sockets::listening().into_iter().filter(|l| held.contains(&l.inode)).collect()
}

/// The port that its options name for the inspector: `--inspect=127.0.0.1:9230`, `--inspect-port 0`. Those
/// behind the script's name are the script's own.
fn port(argv: &[String], options: Option<&str>) -> u16 {
    let words = options.unwrap_or_default().split_whitespace();
    let own = given(argv.iter().skip(1).map(String::as_str));
    let named = given(words).chain(own.take_while(|(name, _)| !name.is_empty()));
    let named = named.filter_map(|(name, value)| {
        let inspects = name.starts_with("--inspect") || name == "--debug-port";
        let port = value.rsplit(':').next()?;
        inspects.then(|| port.parse().ok()).flatten()
    });
    named.last().unwrap_or(PORT)
}

/// Options, each with its value: behind `=`, or the next word where it needs one; a word that is no option
/// has no name.
fn given<'a>(mut words: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    std::iter::from_fn(move || {
        let word = words.next()?;
        Some(match word.split_once('=') {
            _ if !word.starts_with('-') => ("", word),
            Some(given) => given,
            None if VALUED.contains(&word) => (word, words.next().unwrap_or_default()),
            None => (word, ""),
        })
    })
}

/// Waits until it listens to the signal: a process that does not ends by it.
fn listens(pid: i32, process: &Process, stop: &AtomicBool) -> Result<(), ProfileError> {
    let until = Instant::now() + STARTS;
    loop {
        match process.catches(Signal::USR1.as_raw()) {
            Ok(true) => return Ok(()),
            Ok(false) if Instant::now() > until => return Err(ProfileError::Deaf { pid }),
            Ok(false) if wait(Duration::from_millis(20), stop) => {}
            Ok(false) => return Err(ProfileError::Stopped),
            Err(_) => return Err(ProfileError::Ended { pid }),
        }
    }
}

/// Has it open its inspector; where that is then.
fn open(pid: i32, port: u16, stop: &AtomicBool) -> Result<SocketAddr, ProfileError> {
    let process = Process::new(pid);
    listens(pid, &process, stop)?;
    let before: HashSet<u64> = own(&process).iter().map(|l| l.inode).collect();
    let taken = |l: &Listener| port != 0 && l.port() == Some(port);
    if process.is_open() && sockets::listening().iter().any(taken) {
        return Err(ProfileError::Taken { pid, port, by: holder(port) });
    }
    match Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::USR1)) {
        Some(Ok(())) => {}
        Some(Err(rustix::io::Errno::PERM)) => return Err(ProfileError::Foreign { pid }),
        _ => return Err(ProfileError::Ended { pid }),
    }
    let until = Instant::now() + OPENS;
    while Instant::now() < until {
        let new = own(&process)
            .into_iter()
            .find(|l| !before.contains(&l.inode) && (port == 0 || l.port() == Some(port)));
        if let Some(at) = new.as_ref().and_then(Listener::reached) {
            return Ok(at);
        }
        if process.stat().is_err() {
            return Err(ProfileError::Ended { pid });
        }
        // Also when somebody asks to stop: what opens has to be closed again.
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(ProfileError::Silent { pid, waited: OPENS })
}

fn holder(port: u16) -> String {
    let first = sockets::holders(port).first().copied();
    first.map_or(String::new(), |pid| format!(" by {} (pid {pid})", Process::new(pid).name()))
}

fn is_closed(process: &Process, port: u16) -> bool {
    let until = Instant::now() + OPENS;
    while own(process).iter().any(|l| l.port() == Some(port)) {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Profiles; and closes the inspector, whatever became of that, where it was opened for this.
fn talk(
    pid: i32,
    at: SocketAddr,
    length: Duration,
    stop: &AtomicBool,
    close: bool,
) -> Result<Profile, Wrong> {
    let mut inspector = Inspector::connect(at, stop)?;
    let taken = take(pid, &mut inspector, length, stop);
    if close {
        let params = json!({ "expression": CLOSE, "includeCommandLineAPI": true });
        inspector.tell("Runtime.evaluate", &params);
    }
    taken
}

fn take(
    pid: i32,
    inspector: &mut Inspector<'_>,
    length: Duration,
    stop: &AtomicBool,
) -> Result<Profile, Wrong> {
    let none = json!({});
    inspector.ask("Profiler.enable", &none)?;
    inspector.ask("Profiler.setSamplingInterval", &json!({ "interval": EVERY }))?;
    inspector.ask("Profiler.start", &none)?;
    let whole = wait_for(pid, length, stop);
    if !whole {
        inspector.tell("Profiler.disable", &none);
        return Err(Wrong::Stopped);
    }
    let answer = inspector.ask("Profiler.stop", &none)?;
    let written = answer.get("profile").map(ToString::to_string).unwrap_or_default();
    let (tree, seconds) = v8::read(written.as_bytes()).map_err(Wrong::Said)?;
    inspector.ask("Profiler.disable", &none)?;
    Ok(Profile { tree, seconds, one_thread: true, notes: vec![] })
}

/// Waits while it lives; false when somebody asked to stop.
fn wait_for(pid: i32, length: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + length;
    while Process::new(pid).stat().is_ok_and(|stat| !stat.is_dead()) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if !wait(left.min(Duration::from_millis(200)), stop) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_its_options_name() {
        let named = |line: &str, options| {
            let argv: Vec<String> = line.split(' ').map(String::from).collect();
            port(&argv, options)
        };
        assert_eq!(named("node server.js", None), 9229);
        assert_eq!(named("node --inspect server.js", None), 9229);
        assert_eq!(named("node --inspect=0.0.0.0:9300 server.js", None), 9300);
        assert_eq!(named("node --inspect-port=0 server.js", None), 0);
        assert_eq!(named("node --inspect-port 9301 server.js", None), 9301);
        assert_eq!(named("node -r ./tracing.js --inspect=9302 server.js", None), 9302);
        assert_eq!(named("node --require", None), 9229);
        assert_eq!(named("node server.js --inspect=1", None), 9229, "the script's own");
        assert_eq!(named("node server.js", Some("--max-old-space-size=9 --inspect=9301")), 9301);
        assert_eq!(named("node server.js", Some("-r ./a.js x --inspect-port 9303")), 9303);
    }

    #[test]
    fn who_would_die_of_the_signal_is_not_sent_it() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = sleeper.id().cast_signed();
        let stop = AtomicBool::new(false);
        let error = profile(pid, Duration::from_secs(1), &stop).unwrap_err();
        assert!(matches!(error, ProfileError::Deaf { .. }), "{error}");
        assert!(sleeper.try_wait().unwrap().is_none(), "it lives");
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        let error = profile(pid, Duration::from_secs(1), &stop).unwrap_err();
        assert!(matches!(error, ProfileError::Ended { .. }), "{error}");
    }
}
