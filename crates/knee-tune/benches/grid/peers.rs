//! Other ways to choose trials, over the grid's measurements.

use crate::table::Table;
use knee_core::settings::Value;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Mean regret of `trials` points drawn without replacement, today's not given: exact, from the
/// distribution of the largest of a sample.
pub fn random(table: &Table, trials: usize) -> f64 {
    let mut rates: Vec<f64> = table.points.iter().map(|(_, rate)| *rate).collect();
    rates.sort_by(f64::total_cmp);
    let n = rates.len();
    let best = rates[n - 1].max(1e-9);
    let k = trials.min(n);
    // P(the largest is the i-th smallest) = C(i, k-1) / C(n, k), built up as a product.
    let mut expected = 0.0;
    for (i, rate) in rates.iter().enumerate().skip(k - 1) {
        let ways = (0..k - 1).fold(1.0, |p, j| p * (i - j) as f64 / (n - 1 - j) as f64);
        expected += rate * ways * k as f64 / n as f64;
    }
    1.0 - expected / best
}

/// Mean regret of Optuna's TPE sampler over twenty seeds; None without Optuna.
pub fn tpe(table: &Table, trials: usize) -> Option<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/setup/bench/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/grid/tpe.py");
    let point = |(settings, rate): &(knee_core::Settings, f64)| {
        let knobs: serde_json::Map<_, _> = settings
            .0
            .iter()
            .map(|(knob, value)| {
                (
                    knob.clone(),
                    match value {
                        Value::Int(n) => json!(n),
                        Value::Text(text) => json!(text),
                    },
                )
            })
            .collect();
        json!({ "settings": knobs, "rate": rate })
    };
    let points: Vec<_> = table.points.iter().map(point).collect();
    let question = json!({ "points": points, "trials": trials, "seeds": 20 }).to_string();
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(question.as_bytes()).ok()?;
    let answer = child.wait_with_output().ok()?;
    String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
}
