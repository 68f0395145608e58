//! A run as one JSON document; its schema is `docs/schema/tune-1.json`. Rates are in requests/s,
//! times in seconds, memory in bytes, shares in [0, 1].

use crate::render::words;
use crate::run::Run;
use knee_core::event::{Conclusion, Estimate, Fact, Machine, PatchFact, Trial};
use knee_core::observe::{Calibration, Limit, Resource, Step, Usage, Validity};
use knee_core::workload::Request;
use knee_core::{Bytes, Goal, Settings, Sourced, Task};
use serde::Serialize;
use std::path::Path;

/// Grows when a field changes its meaning or goes away; new fields leave it as it is.
const VERSION: u32 = 1;

/// The document.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    version: u32,
    knee: &'a str,
    at: u64,
    service: &'a str,
    facts: &'a [Fact],
    task: &'a Sourced<Task>,
    goal: &'a Sourced<Goal>,
    requests: &'a [Request],
    machine: &'a Machine,
    confinement: &'a str,
    calibration: Option<Calibration>,
    bound: Option<Ceiling>,
    baseline: Option<Measured<'a>>,
    best: Option<Measured<'a>>,
    trials: Vec<Measured<'a>>,
    confirmation: Option<Gain<'a>>,
    conclusion: Option<Conclusion>,
    verdict: Option<String>,
    stopped_because: Option<&'a str>,
    written: Written<'a>,
    validity: &'a Validity,
}

/// What no settings can exceed at the CPU per request of the calibration.
#[derive(Debug, Serialize)]
struct Ceiling {
    resource: Resource,
    /// None where nothing bounds it.
    requests_per_s: Option<f64>,
}

/// One trial.
#[derive(Debug, Serialize)]
struct Measured<'a> {
    number: u32,
    settings: &'a Settings,
    /// None when the trial was rejected before it was measured.
    capacity: Option<f64>,
    /// Latency at the capacity; None when no rate held.
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    memory: Option<Bytes>,
    cpu: Option<f64>,
    limited_by: Option<&'a Limit>,
    rejected: Option<&'a str>,
    abandoned: Option<Below<'a>>,
    /// What the model said it could reach; None where nothing bounds it.
    bound: Option<f64>,
    /// What it was expected to carry before it was measured; None where no model says.
    forecast: Option<f64>,
    seconds: f64,
    curve: Vec<Point<'a>>,
    validity: Option<&'a Validity>,
}

/// A trial that was given up early.
#[derive(Debug, Serialize)]
struct Below<'a> {
    /// It carries less than this.
    below: f64,
    step: Point<'a>,
}

/// One step of a capacity search.
#[derive(Debug, Serialize)]
pub struct Point<'a> {
    offered: f64,
    seconds: f64,
    throughput: f64,
    outcome: &'static str,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    due: u64,
    /// Only the kinds that occurred.
    failures: std::collections::BTreeMap<&'static str, u64>,
    usage: Option<&'a Usage>,
    validity: &'a Validity,
}

/// Today against the winner.
#[derive(Debug, Serialize)]
struct Gain<'a> {
    gain: f64,
    interval: (f64, f64),
    significant: bool,
    pairs: &'a [(f64, f64)],
    /// Without a correction for the host's speed, where there is one.
    uncorrected: Option<Estimate>,
}

/// What a run leaves behind; nothing of the user's is changed before `knee apply`.
#[derive(Debug, Serialize)]
struct Written<'a> {
    run: &'a Path,
    patches: &'a [PatchFact],
}

/// The document of a run kept in `folder`; None before it started.
pub fn document<'a>(run: &'a Run, folder: &'a Path) -> Option<Document<'a>> {
    let started = run.started.as_ref()?;
    let verdict = run.verdict.as_ref();
    Some(Document {
        version: VERSION,
        knee: &started.knee,
        at: started.at,
        service: &started.service,
        facts: &started.facts,
        task: &started.task,
        goal: &started.goal,
        requests: &started.requests,
        machine: &started.machine,
        confinement: &started.confinement,
        // Its step is kept in the events; here its figures say it all.
        calibration: run.calibrated.as_ref().map(|(calibration, _)| Calibration {
            light: None,
            kinds: vec![],
            ..calibration.clone()
        }),
        bound: run
            .bound()
            .map(|bound| Ceiling { resource: bound.resource, requests_per_s: finite(bound.rate) }),
        baseline: run.baseline().map(|trial| measured(run, trial)),
        best: run.best().map(|trial| measured(run, trial)),
        trials: run.trials.iter().map(|trial| measured(run, trial)).collect(),
        confirmation: verdict.and_then(|v| v.confirmation.as_ref()).map(|c| Gain {
            gain: c.gain,
            interval: c.interval,
            significant: c.significant,
            pairs: &c.pairs,
            uncorrected: c.uncorrected,
        }),
        conclusion: verdict.map(|v| v.conclusion),
        verdict: verdict.map(|_| words::verdict(run).swap_remove(0)),
        stopped_because: verdict.map(|v| v.stopped_because.as_str()),
        written: Written { run: folder, patches: verdict.map_or(&[], |v| &v.patches) },
        validity: verdict.map_or(&started.validity, |v| &v.validity),
    })
}

fn measured<'a>(run: &Run, trial: &'a Trial) -> Measured<'a> {
    let capacity = trial.capacity.as_ref();
    let at = capacity.and_then(|c| c.at.as_ref());
    let usage = at.and_then(|step| step.usage.as_ref());
    Measured {
        number: trial.number,
        settings: &trial.settings,
        capacity: capacity.map(|c| c.rate),
        p50: at.map(|step| step.latency.p50),
        p90: at.map(|step| step.latency.p90),
        p99: at.map(|step| step.latency.p99),
        p999: at.map(|step| step.latency.p999),
        memory: usage.map(|usage| usage.memory),
        cpu: usage.map(|usage| usage.cpu),
        limited_by: trial
            .abandoned
            .as_ref()
            .map(|a| &a.limited_by)
            .or(capacity.map(|c| &c.limited_by)),
        rejected: trial.rejected.as_deref(),
        abandoned: trial.abandoned.as_ref().map(|a| Below { below: a.below, step: point(&a.step) }),
        bound: trial.bound,
        forecast: run.expectations.get(&trial.number).and_then(|e| e.forecast),
        seconds: trial.seconds,
        curve: capacity.map_or(vec![], |c| c.curve.iter().map(point).collect()),
        validity: capacity.map(|c| &c.validity),
    }
}

/// A step as a point of the curve.
pub fn point(step: &Step) -> Point<'_> {
    let failures = step.counts.named().into_iter().filter(|(_, n)| *n > 0).collect();
    Point {
        offered: step.offered,
        seconds: step.seconds,
        throughput: step.throughput,
        outcome: words::outcome(step.outcome),
        p50: step.latency.p50,
        p90: step.latency.p90,
        p99: step.latency.p99,
        p999: step.latency.p999,
        max: step.latency.max,
        due: step.counts.due(),
        failures,
        usage: step.usage.as_ref(),
        validity: &step.validity,
    }
}

/// JSON knows no infinity.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// A document as text, ending in a line feed.
pub fn text(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("a document is always JSON");
    text.push('\n');
    text
}
