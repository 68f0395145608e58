//! What was asked for on the command line. It is kept with the run (`asked.json`), so that the
//! run can be resumed and applied without saying it again: all but the values of variables in the
//! command, which may be secrets.

use crate::atomic;
use crate::exit::Exit;
use crate::failure::Failure;
use clap::Args;
use knee_core::workload::Request;
use knee_core::{Goal, Task};
use knee_files::Overrides;
use knee_files::config::TuneTable;
use knee_tune::tune::{Lengths, TRIALS};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Flags of `knee tune`.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct Asked {
    #[command(flatten)]
    pub about: About,
    /// Go on without CPU quota and memory limit where they cannot be had
    #[arg(long)]
    pub unconfined: bool,
    /// Most settings to try, today's among them [default: what knee.toml says, else 8]
    #[arg(long, value_name = "N")]
    pub trials: Option<usize>,
    /// Measure shorter: sooner done and less sure
    #[arg(long)]
    pub quick: bool,
    /// Makes the arrivals repeatable [default: what knee.toml says, else 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// What the service's files do not say, or say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct About {
    /// What has to be held, for example 'p99<250ms' or 'p95<1s,errors<0.1%,rate>=200'
    #[arg(long, value_name = "GOAL")]
    pub goal: Option<Goal>,
    /// Size of the task in vCPU and memory, a pair that Fargate offers, for example 0.5,1GB
    #[arg(long, value_name = "CPU,MEMORY", value_parser = task)]
    pub task: Option<Task>,
    /// What starts the service, for example 'gunicorn -b 127.0.0.1:8000 app:app'
    #[arg(long, value_name = "LINE")]
    pub command: Option<String>,
    /// The port that takes requests
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Path that answers 2xx when the service is ready
    #[arg(long, value_name = "PATH")]
    pub ready: Option<String>,
    /// What to send, for example 'GET /api/orders?limit=20'; repeat it for a mix
    #[arg(long = "request", value_name = "REQUEST", value_parser = request)]
    pub requests: Vec<Request>,
    /// The container that takes the requests, where the task has several
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// A variable that the service is given from knee's own environment; repeat it for more
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub env: Vec<String>,
    /// A file of NAME=value lines that the service is given, seen from its folder
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub env_file: Option<PathBuf>,
}

impl About {
    /// As the files are read with.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            command: self.command.clone(),
            ready: self.ready.clone(),
            port: self.port,
            task: self.task,
            goal: self.goal,
            container: self.container.clone(),
            requests: self.requests.clone(),
            env: self.env.clone(),
            env_file: self.env_file.clone(),
        }
    }
}

fn task(text: &str) -> Result<Task, knee_core::task::TaskError> {
    text.parse::<Task>()?.check_fargate()
}

/// `GET /path`, or `/path`.
fn request(text: &str) -> Result<Request, String> {
    let (method, path) = match text.trim().split_once(' ') {
        Some((method, path)) => (method, path.trim()),
        None => ("GET", text.trim()),
    };
    let plain = method.bytes().all(|b| b.is_ascii_uppercase()) && !method.is_empty();
    let path_ok = path.starts_with('/') && path.bytes().all(|b| b > b' ' && b != 0x7f);
    if !(plain && path_ok) {
        return Err("write a method and a path, for example 'GET /api/orders?limit=20'".into());
    }
    Ok(Request { method: method.into(), ..Request::get(path) })
}

const FILE: &str = "asked.json";

/// The seed where none is asked for: any would do.
const SEED: u64 = 1;

/// Lengths of a quick run, seconds: a third of the usual time.
const QUICK: Lengths = Lengths {
    step: 1.2,
    confirm: 2.4,
    warm_up: 0.3,
    search: 7.0,
    pair: 4.0,
    ready: 60.0,
    total: 120.0,
};

impl Asked {
    /// Most settings to try; `stated` is what knee.toml says.
    pub fn trials(&self, stated: &TuneTable) -> usize {
        self.trials.or(stated.trials.as_ref().map(|said| said.value)).unwrap_or(TRIALS)
    }

    /// What makes the arrivals repeatable.
    pub fn seed(&self, stated: &TuneTable) -> u64 {
        self.seed.or(stated.seed.as_ref().map(|said| said.value)).unwrap_or(SEED)
    }

    /// How long is measured.
    pub fn lengths(&self) -> Lengths {
        if self.quick { QUICK } else { Lengths::default() }
    }

    /// Keeps it in a run's folder.
    pub fn keep(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(FILE);
        let mut kept = self.clone();
        kept.about.command = self.about.command.as_deref().map(knee_files::without_values);
        let text = serde_json::to_string_pretty(&kept).expect("flags are always JSON");
        let failed = |e| Failure::new(Exit::Refused, format!("{}: {e}", path.display()));
        atomic::write(&path, &text).map_err(failed)
    }

    /// What a run was asked for, to be asked for again. Values that were not kept have to be given
    /// anew with the command.
    pub fn again(folder: &Path, command: Option<&str>) -> Result<Asked, Failure> {
        let mut asked = Asked::of(folder)?;
        let kept = asked.about.command.take().unwrap_or_default();
        let refused = |what: String| Failure::new(Exit::Refused, what);
        let number = crate::kept::name(folder);
        match command {
            None if knee_files::lacks_values(&kept) => {
                return Err(refused(format!(
                    "run {number} was begun with --command '{kept}', and the values of its variables are not kept"
                ))
                .remedy(format!("give it again in full: knee resume {number} --command '…'")));
            }
            Some(command) if knee_files::without_values(command) != kept => {
                let other = match kept.as_str() {
                    "" => "without --command".into(),
                    kept => format!("with --command '{kept}'"),
                };
                return Err(refused(format!("--command: run {number} was begun {other}"))
                    .remedy("give the same command, or begin another run with `knee tune`"));
            }
            Some(command) => asked.about.command = Some(command.into()),
            None => asked.about.command = Some(kept).filter(|kept| !kept.is_empty()),
        }
        Ok(asked)
    }

    /// What a run was asked for, as far as it is kept.
    pub fn of(folder: &Path) -> Result<Asked, Failure> {
        let path = folder.join(FILE);
        let failed = |what: String| {
            Failure::new(Exit::Refused, format!("{}: {what}", path.display()))
                .remedy("`knee tune` makes a new run")
        };
        let text = std::fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| failed(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_method_and_a_path() {
        assert_eq!(request("/a?b=c"), Ok(Request::get("/a?b=c")));
        let post = Request { method: "POST".into(), ..Request::get("/orders") };
        assert_eq!(request("POST /orders"), Ok(post));
        for text in ["", "GET", "get /a", "GET a", "GET /a b", "GET http://x/"] {
            assert!(request(text).unwrap_err().contains("for example"), "{text}");
        }
    }

    #[test]
    fn a_flag_wins_over_knee_toml() {
        let stated = knee_files::config::Config::parse("[tune]\ntrials = 12\nseed = 9\n").unwrap();
        let asked = |trials, seed| Asked { trials, seed, ..Asked::default() };
        let flags = asked(Some(5), Some(7));
        assert_eq!((flags.trials(&stated.tune), flags.seed(&stated.tune)), (5, 7));
        let none = asked(None, None);
        assert_eq!((none.trials(&stated.tune), none.seed(&stated.tune)), (12, 9));
        let nothing = TuneTable::default();
        assert_eq!((none.trials(&nothing), none.seed(&nothing)), (TRIALS, SEED));
    }

    #[test]
    fn what_was_asked_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let asked = Asked {
            about: About {
                goal: "p95<1s,rate>=200".parse().ok(),
                task: "0.5,1GB".parse().ok(),
                requests: vec![request("GET /a").unwrap()],
                ..About::default()
            },
            unconfined: true,
            quick: true,
            trials: Some(5),
            seed: Some(7),
        };
        asked.keep(folder.path()).unwrap();
        assert_eq!(Asked::of(folder.path()).unwrap(), asked);
        assert_eq!(Asked::again(folder.path(), None).unwrap(), asked);
        assert!(Asked::again(folder.path(), Some("node x.js")).is_err(), "it had no command");
        std::fs::write(folder.path().join("asked.json"), "{").unwrap();
        assert!(Asked::of(folder.path()).is_err());
    }

    #[test]
    fn values_in_the_command_are_not_kept_and_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let command = Some("TOKEN=hunter2 node x.js".to_string());
        let asked = Asked { about: About { command, ..About::default() }, ..Asked::default() };
        asked.keep(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(text.contains("TOKEN=… node x.js") && !text.contains("hunter2"), "{text}");
        let again = |command| Asked::again(folder.path(), command);
        assert_eq!(again(asked.about.command.as_deref()).unwrap(), asked);
        let said = |command| match again(command) {
            Err(Failure::Said { what, remedy, .. }) => format!("{what}; {}", remedy.unwrap()),
            other => panic!("{other:?}"),
        };
        assert!(said(None).contains("--command 'TOKEN=… node x.js', and the values"));
        assert!(said(None).contains("knee resume") && said(None).contains("--command '…'"));
        assert!(
            said(Some("TOKEN=hunter3 node y.js")).contains("was begun with --command 'TOKEN=…")
        );
    }
}
