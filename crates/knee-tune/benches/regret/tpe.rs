//! Optuna's TPE over a landscape, in Python.

use crate::landscapes::{Landscape, NOISE};
use knee_core::settings::{Settings, Value};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Mean regret of Optuna's TPE sampler with so many trials, one seed each; None without Optuna
/// (`scripts/bench-setup` brings it).
pub fn regret(land: &Landscape, trials: &[usize]) -> Option<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/setup/bench/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/regret/tpe.py");
    let candidates = land.problem.candidates.iter().zip(&land.truth);
    let points: Vec<_> = candidates
        .map(|(c, rate)| json!({ "settings": knobs(&c.settings), "rate": rate.unwrap_or(0.0) }))
        .collect();
    let question = json!({
        "points": points,
        "today": knobs(&land.problem.candidates[0].settings),
        "noise": NOISE,
        "trials": trials,
    });
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(question.to_string().as_bytes()).ok()?;
    let answer = child.wait_with_output().ok()?;
    String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
}

fn knobs(settings: &Settings) -> serde_json::Map<String, serde_json::Value> {
    let value = |value: &Value| match value {
        Value::Int(n) => json!(n),
        Value::Text(text) => json!(text),
    };
    settings.0.iter().map(|(knob, set)| (knob.clone(), value(set))).collect()
}
