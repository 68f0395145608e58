//! The command line. Written by hand: a parser would be half of this small program.

use crate::init::Passing;
use crate::log::say;
use crate::watch::{self, Collector};
use knee_core::Seconds;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` says.
pub const HELP: &str = "\
The container's entrypoint: fills in what was left open (workers, heap, threads) as its task's real
size allows, is the init of what it starts, and stops that without losing a request.

usage: knee run [FLAGS] [--] COMMAND [ARGUMENT ...]
       knee run [FLAGS] --processes FILE
       knee doctor
As the small program `knee-run` it is called without `run`: knee-run [--] COMMAND, knee-run doctor.

  --dry-run            say what is seen and would be filled in, start nothing
  --keep               fill in nothing: only be the init
  --lock FILE          what was measured of the service [default: knee.lock, where it is there]
  --processes FILE     start several: a line `NAME: COMMAND` for each, in this order; NAME (listens)
                       has the next one wait for it, NAME (optional) may end before the others
  --serve-for TIME     go on serving that long after a stop signal, as the load balancer may still
                       send requests [default: 5s]
  --stop-timeout TIME  the task definition's stopTimeout, after which ECS kills [default: 30s]
  --rewrite FROM:TO    pass signal FROM on as TO, such as TERM:QUIT; TO 0 passes nothing on
  --group              pass signals on to all of the command's process group
  --watch-every TIME   between two samples of the service, 100ms at least; 0s watches nothing
                       [default: 5s]
  --metrics [AT:]PORT  metrics for Prometheus, on every address if none is named [KNEE_METRICS]
  --emf                metrics for CloudWatch as lines on standard output [KNEE_EMF=1]
  --otlp URL           metrics for an OpenTelemetry collector at http://HOST:PORT, in JSON
                       [OTEL_EXPORTER_OTLP_ENDPOINT]
  --recycle            replace workers that leak, one at a time (gunicorn, PHP-FPM)
  -h, --help           print this
  -V, --version        print the version

Examples:
  knee run -- gunicorn app:app
  knee run --dry-run -- node server.js          what it would fill in, and why
  knee run --serve-for 10s -- ./served

doctor prints what is seen of limits, cgroups and ECS metadata, without secrets: for a bug report.
Exit codes: the command's own; 128+n when signal n ended it; 127 not found, 126 not executable,
125 a failure of knee-run itself.
";

/// Between two samples, unless it is said otherwise.
const EVERY: Duration = Duration::from_secs(5);
/// The same at least: a sample costs some reads of `/proc` for each process.
const LEAST: Duration = Duration::from_millis(100);

/// Flags without a value.
const SWITCHES: [&str; 7] =
    ["--help", "--version", "--dry-run", "--keep", "--emf", "--recycle", "--group"];

/// What is asked for.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// Its usage.
    Help,
    /// Its version.
    Version,
    /// What it sees.
    Doctor,
    /// To start a command.
    Run(Box<Options>),
}

/// How a command is run.
#[derive(Debug, PartialEq)]
pub struct Options {
    /// Say what would be done, start nothing.
    pub dry_run: bool,
    /// Only be the init.
    pub keep: bool,
    /// What was measured of the service, where it is named.
    pub lock: Option<PathBuf>,
    /// How long it goes on serving after a stop signal.
    pub serve_for: Duration,
    /// When ECS kills.
    pub stop_timeout: Duration,
    /// How signals are passed on.
    pub passing: Passing,
    /// How it is watched.
    pub watch: watch::Options,
    /// The file of several processes.
    pub processes: Option<PathBuf>,
    /// Program and arguments; empty where a file of processes is named, and only there.
    pub command: Vec<OsString>,
}

/// Reads the words behind the program's name.
///
/// # Errors
/// What is wrong, with the remedy.
pub fn parse(words: Vec<OsString>) -> Result<Asked, String> {
    let mut options = Options {
        dry_run: false,
        keep: false,
        lock: None,
        processes: None,
        serve_for: Duration::from_secs(5),
        stop_timeout: Duration::from_secs(30),
        watch: watch::Options {
            every: Some(EVERY),
            metrics: None,
            collector: None,
            emf: false,
            recycle: false,
        },
        passing: Passing::default(),
        command: vec![],
    };
    let variable = |name: &str| std::env::var(name).ok();
    let mut words = words.into_iter();
    let mut first = true;
    let mut needs_watching = None;
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(OsString::from(value))),
            _ => (text, None),
        };
        if SWITCHES.contains(&flag) && value.is_some() {
            return Err(format!("{flag} takes no value: write it or leave it out"));
        }
        if ["--metrics", "--emf", "--otlp", "--recycle"].contains(&flag) {
            needs_watching = Some(flag.to_string());
        }
        match flag {
            "-h" | "--help" => return Ok(Asked::Help),
            "-V" | "--version" => return Ok(Asked::Version),
            "doctor" if first => return Ok(Asked::Doctor),
            "--" => {
                options.command = words.collect();
                break;
            }
            flag if flag.starts_with('-') => {
                options.set(flag, || value.or_else(|| words.next()), &variable)?;
            }
            _ => {
                options.command = std::iter::once(word).chain(words).collect();
                break;
            }
        }
        first = false;
    }
    if let (None, Some(flag)) = (options.watch.every, needs_watching) {
        return Err(format!("{flag} needs what --watch-every 0s turns off: leave out one of them"));
    }
    // A wrong flag is noticed when it is written; a wrong variable must not keep a service down.
    for wrong in environment(&mut options.watch, &variable) {
        say(format_args!("{wrong}: no metrics there"));
    }
    match (&options.processes, options.command.is_empty()) {
        (Some(_), false) => Err("--processes names what to start: leave out the command".into()),
        (None, true) => {
            Err("no command to run; write it behind `--`: knee-run -- gunicorn app:app".into())
        }
        _ => Ok(Asked::Run(Box::new(options))),
    }
}

impl Options {
    /// Takes what a flag says; `value` is what stands behind it.
    fn set(
        &mut self,
        flag: &str,
        value: impl FnOnce() -> Option<OsString>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        match flag {
            "--dry-run" => self.dry_run = true,
            "--keep" => self.keep = true,
            "--lock" => {
                let file = value().ok_or("--lock needs a file, such as knee.lock")?;
                self.lock = Some(file.into());
            }
            "--processes" => {
                self.processes = Some(value().ok_or("--processes needs a file")?.into());
            }
            "--watch-every" => {
                let every = time(flag, value())?;
                if !every.is_zero() && every < LEAST {
                    return Err(format!("{flag}: {} ms are the least, or 0s", LEAST.as_millis()));
                }
                self.watch.every = (!every.is_zero()).then_some(every);
            }
            "--metrics" => {
                let at = value().ok_or("--metrics needs a port")?;
                self.watch.metrics = Some(address(flag, &at.to_string_lossy())?);
            }
            "--otlp" => {
                let url = value().ok_or("--otlp needs a URL, such as http://localhost:4318")?;
                self.watch.collector = Some(Collector::at(&url.to_string_lossy(), variable)?);
            }
            "--emf" => self.watch.emf = true,
            "--recycle" => self.watch.recycle = true,
            "--group" => self.passing.group = true,
            "--rewrite" => {
                let text = value().ok_or("--rewrite needs FROM:TO, such as TERM:QUIT")?;
                self.passing.add(&text.to_string_lossy())?;
            }
            "--serve-for" => self.serve_for = time(flag, value())?,
            "--stop-timeout" => self.stop_timeout = time(flag, value())?,
            _ => return Err(format!("`{flag}` is no flag of knee-run; see knee-run --help")),
        }
        Ok(())
    }
}

/// What the environment says where no flag does; what is wrong with that. Nothing is where nothing is
/// watched.
fn environment(
    watch: &mut watch::Options,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if watch.every.is_none() {
        return wrong;
    }
    watch.emf |= variable("KNEE_EMF").is_some_and(|on| on == "1");
    if watch.metrics.is_none()
        && let Some(at) = variable("KNEE_METRICS").filter(|at| !at.is_empty())
    {
        watch.metrics = address("KNEE_METRICS", &at).map_err(|why| wrong.push(why)).ok();
    }
    if watch.collector.is_none() {
        let collector = Collector::of_environment(variable);
        watch.collector = collector.map_err(|why| wrong.push(why)).ok().flatten();
    }
    wrong
}

/// `9090` is on every address of the container, which Prometheus and its sidecars can reach.
fn address(name: &str, text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    let wrong = |_| format!("{name}: `{text}` is no port such as 9090 or 127.0.0.1:9090");
    port.or_else(|_| text.parse()).map_err(wrong)
}

fn time(flag: &str, value: Option<OsString>) -> Result<Duration, String> {
    let value = value.ok_or_else(|| format!("{flag} needs a length of time, such as 5s"))?;
    let seconds: Seconds = value.to_string_lossy().parse().map_err(|e| format!("{flag}: {e}"))?;
    Duration::try_from_secs_f64(seconds.0).map_err(|e| format!("{flag}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Asked, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn flags_end_where_the_command_begins() {
        let asked = read("--serve-for 500ms --stop-timeout=2m sh -c --help").unwrap();
        let Asked::Run(options) = asked else { panic!("{asked:?}") };
        assert_eq!(options.command, ["sh", "-c", "--help"]);
        assert_eq!(options.serve_for, Duration::from_millis(500));
        assert_eq!(options.stop_timeout, Duration::from_secs(120));
        let asked = read("--dry-run -- --help").unwrap();
        assert!(matches!(asked, Asked::Run(o) if o.dry_run && o.command == ["--help"]));
        assert_eq!(read("doctor"), Ok(Asked::Doctor));
        assert!(matches!(read("-- doctor"), Ok(Asked::Run(o)) if o.command == ["doctor"]));
    }

    #[test]
    fn watching_is_on_and_metrics_are_asked_for() {
        let watch = |line: &str| match read(line).unwrap() {
            Asked::Run(options) => options.watch,
            asked => panic!("{asked:?}"),
        };
        let plain = watch("-- x");
        assert_eq!((plain.every, plain.metrics, plain.emf), (Some(EVERY), None, false));
        let all = watch("--watch-every 1s --metrics=9090 --emf -- x");
        assert_eq!(all.metrics, Some("0.0.0.0:9090".parse().unwrap()));
        assert!(all.emf && watch("--watch-every 0s -- x").every.is_none());
        assert!(read("--metrics 99999 -- x").unwrap_err().contains("`99999` is no port"));
        let mut told = plain;
        let variables = |name: &str| match name {
            "KNEE_METRICS" => Some("[::1]:9090".to_string()),
            "KNEE_EMF" => Some("1".to_string()),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://localhost:4317".to_string()),
            _ => None,
        };
        let wrong = environment(&mut told, &variables);
        assert!(wrong.len() == 1 && wrong[0].contains("is for gRPC"), "{wrong:?}");
        assert!(told.emf && told.metrics.is_some_and(|at| at.is_ipv6()));
        let mut flags = watch("--metrics 9090 --otlp http://localhost:4318 -- x");
        assert_eq!(environment(&mut flags, &variables), [""; 0], "a flag overrules it");
        assert!(flags.metrics.is_some_and(|at| at.is_ipv4()) && flags.collector.is_some());
        let mut off = watch("--watch-every 0s -- x");
        assert!(environment(&mut off, &variables).is_empty() && !off.emf);
        assert!(watch("--otlp http://localhost:4318 -- x").collector.is_some());
        assert!(read("--otlp https://collector -- x").unwrap_err().contains("https is not spoken"));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_remedy() {
        let wrong = |line| read(line).unwrap_err();
        assert!(wrong("").contains("knee-run -- gunicorn"));
        assert!(wrong("--serve-for 5 -- x").contains("`5` is not a length of time"));
        assert!(wrong("--stop-timeout").contains("needs a length of time"));
        assert!(wrong("--dry-rnu -- x").contains("`--dry-rnu` is no flag"));
        assert!(wrong("--emf=0 -- x").contains("--emf takes no value"));
        assert!(wrong("--watch-every 1ms -- x").contains("100 ms are the least"));
        let off = wrong("--watch-every 0s --metrics 9090 -- x");
        assert!(off.contains("--metrics needs what --watch-every 0s turns off"), "{off}");
    }

    proptest! {
        #[test]
        fn any_words_are_survived(words in prop::collection::vec(".{0,12}", 0..5)) {
            let _ = parse(words.into_iter().map(OsString::from).collect());
        }
    }
}
