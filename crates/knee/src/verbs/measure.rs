//! `knee measure`: open-loop load against something that runs, and where it gives out.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept;
use crate::out;
use crate::pace::Pacing;
use crate::plan::{LOOK, Sized, write_lock};
use crate::render::curve::Measurement;
use crate::render::json;
use crate::render::progress::{Progress, seen};
use crate::render::words;
use crate::report;
use crate::served::Served;
use crate::signals::Signals;
use crate::url::Url;
use clap::Args;
use knee_core::observe::{Calibration, Capacity, Outcome, Step};
use knee_core::workload::{Body, Request};
use knee_core::{Goal, Seconds};
use knee_measure::observer::Observer;
use knee_measure::{
    Generator, GeneratorOptions, MeasureError, SearchOptions, Target, curve, measure_rates,
    search_capacity,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Find the rate at which something that runs no longer holds a goal
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee measure http://127.0.0.1:8000/api/orders
  knee measure http://127.0.0.1:8000/api/orders --goal 'p99<250ms'
  knee measure http://127.0.0.1:8000/ --rate 50,100,200 --seconds 20s
  knee measure http://127.0.0.1:8000/ --pace ramp:10-200@60s
  knee measure http://127.0.0.1:8000/ --html curve.html
  knee measure http://127.0.0.1:8000/api/orders --lock   then: knee plan --rate 2000
  knee measure http://127.0.0.1:8000/orders --method POST --body-file order.json

Latency counts from the moment when a request was due, so that a stall is seen by
all who would have come meanwhile. A service that listens here is watched, too.")]
pub struct Flags {
    /// What to ask for: http://HOST:PORT/PATH
    url: Url,
    /// What has to be held, for example 'p99<250ms' or 'p95<1s,errors<0.1%,rate>=200'
    #[arg(long, value_name = "GOAL", default_value = "p99<250ms")]
    goal: Goal,
    /// Offer these rates, requests/s, instead of searching the capacity
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = rate)]
    rate: Vec<f64>,
    /// Length of each step of --rate, for example 20s
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "rate")]
    seconds: Seconds,
    /// How load runs over time: poisson, constant, steps:50@10s,100@10s or ramp:10-200@30s
    #[arg(long, value_name = "PACE", default_value = "poisson")]
    pace: Pacing,
    /// HTTP method
    #[arg(long, short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header field, for example 'Accept: text/html'; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// What is sent after the header
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The same from a file; of several, one is drawn for each request
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Vec<PathBuf>,
    /// Most connections open at once
    #[arg(long, value_name = "N", default_value_t = 4096)]
    connections: usize,
    /// A request without a complete answer this long after it was due has failed
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Seconds,
    /// Count answers of 4xx as good ones
    #[arg(long)]
    client_errors_ok: bool,
    /// Makes the arrivals repeatable
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Send load to this host although it is not this machine; it must be the URL's
    #[arg(long, value_name = "HOST")]
    allow_host: Option<String>,
    /// Write the curve as an HTML file too, complete in itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write what requests and processes take to knee.lock, for `knee plan` and `knee run`; the service
    /// runs here, and its files are in the folder
    #[arg(long)]
    lock: bool,
    /// Print one JSON document instead; its schema is docs/schema/measure-1.json
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "write requests per second, for example 50 or 50,100,200".into())
}

/// The value may be a secret: no error repeats it.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    Ok((name.trim().into(), value.trim().into()))
}

/// Measures and tells.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    let mut load = Load::new(flags, &signals)?;
    let sized = flags.lock.then(|| load.sized(root, flags)).transpose()?;
    match load.first_answer(flags.client_errors_ok) {
        Err(MeasureError::Stopped) => return Ok(stopped(&signals)),
        Ok(Some(what)) => {
            let failure = Failure::new(Exit::Nothing, format!("{}: {what}", flags.url));
            let remedy = "start the service, and name a path that answers below 400";
            return Err(failure.remedy(remedy));
        }
        answered => answered?,
    };
    let progress = Progress::begin("the load generator measures itself");
    let light = sized.as_ref().map(|sized| load.calibration(sized)).transpose();
    let light = match light {
        Err(Light::Load(MeasureError::Stopped)) => return Ok(stopped(&signals)),
        Err(Light::Load(error)) => return Err(error.into()),
        Err(Light::Silent(failure)) => return Err(failure),
        Ok(light) => light,
    };
    let measured = load.measure(flags, &progress);
    drop(progress);
    let measurement = match measured {
        Err(MeasureError::Stopped) => return Ok(stopped(&signals)),
        other => other?,
    };
    if flags.json {
        out::data(&json::text(&measurement.document()))?;
    } else {
        out::data(&measurement.text(out::width().unwrap_or(usize::MAX)))?;
    }
    if let Some(path) = &flags.html {
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        kept::put(path, &report::measure_html(&measurement, now))?;
        out::talk(&format!("\n  report   {}\n", path.display()));
    }
    if let Some((sized, light)) = sized.zip(light) {
        let Measurement { capacity, goal, .. } = &measurement;
        let asked = Request { method: flags.method.clone(), ..Request::get(&flags.url.path) };
        let profile = sized.profile(light, capacity, *goal, asked)?;
        let path = write_lock(root, &profile)?;
        out::talk(&format!(
            "\n  written  {}; `knee plan` and `knee run` go by it\n",
            path.display()
        ));
    }
    Ok(exit(&measurement))
}

fn stopped(signals: &Signals) -> Exit {
    out::talk("stopped; nothing was changed\n");
    signals.exit().unwrap_or(Exit::Interrupted)
}

fn exit(measurement: &Measurement) -> Exit {
    let capacity = &measurement.capacity;
    match measurement.goal.rate {
        _ if !capacity.validity.is_valid() => Exit::Inconclusive,
        Some(rate) if capacity.rate < rate => Exit::Unsatisfied,
        _ if capacity.rate > 0.0 => Exit::Satisfied,
        _ => Exit::Unsatisfied,
    }
}

/// Time in which an idle service is watched, and seconds of a step at low load.
const IDLE: Duration = Duration::from_secs(1);
const LIGHT: f64 = 4.0;

/// Why a service could not be calibrated.
enum Light {
    Load(MeasureError),
    Silent(Failure),
}

/// The generator, aimed, and the observer of what answers where that is a process here.
struct Load<'a> {
    generator: Generator,
    served: Option<(Served, Observer)>,
    signals: &'a Signals,
    goal: Goal,
    pace: &'a Pacing,
}

impl<'a> Load<'a> {
    fn new(flags: &'a Flags, signals: &'a Signals) -> Result<Self, Failure> {
        let url = &flags.url;
        let allowed = flags.allow_host.as_deref() == Some(url.host.as_str());
        if !(allowed || url.is_here()) {
            // Before anybody is asked what the name means.
            let what = format!("{url}: load goes to this machine only, unless the host is named");
            let remedy = format!(
                "load harms whoever does not expect it; if this host is yours: --allow-host {}",
                url.host
            );
            return Err(Failure::new(Exit::Refused, what).remedy(remedy));
        }
        let unknown = |e| Failure::new(Exit::Refused, format!("{}: {e}", url.host));
        let target = Target { addr: url.resolve().map_err(unknown)?, host: url.authority() };
        let request = Request {
            method: flags.method.clone(),
            headers: flags.header.clone(),
            body: match &flags.body {
                Some(text) => Body::Inline(text.clone().into_bytes()),
                None if flags.body_file.is_empty() => Body::Empty,
                None => Body::Files(flags.body_file.clone()),
            },
            ..Request::get(&url.path)
        };
        let options = GeneratorOptions {
            timeout: flags.timeout.0,
            max_connections: flags.connections,
            seed: flags.seed,
            client_errors_ok: flags.client_errors_ok,
            allow_host: allowed,
        };
        let generator = Generator::new(target.clone(), vec![request], options)?;
        let local = target.addr.ip().to_canonical().is_loopback();
        let served = Served::at(url.port).filter(|_| local);
        let served = served.map(|served| {
            let observer = served.observe();
            (served, observer)
        });
        Ok(Load { generator, served, signals, goal: flags.goal, pace: &flags.pace })
    }

    /// What is wrong with the target's first answer: that is better named than measured.
    fn first_answer(&self, client_errors_ok: bool) -> Result<Option<String>, MeasureError> {
        let wrong = |status: &u16| *status >= 500 || (*status >= 400 && !client_errors_ok);
        let reply = self.generator.ask(self.signals.stop())?.into_iter().next();
        Ok(match reply.map(|reply| reply.status) {
            Some(Ok(status)) if wrong(&status) => Some(format!("answers {status}")),
            Some(Err(what)) => Some(what),
            _ => None,
        })
    }

    /// The service in the folder, if it is what is measured.
    fn sized(&self, root: &Path, flags: &Flags) -> Result<Sized, Failure> {
        Sized::of(root, self.served.as_ref().map(|(served, _)| served), flags.url.port)
    }

    /// What a request takes at low load: a look, then as much as is still a light load.
    fn calibration(&mut self, sized: &Sized) -> Result<Calibration, Light> {
        let idle = self.served.as_ref().map_or(0.0, |(_, observer)| {
            let mark = observer.mark();
            std::thread::sleep(IDLE);
            observer.usage_since(mark).cpu
        });
        let known = sized.calibration(&self.light(LOOK)?, idle).map_err(Light::Silent)?;
        let rate = sized.light(&known);
        sized.calibration(&self.light(rate)?, idle).map_err(Light::Silent)
    }

    /// A step at a low rate, watched.
    fn light(&mut self, rate: f64) -> Result<Step, Light> {
        let options = SearchOptions::default();
        let pace = Pacing::Poisson.at(rate);
        let observer = self.served.as_ref().map(|(_, observer)| observer);
        let mark = observer.map(Observer::mark);
        let stop = self.signals.stop();
        let step = self
            .generator
            .step(&pace, LIGHT, 2.0 * options.warm_up, &self.goal, stop)
            .map_err(Light::Load)?;
        let usage = observer.zip(mark).map(|(o, mark)| o.usage_since(mark));
        Ok(Step { usage, ..step })
    }

    fn measure(&mut self, flags: &Flags, progress: &Progress) -> Result<Measurement, MeasureError> {
        let ceiling = self.generator.calibrate(self.signals.stop())?;
        // A machine that is too busy to tell its ceiling still says how late it was.
        let upper = ceiling.rate.max(SearchOptions::default().first);
        let options = SearchOptions { upper, ..SearchOptions::default() };
        let goal = Goal { rate: single(&flags.rate).or(self.goal.rate), ..self.goal };
        let mut told = |step: &Step| progress.aside(|| out::talk(&format!("{}\n", seen(step))));
        let mut offer = |rate: f64, seconds: f64| {
            progress.now(format!("{} requests/s", words::rate(rate)));
            let pace = self.pace.at(rate);
            // A course is measured from its beginning.
            let warm_up = if self.pace.is_course() { 0.0 } else { options.warm_up };
            let observer = self.served.as_ref().map(|(_, observer)| observer);
            let mark = observer.map(Observer::mark);
            let step = self.generator.step(&pace, seconds, warm_up, &goal, self.signals.stop());
            let usage = observer.zip(mark).map(|(o, mark)| o.usage_since(mark));
            step.map(|step| Step { usage, ..step })
        };
        let rates = match (goal.rate, &flags.rate[..]) {
            (Some(rate), []) => vec![rate],
            (_, rates) => rates.to_vec(),
        };
        let capacity = match &flags.pace {
            Pacing::Course { pace, seconds } => measure_rates(
                &mut offer,
                &[pace.mean_rate(0.0, *seconds)],
                *seconds,
                &goal,
                &mut told,
            )?,
            _ if rates.is_empty() => search_capacity(&mut offer, &goal, &options, &mut told)?,
            _ => measure_rates(&mut offer, &rates, flags.seconds.0, &goal, &mut told)?,
        };
        Ok(self.measurement(flags, goal, ceiling.rate, capacity))
    }

    fn measurement(
        &self,
        flags: &Flags,
        goal: Goal,
        ceiling: f64,
        capacity: Capacity,
    ) -> Measurement {
        let knee = curve::knee(&capacity.curve);
        let limited_by = match &self.served {
            Some((served, _)) if capacity.curve.iter().any(|s| s.outcome != Outcome::Held) => {
                served.limit(&capacity)
            }
            _ => capacity.limited_by,
        };
        let capacity = Capacity { limited_by, ..capacity };
        Measurement { url: flags.url.to_string(), goal, ceiling, capacity, knee }
    }
}

/// The only rate that was asked for: then the goal is to carry it.
fn single(rates: &[f64]) -> Option<f64> {
    match rates {
        [rate] => Some(*rate),
        _ => None,
    }
}
