//! Scores `knee audit` on repositories that people labelled by hand:
//! `make corpus CORPUS=labels.json REPOS=folder`. The folder holds each repository as `owner+name`,
//! at the commit of the labels. What the words of the labels mean stands in `labels.rs`; `peers.rs`
//! compares the speed with other linters'.

mod labels;
mod peers;

use labels::{Corpus, Label, Repository};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_knee");
/// A report is at a label's place when it is no further from it.
const LINES: i64 = 5;

fn main() {
    let (Some(corpus), Some(repositories)) = (setting("CORPUS"), setting("REPOS")) else {
        println!("corpus: say CORPUS=labels.json REPOS=folder-of-repositories");
        return;
    };
    let text = std::fs::read_to_string(&corpus).unwrap_or_else(|e| panic!("{corpus:?}: {e}"));
    let corpus: Corpus = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{corpus:?}: {e}"));
    let mut sum = Score::default();
    println!("| repository | firm findings | values | reports | on a mistake | seconds |");
    println!("|---|---|---|---|---|---|");
    for repository in &corpus.repositories {
        let folder = repositories.join(repository.repo.replace('/', "+"));
        if !folder.is_dir() {
            println!("| {} | not there | | | | |", repository.repo);
            continue;
        }
        let score = score(repository, &folder);
        score.row(&repository.repo);
        sum.add(score);
    }
    sum.row("all");
    sum.misses.iter().for_each(|miss| println!("{miss}"));
    if let Some(linters) = setting("LINTERS") {
        peers::compare(PROGRAM, &repositories, &linters);
    }
}

fn setting(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from)
}

#[derive(Default)]
struct Score {
    firm: (usize, usize),
    values: (usize, usize),
    reports: usize,
    mistakes: usize,
    took: Duration,
    misses: Vec<String>,
}

impl Score {
    fn row(&self, name: &str) {
        let (found, of) = self.firm;
        let (told, values) = self.values;
        let took = self.took.as_secs_f64();
        let (reports, mistakes) = (self.reports, self.mistakes);
        println!(
            "| {name} | {found} of {of} | {told} of {values} | {reports} | {mistakes} | {took:.2} |"
        );
    }

    fn add(&mut self, other: Score) {
        self.firm = (self.firm.0 + other.firm.0, self.firm.1 + other.firm.1);
        self.values = (self.values.0 + other.values.0, self.values.1 + other.values.1);
        self.reports += other.reports;
        self.mistakes += other.mistakes;
        self.took += other.took;
        self.misses.extend(other.misses);
    }
}

fn score(repository: &Repository, folder: &Path) -> Score {
    let begun = Instant::now();
    let report = audit(folder, &[]);
    let took = begun.elapsed();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let facts = audit(folder, &["--facts"])["facts"].as_array().cloned().unwrap_or_default();
    let mut score = Score { reports: findings.len(), took, ..Score::default() };
    let name = &repository.repo;
    for label in repository.findings.iter().filter(|l| l.confidence.as_deref() == Some("firm")) {
        let problem = label.problem.as_deref().unwrap_or_default();
        let found = findings.iter().any(|f| labels::says(problem, &f["rule"]) && meets(label, f));
        score.firm = (score.firm.0 + usize::from(found), score.firm.1 + 1);
        if !found {
            score.misses.push(format!("not reported: {name} {label} {problem}"));
        }
    }
    for label in &repository.non_findings {
        let problem = label.tempting_problem.as_deref().unwrap_or_default();
        for finding in findings.iter().filter(|f| at(label, &f["place"])) {
            if labels::says(problem, &finding["rule"]) {
                score.mistakes += 1;
                let severity = finding["severity"].as_str().unwrap_or_default();
                score.misses.push(format!("a mistake, {severity}: {name} {label} {problem}"));
            }
        }
    }
    for label in &repository.facts {
        let key = label.key.as_deref().unwrap_or_default();
        let told = facts.iter().any(|f| labels::names(key, &f["key"]) && at(label, f));
        score.values = (score.values.0 + usize::from(told), score.values.1 + 1);
        if !told {
            score.misses.push(format!("not told: {name} {label} {key}"));
        }
    }
    score
}

/// Whether a report is at a label's place, or at another place of its proof.
fn meets(label: &Label, finding: &Value) -> bool {
    let further = finding["further"].as_array().into_iter().flatten();
    std::iter::once(&finding["place"]).chain(further).any(|place| at(label, place))
        || label.also.iter().any(|also| at(also, &finding["place"]))
}

fn at(label: &Label, place: &Value) -> bool {
    place["path"].as_str() == Some(&label.path)
        && place["line"].as_i64().is_some_and(|line| (line - label.line).abs() <= LINES)
}

fn audit(folder: &Path, more: &[&str]) -> Value {
    let output = Command::new(PROGRAM)
        .args(["audit", ".", "--format", "json", "--fail-on", "never"])
        .args(more)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .expect("knee starts");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
