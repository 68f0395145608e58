//! `knee watch --profile`: of each service the busiest process, its profile, and the file that it is
//! drawn into.

use super::flame;
use super::known::known;
use crate::atomic;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::signals::Signals;
use knee_core::Seconds;
use knee_core::runtimes::GO_PPROF;
use knee_probe::process::Process;
use knee_profile::{Busy, Frame, Profile, ProfileError, go, node};
use knee_watch::{Found, Watched};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Shortest and longest, seconds: pprof counts whole seconds, and a profile of V8's grows by some
/// tenths of a megabyte in each.
const LENGTHS: (f64, f64) = (1.0, 300.0);
/// How long it is looked which process is the busiest.
const BUSY: Duration = Duration::from_secs(1);
/// Functions that are named.
const NAMED: usize = 5;

/// What is asked for.
pub struct Asked<'a> {
    /// How long to look.
    pub length: Seconds,
    /// The file to draw into, of one process.
    pub file: Option<&'a Path>,
}

/// The process of a service that is looked at.
struct Chosen {
    name: String,
    id: &'static str,
    pid: i32,
    /// `, the busiest of 4 processes`.
    among: String,
}

/// Takes a profile of each of these services that has one.
pub fn run(asked: &Asked, found: Vec<Found>, signals: &Signals) -> Result<Exit, Failure> {
    let (least, most) = LENGTHS;
    if !(least..=most).contains(&asked.length.0) {
        let what = format!("--profile {}: from {least} s to {most} s", asked.length);
        return Err(Failure::new(Exit::Refused, what));
    }
    let (can, cannot): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|found| found.runtime.is_some_and(|r| tells(r.id)));
    if can.is_empty() {
        return Err(nobody(&cannot));
    }
    if asked.file.is_some() && can.len() > 1 {
        let what = format!("--svg names one file, and {} services are looked at", can.len());
        return Err(Failure::new(Exit::Refused, what).remedy("name one by --pid or --port"));
    }
    for found in &cannot {
        let name = found.name();
        out::talk(&format!("{name} (pid {}): {}\n", found.root, elsewhere(found)));
    }
    let mut exit = Exit::Satisfied;
    for chosen in choose(can, signals) {
        if signals.exit().is_some() {
            break;
        }
        let path = file(&chosen, asked);
        atomic::check(&path).map_err(|e| unwritable(&path, &e))?;
        match one(&chosen, asked, signals) {
            Ok(profile) => show(&chosen, &path, &profile)?,
            Err(ProfileError::Stopped) => break,
            // The others are looked at all the same.
            Err(error) => exit = failure(&error, &chosen).report(),
        }
    }
    Ok(signals.exit().unwrap_or(exit))
}

/// What its flame graph is written to.
fn file(chosen: &Chosen, asked: &Asked) -> PathBuf {
    let own = || format!("{}-{}.svg", chosen.name.replace([' ', '/'], "-"), chosen.pid).into();
    asked.file.map_or_else(own, Path::to_path_buf)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let what = format!("{}: cannot write it: {error}", path.display());
    Failure::new(Exit::Refused, what).remedy("name another file: --svg FILE")
}

fn tells(id: &str) -> bool {
    matches!(id, "node" | "go")
}

/// What takes a profile where knee cannot.
fn elsewhere(found: &Found) -> String {
    let pid = found.root;
    match found.runtime.map(|runtime| runtime.id) {
        Some("gunicorn" | "uvicorn" | "celery") => format!(
            "CPython has no way to be asked; py-spy record --pid {pid} --subprocesses draws a flame graph of it"
        ),
        Some("php-fpm" | "octane") => {
            "PHP has no way to be asked; phpspy, or the profiler of Xdebug or Excimer, takes one"
                .into()
        }
        _ => format!("it has no profiler that can be asked; perf record --pid {pid} -g takes one"),
    }
}

fn nobody(cannot: &[Found]) -> Failure {
    let named = |found: &Found| format!("{} (pid {})", found.name(), found.root);
    let names: Vec<String> = cannot.iter().map(named).collect();
    let what = format!(
        "--profile is for Node.js and Go, and here is {}",
        if names.is_empty() { "neither".into() } else { names.join(", ") }
    );
    let failure = Failure::new(Exit::Nothing, what);
    match cannot.first() {
        Some(first) => failure.remedy(elsewhere(first)),
        None => failure,
    }
}

/// Of each service the process that used most CPU within a second; the only one where it has one.
fn choose(found: Vec<Found>, signals: &Signals) -> Vec<Chosen> {
    let roots: Vec<i32> = found.iter().map(|found| found.root).collect();
    let watched: Vec<(Found, Vec<i32>)> = found
        .into_iter()
        .map(|found| (found, Watched::new(known(found, &roots, None)).workers().to_vec()))
        .collect();
    let cpu = |pid: &i32| Process::new(*pid).stat().map_or(0.0, |stat| stat.cpu);
    let before: Vec<Vec<f64>> =
        watched.iter().map(|(_, pids)| pids.iter().map(cpu).collect()).collect();
    if watched.iter().any(|(_, pids)| pids.len() > 1) && signals.exit().is_none() {
        std::thread::sleep(BUSY);
    }
    let chosen = watched.into_iter().zip(before).filter_map(|((found, pids), before)| {
        let used = pids.iter().zip(before).map(|(pid, before)| (*pid, cpu(pid) - before));
        let (pid, _) = used.max_by(|a, b| a.1.total_cmp(&b.1))?;
        let among = match pids.len() {
            1 => String::new(),
            n => format!(", the busiest of {n} processes"),
        };
        Some(Chosen { name: found.name(), id: found.runtime?.id, pid, among })
    });
    chosen.collect()
}

fn one(chosen: &Chosen, asked: &Asked, signals: &Signals) -> Result<Profile, ProfileError> {
    let Chosen { name, id, pid, among } = chosen;
    out::talk(&format!("{name} (pid {pid}){among}: looking for {}\n", asked.length));
    let length = Duration::from_secs_f64(asked.length.0);
    match *id {
        "node" => node::profile(*pid, length, signals.stop()),
        _ => go::profile(*pid, length, signals.stop()),
    }
}

/// Writes the file, and says where most of the time went.
fn show(chosen: &Chosen, path: &Path, profile: &Profile) -> Result<(), Failure> {
    let Chosen { name, pid, among, .. } = chosen;
    let cpu = profile.tree.seconds();
    let busy = cpu / profile.seconds.max(f64::MIN_POSITIVE);
    let used = match profile.one_thread {
        true => format!("its event loop was busy {:.0} % of the time", busy * 100.0),
        false => format!("it used {busy:.2} cores"),
    };
    let title = format!("{name} (pid {pid}){among}");
    let note = format!("{:.1} s: {used}; the whole width is {cpu:.2} s of CPU", profile.seconds);
    let drawn = flame::svg(&profile.tree, &title, &note);
    atomic::write(path, &drawn).map_err(|e| unwritable(path, &e))?;
    let mut text = format!("{title}, {:.1} s: {used}\n", profile.seconds);
    for Busy { frame, from, seconds } in profile.tree.busiest(NAMED) {
        let from = from.map_or(String::new(), |from| format!(", from {}", named(from)));
        text.push_str(&format!("  {:>3.0} %  {}{from}\n", 100.0 * seconds / cpu, named(frame)));
    }
    text.push_str(&format!("  drawn: {}\n", path.display()));
    profile.notes.iter().for_each(|note| text.push_str(&format!("  note: {note}\n")));
    out::data(&text)
}

/// A function with its place, where it has one.
fn named(frame: &Frame) -> String {
    let at = flame::place(&frame.file, frame.line).map_or(String::new(), |at| format!(" {at}"));
    format!("{}{at}", frame.function)
}

/// With what to do about it.
fn failure(error: &ProfileError, chosen: &Chosen) -> Failure {
    let exit = match error {
        ProfileError::Ended { .. } | ProfileError::NoPprof { .. } => Exit::Nothing,
        _ => Exit::Refused,
    };
    let failure = Failure::new(exit, error.to_string());
    let pid = chosen.pid;
    match error {
        ProfileError::Foreign { .. } => failure.remedy("run knee as root or as that user"),
        ProfileError::Network { .. } => failure.remedy(format!(
            "run knee in a container of the same task, or by nsenter --net --target {pid}"
        )),
        ProfileError::Deaf { .. } => failure.remedy(
            "wait until it has started; where it was started with --disable-sigusr1, start it with --inspect instead",
        ),
        ProfileError::Taken { .. } => failure.remedy(
            "end that one's inspection, or start the service with a port that is free, --inspect-port=N in NODE_OPTIONS",
        ),
        ProfileError::Silent { .. } => failure.remedy(
            "a native call may hold up its event loop, then it opens later and stays open; or the program handles \
             SIGUSR1 itself: start it with --inspect",
        ),
        ProfileError::NoPprof { .. } => failure.remedy(format!(
            "import _ \"net/http/pprof\" and serve http.DefaultServeMux on a port of its own; where that is another \
             address, the service's environment names it: {GO_PPROF}=http://127.0.0.1:6060"
        )),
        _ => failure,
    }
}
