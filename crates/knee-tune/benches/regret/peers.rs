//! Other ways to choose trials, over a measured grid.

use crate::chance::Chance;
use crate::landscapes::NOISE;
use knee_core::settings::{Settings, Value};
use knee_plan::statistics::mean;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// All of a grid with its rates, requests/s, the highest of them, and where everyone begins.
pub struct Table<'a> {
    pub points: &'a [(Settings, f64)],
    pub best: f64,
    pub today: &'a Settings,
}

impl Table<'_> {
    /// Mean regret of today's settings and others by chance, so many trials in each search.
    pub fn random(&self, trials: &[usize]) -> f64 {
        let regret = |(seed, n): (usize, &usize)| {
            let mut chance = Chance::new(seed as u64 + 1);
            1.0 - self.by_chance(*n, &mut chance) / self.best
        };
        mean(&trials.iter().enumerate().map(regret).collect::<Vec<_>>())
    }

    /// What the choice carries that was the best by its measurement.
    fn by_chance(&self, trials: usize, chance: &mut Chance) -> f64 {
        let mut order: Vec<usize> = (0..self.points.len()).collect();
        order.sort_by_cached_key(|_| chance.uniform().to_bits());
        order.sort_by_key(|i| !self.is_today(&self.points[*i].0));
        let mut shown = |rate: f64| rate * (NOISE * chance.normal()).exp();
        let tried = order.iter().take(trials).map(|i| self.points[*i].1);
        let seen = tried.map(|rate| (shown(rate), rate));
        seen.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, rate)| rate)
    }

    /// A point names the knobs that the grid moved, today's settings all.
    fn is_today(&self, point: &Settings) -> bool {
        point.0.iter().all(|(knob, value)| self.today.0.get(knob) == Some(value))
    }

    /// Mean regret of Optuna's TPE sampler with so many trials in each search; None without Optuna
    /// (`scripts/bench-setup` brings it).
    pub fn tpe(&self, trials: &[usize]) -> Option<f64> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("target/setup/bench/bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/regret/tpe.py");
        let point = |(settings, rate): &(Settings, f64)| json!({ "settings": knobs(settings), "rate": rate });
        let question = json!({
            "points": self.points.iter().map(point).collect::<Vec<_>>(),
            "today": knobs(self.today),
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
}

fn knobs(settings: &Settings) -> serde_json::Map<String, serde_json::Value> {
    let value = |value: &Value| match value {
        Value::Int(n) => json!(n),
        Value::Text(text) => json!(text),
    };
    settings.0.iter().map(|(knob, set)| (knob.clone(), value(set))).collect()
}
