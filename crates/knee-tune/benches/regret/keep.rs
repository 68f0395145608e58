//! A measured cell in the form of `tests/search/measured/`.

use knee_core::event::{Event, Trial};
use knee_core::observe::Resource;
use knee_plan::fit;
use knee_tune::journal;
use serde_json::{Value, json};
use std::path::Path;

type Failure = Box<dyn std::error::Error>;

/// The grid of a folder, but for what the host spoiled, with the profile that the calibration and
/// today's trial of its run gave.
pub fn cell(folder: &Path) -> Result<Value, Failure> {
    let events = journal::read(&journal::find(folder, None)?)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let started = events.iter().find_map(|e| match e {
        Event::Started(started) => Some(started),
        _ => None,
    });
    let calibrated = events.iter().find_map(|e| match e {
        Event::Calibrated { calibration, .. } => Some(calibration),
        _ => None,
    });
    let (Some(started), Some(calibrated)) = (started, calibrated) else {
        return Err("its run was cut off before the calibration".into());
    };
    let tried = |event: &Event| matches!(event, Event::Tried(_));
    let calibrating = events.iter().position(tried).map_or(events.len(), |at| at + 1);
    let today: serde_json::Map<_, _> = started
        .knobs
        .iter()
        .map(|knob| Ok((knob.name.clone(), serde_json::to_value(&knob.current.value)?)))
        .collect::<Result<_, serde_json::Error>>()?;
    let text = std::fs::read_to_string(folder.join("grid.jsonl"))?;
    let trials: Vec<Trial> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let points: Vec<Value> = trials.iter().filter(told).map(point).collect();
    Ok(json!({
        "name": name,
        "task": started.task.value,
        "visible_cpus": started.machine.cpus,
        "demand": { "cpu": calibrated.cpu.0, "wait": calibrated.wait.0 },
        "memory": { "each": calibrated.per_worker.0, "shared": calibrated.shared.0 },
        "today": today,
        "profile": fit::profile(&name, &events[..calibrating])?,
        "points": points,
    }))
}

/// Whether a point says something of the service, not of a generator that the host starved.
fn told(trial: &&Trial) -> bool {
    trial.capacity.as_ref().is_none_or(|c| c.limited_by.resource != Resource::Generator)
}

fn point(trial: &Trial) -> Value {
    let capacity = trial.capacity.as_ref().filter(|_| trial.rejected.is_none());
    let usage = capacity.and_then(|c| c.at.as_ref()?.usage.as_ref());
    json!({
        "settings": trial.settings,
        "rate": capacity.map(|c| c.rate),
        "memory": usage.map(|usage| usage.memory),
    })
}
