//! `knee plan`: which settings in which task, how many of them, at what price.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept;
use crate::out;
use crate::plan::{
    Answer, Arrivals, Assumed, Basis, KEYS, Question, answer, arrivals, clients, document, text,
    write_lock,
};
use crate::render::json;
use crate::report;
use clap::Args;
use knee_core::runtimes;
use knee_core::task::Task;
use knee_core::{Goal, Seconds};
use knee_plan::forecast::Traffic;
use knee_plan::plan::Growth;
use knee_plan::prices::{Instance, Prices};
use knee_plan::sim::Clients;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Forecast settings, task sizes, numbers of tasks and their price for a rate
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  knee plan                                  from what knee tune or knee measure --lock last found here
  knee plan --rate 2000 --goal 'p99<250ms'   every Fargate size
  knee plan --task 1,2GB --set workers=12    what if
  knee plan --assume cpu=8ms,wait=40ms,memory=45MiB --runtime gunicorn --rate 200
  knee plan --runtime node --rate 200 --assume name=page,weight=9,cpu=4ms,memory=85MiB \\
      --assume name=report,weight=1,cpu=40ms,wait=20ms/150ms
  knee plan --clients timeout=1s,retries=2     what clients make of an overload
  knee plan --connections 100                  a database that allows so many
  knee plan --lock                           keep what was measured in knee.lock, to commit it

Every figure is a forecast; the answer says what it rests on, how far off the model was
where it could be checked, and what was assumed.

{KEYS}"))]
pub struct Flags {
    /// Number or folder of the run to plan from; when left out the latest one or knee.lock, whichever
    /// was written last
    run: Option<String>,
    /// Requests/s in all; what the run's best settings carried when left out, else what one task does
    #[arg(long, value_name = "RATE", value_parser = positive)]
    rate: Option<f64>,
    /// What has to be held, for example 'p99<250ms'; the run's own goal when left out
    #[arg(long, value_name = "GOAL")]
    goal: Option<Goal>,
    /// Only tasks of this size, for example 1,2GB
    #[arg(long, value_name = "CPU,MEMORY", value_parser = task)]
    task: Option<Task>,
    /// Set a knob, for example workers=12; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Plan without a run from what you know, for example cpu=8ms,wait=40ms,memory=45MiB; once for
    /// each kind of request
    #[arg(long, value_name = "WHAT", requires = "runtime", conflicts_with = "run")]
    assume: Vec<Assumed>,
    /// What serves the requests: gunicorn, uvicorn, php-fpm, octane, node, go, nginx or celery
    #[arg(long, value_name = "NAME", requires = "assume", value_parser = runtime)]
    runtime: Option<String>,
    /// Connections to the backend that all tasks share (a database's max_connections, the pool of a
    /// PgBouncer); each is held while a request waits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,
    /// What clients do when they wait for long, for example timeout=1s,retries=2,pause=100ms
    #[arg(long, value_name = "WHAT", value_parser = clients)]
    clients: Option<Clients>,
    /// How requests come: poisson, constant, or a file with an arrival's time in seconds on each line
    #[arg(long, value_name = "HOW", default_value = "poisson", value_parser = arrivals)]
    arrivals: Arrivals,
    /// Fewest tasks, whatever the rate
    #[arg(long, value_name = "N", default_value_t = 2)]
    at_least: u32,
    /// How fast load may grow in a minute, for example 10%
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    growth: f64,
    /// How long a new task takes until it serves
    #[arg(long, value_name = "TIME", default_value = "60s")]
    start: Seconds,
    /// Prices of your own, in the form of the file that `knee explain prices` shows
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// An EC2 instance type as NAME=VCPU,MEMORY,DOLLARS AN HOUR; may be repeated
    #[arg(long, value_name = "TYPE")]
    instance: Vec<Instance>,
    /// Speed of a task's vCPU over that of the CPU that measured, for example 0.8
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    speed: f64,
    /// Makes the forecasts repeatable
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write what was measured to knee.lock
    #[arg(long, conflicts_with = "assume")]
    lock: bool,
    /// Print one JSON document instead; its schema is docs/schema/plan-1.json
    #[arg(long)]
    json: bool,
    /// Write the answer as a page with pictures, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "write a number above 0, for example 2000".into())
}

fn task(text: &str) -> Result<Task, knee_core::task::TaskError> {
    text.parse::<Task>()?.check_fargate()
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example workers=12")?;
    Ok((name.trim().into(), value.trim().into()))
}

fn runtime(text: &str) -> Result<String, String> {
    let known: Vec<&str> = runtimes::started().map(|r| r.id).collect();
    let found = known.iter().find(|id| **id == text);
    found.map(|id| (*id).into()).ok_or_else(|| format!("write one of {}", known.join(", ")))
}

fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.trim().strip_suffix('%').map_or((text, 1.0), |n| (n, 0.01));
    let share = number.trim().parse::<f64>().ok().map(|n| n * scale);
    let share = share.filter(|n| (0.0..=10.0).contains(n));
    share.ok_or_else(|| "write a share, for example 10% or 0.1".into())
}

/// Minutes until a policy has noticed: its alarm needs three of them.
const NOTICED: f64 = 3.0;

/// Plans and tells.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let basis = match &flags.runtime {
        Some(runtime) => Basis::assumed(root, &flags.assume, runtime)?,
        None => Basis::of_folder(root, flags.run.as_deref())?,
    };
    if flags.lock {
        let path = write_lock(root, &basis.profile)?;
        out::talk(&format!("written: {}\n", path.display()));
        if flags.rate.is_none() && basis.carried.is_none() {
            return Ok(Exit::Satisfied);
        }
    }
    let answer = answer(question(flags)?, basis)?;
    if let Some(path) = &flags.html {
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        kept::put(path, &report::plan_html(&answer, now))?;
    }
    if flags.json {
        out::data(&json::text(&document(&answer)))?;
    } else {
        out::data(&text(&answer, out::width().unwrap_or(usize::MAX)))?;
    }
    Ok(exit(&answer))
}

fn exit(answer: &Answer) -> Exit {
    if answer.plan.choices.is_empty() { Exit::Unsatisfied } else { Exit::Satisfied }
}

fn question(flags: &Flags) -> Result<Question, Failure> {
    Ok(Question {
        rate: flags.rate,
        goal: flags.goal,
        task: flags.task,
        set: flags.set.clone(),
        connections: flags.connections,
        traffic: Traffic {
            arrivals: flags.arrivals.0.clone(),
            clients: flags.clients.unwrap_or(Clients::PATIENT),
        },
        at_least: flags.at_least,
        growth: Growth { per_minute: flags.growth, minutes: NOTICED + flags.start.0 / 60.0 },
        prices: prices(flags)?,
        speed: flags.speed,
        seed: flags.seed,
    })
}

fn prices(flags: &Flags) -> Result<Prices, Failure> {
    let mut prices = match &flags.prices {
        None => Prices::shipped(),
        Some(path) => {
            let failed = |problem: String| {
                Failure::new(Exit::Refused, format!("{}: {problem}", path.display()))
            };
            let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
            Prices::parse(&text).map_err(|e| {
                failed(e.to_string()).remedy("`knee explain prices` shows a file of the right form")
            })?
        }
    };
    prices.instances.extend(flags.instance.iter().cloned());
    Ok(prices)
}
