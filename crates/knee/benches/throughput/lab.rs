//! The examples in the laboratory, loaded by knee's generator.

use crate::Failure;
use crate::sides::Side;
use crate::tuned::Tuned;
use knee_core::{Bytes, Origin, Sourced, Task};
use knee_files::Overrides;
use knee_measure::{Generator, GeneratorOptions, Pace, SearchOptions, Target, search_on};
use knee_tune::lab::{Lab, LabOptions};
use knee_tune::tune::TuneRequest;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const TASK: Task = Task { cpu: 0.5, memory: Bytes::mib(1024) };
const READY: Duration = Duration::from_secs(60);
/// Of a search, of its confirming step, and of the step at a common rate; seconds.
const BUDGET: f64 = 10.0;
const CONFIRM: f64 = 3.0;
const STEP: f64 = 3.0;
const WARM_UP: f64 = 0.5;
/// Of what is asked before anything counts; seconds.
const WARMING: f64 = 1.5;
/// Of the log, in which knee run says what it fills in.
const LINES: usize = 40;

static NEVER: AtomicBool = AtomicBool::new(false);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// What is asked of an example, as its knee.toml has it.
pub fn request(example: &str) -> Result<TuneRequest, Failure> {
    let overrides = Overrides { task: Some(TASK), ..Overrides::default() };
    let found = knee_files::discover(&examples().join(example), &overrides)?;
    let task = Sourced::new(TASK, Origin::Flag { name: "--task".into() });
    Ok(TuneRequest::of(found, task))
}

/// An example that is measured again and again.
pub struct Place<'a> {
    lab: Lab,
    request: TuneRequest,
    tuned: &'a Tuned,
    metadata: String,
}

/// What one side showed once.
pub struct Seen {
    /// Its capacity, requests/s.
    pub rate: f64,
    /// 99th percentile at the common rate, seconds.
    pub p99: Option<f64>,
    /// What knee run said that it fills in, or what was set.
    pub settings: String,
}

impl<'a> Place<'a> {
    pub fn new(example: &str, tuned: &'a Tuned) -> Result<Place<'a>, Failure> {
        let (lab, request) = (Lab::new(LabOptions::default())?, request(example)?);
        Ok(Place { lab, request, tuned, metadata: metadata()? })
    }

    /// The capacity from where it was last time on, and the latency at that rate.
    pub fn measure(
        &self,
        side: &Side,
        seed: u64,
        known: Option<f64>,
        rate: Option<f64>,
    ) -> Result<Seen, Failure> {
        let service = &self.request.service;
        let launch = side.launch(service, self.tuned, TASK, &self.metadata)?;
        let running = self.lab.start(&launch)?;
        let ready = service.ready.as_ref().map(|path| path.value.as_str());
        let port = service.port.as_ref().map(|port| port.value);
        let port = running.wait_ready(port, ready, READY, &|| false)?;
        // Before the service says more than is kept.
        let said = running.log_tail(LINES);
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let target = Target { addr, host: addr.to_string() };
        let options = GeneratorOptions { seed, ..GeneratorOptions::default() };
        let mut generator = Generator::new(target, self.request.requests.clone(), options)?;
        let goal = self.request.goal.value;
        let mut step = |rate: f64, seconds: f64| {
            generator.step(&Pace::Poisson { rate }, seconds, WARM_UP, &goal, &NEVER)
        };
        // Caches fill and pools start before anything counts.
        step(10.0, WARMING)?;
        let (most, today) = self.tuned.rates;
        let options = SearchOptions {
            first: known.unwrap_or(if *side == Side::Tuned { most } else { today }),
            budget: BUDGET,
            confirm: CONFIRM,
            ..SearchOptions::default()
        };
        let capacity = search_on(vec![], &mut step, &goal, &options, &mut |_| {})?;
        let p99 = rate.map(|rate| step(rate, STEP)).transpose()?.map(|step| step.latency.p99);
        running.stop()?;
        let settings = match side {
            Side::Tuned => shown(&self.tuned.best.to_string()),
            _ => filled(&said.to_string()),
        };
        Ok(Seen { rate: capacity.rate, p99, settings })
    }
}

/// What knee run fills in, without its reasons and the size that it has found.
fn filled(log: &str) -> String {
    let lines = log.lines().filter_map(|line| line.split_once("knee-run: "));
    let size = |what: &str| ["cpu ", "memory "].iter().any(|word| what.starts_with(word));
    let value = |(_, line): (&str, &str)| {
        let (what, _) = line.split_once(" (").filter(|(what, _)| !size(what))?;
        Some(what.to_string())
    };
    shown(&lines.filter_map(value).collect::<Vec<_>>().join(", "))
}

fn shown(text: &str) -> String {
    if text.is_empty() { "–".into() } else { text.into() }
}

/// The task's metadata, as ECS has them: the quota cannot be seen otherwise from within.
fn metadata() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let limits = format!(r#"{{"CPU":{},"Memory":{}}}"#, TASK.cpu, TASK.memory.as_mib());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap_or(0);
            let task = String::from_utf8_lossy(&request[..length]).contains("/task ");
            let body = if task { format!(r#"{{"Limits":{limits}}}"#) } else { "{}".into() };
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Ok(format!("http://{at}/v4"))
}
