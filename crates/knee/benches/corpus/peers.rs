//! The audit's speed beside that of linters, each pair on a folder of nothing but the files that
//! the linter reads, out of all repositories.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of the audit; the middle one counts. A linter runs once: it takes minutes.
const RUNS: usize = 5;

/// What a linter reads, and how it is asked to.
struct Peer {
    program: &'static str,
    reads: fn(&str, &str) -> bool,
    /// Words before the files, or the folder.
    words: &'static [&'static str],
    folder: bool,
}

const PEERS: [Peer; 3] = [
    Peer {
        program: "checkov",
        reads: |name, text| is_dockerfile(name) || is_template(name, text) || name.ends_with(".tf"),
        words: &[
            "--quiet",
            "--compact",
            "--skip-download",
            "--framework",
            "dockerfile",
            "cloudformation",
            "terraform",
            "-d",
        ],
        folder: true,
    },
    Peer {
        program: "hadolint",
        reads: |name, _| is_dockerfile(name),
        words: &["--no-fail"],
        folder: false,
    },
    Peer { program: "cfn-lint", reads: is_template, words: &["--"], folder: false },
];

fn is_dockerfile(name: &str) -> bool {
    name == "Dockerfile" || name.ends_with(".dockerfile")
}

fn is_template(name: &str, text: &str) -> bool {
    [".yml", ".yaml", ".json"].iter().any(|end| name.ends_with(end))
        && text.contains("AWSTemplateFormatVersion")
}

/// Prints a row for each linter that `folder` holds.
pub fn compare(knee: &str, repositories: &Path, folder: &Path) {
    println!("\n| beside | files | knee audit, s | the linter, s | times as fast |");
    println!("|---|---|---|---|---|");
    for peer in PEERS {
        let program = folder.join(peer.program);
        if !program.exists() {
            println!("| {} | not there | | | |", peer.program);
            continue;
        }
        let apart = tempfile::tempdir().expect("a folder for copies");
        let files = copies(repositories, apart.path(), peer.reads);
        let mut runs: Vec<Duration> = (0..RUNS)
            .map(|_| {
                let mut command = Command::new(knee);
                command.args(["audit", ".", "--format", "json", "--fail-on", "never"]);
                timed(command.current_dir(apart.path()))
            })
            .collect();
        runs.sort();
        let own = runs[RUNS / 2].as_secs_f64();
        let mut command = Command::new(&program);
        command.args(peer.words).current_dir(apart.path());
        if peer.folder {
            command.arg(".");
        } else {
            command.args(&files);
        }
        let its = timed(&mut command).as_secs_f64();
        println!("| {} | {} | {own:.3} | {its:.2} | {:.0} |", peer.program, files.len(), its / own);
    }
}

/// Copies the files that are read, under their own paths.
fn copies(from: &Path, to: &Path, reads: fn(&str, &str) -> bool) -> Vec<PathBuf> {
    let mut copied = Vec::new();
    let mut todo = vec![from.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                todo.push(path);
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(text) = kind.is_file().then(|| std::fs::read_to_string(&path).ok()).flatten()
            else {
                continue;
            };
            if reads(&name, &text) {
                let relative = path.strip_prefix(from).expect("is below it").to_path_buf();
                let copy = to.join(&relative);
                std::fs::create_dir_all(copy.parent().expect("has one")).expect("a folder");
                std::fs::write(copy, text).expect("a copy");
                copied.push(relative);
            }
        }
    }
    copied.sort();
    copied
}

fn timed(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("it starts");
    begun.elapsed()
}
