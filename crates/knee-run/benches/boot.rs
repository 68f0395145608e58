//! What knee-run chooses at a boot on tasks as ECS makes them, beside what others would, and what
//! its start costs over tini's.

#[path = "../tests/it/group.rs"]
mod group;

use group::Group;
use knee_probe::process::Process;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_knee-run");
/// Starts of each kind, in turn.
const STARTS: usize = 200;
/// Prints what Go itself decides.
const GO: &str = "package main\nimport (\"fmt\"; \"runtime\")\n\
    func main() { fmt.Print(runtime.GOMAXPROCS(0)) }\n";

fn main() {
    if std::env::args().any(|word| word == "starts") {
        return starts();
    }
    sizes();
    in_a_container(starts);
    memory();
}

/// Runs the part in process and mount namespaces of its own, as a container has them: knee-run
/// looks at all processes that it can see, which on a busy host are many. Without the privilege
/// the part runs here, and says so.
fn in_a_container(part: fn()) {
    let program = std::env::current_exe().unwrap();
    let unshare = ["--pid", "--fork", "--mount-proc"];
    let status = Command::new("unshare").args(unshare).arg(program).arg("starts").status();
    if !status.is_ok_and(|status| status.success()) {
        println!("\nno process namespace of its own: knee-run reads every process of this host");
        part();
    }
}

fn sizes() {
    let Some(group) = Group::new() else {
        println!("boot size: not measured: this process may make no cgroup");
        return;
    };
    let folder = std::env::temp_dir().join(format!("knee-boot-{}", std::process::id()));
    let go = go_program(&folder);
    println!("quota on {}, none on the container below it", group.path().display());
    println!("| task, vCPU | gunicorn workers | GOMAXPROCS | nproc | 2 × nproc + 1 | Go itself |");
    println!("|---|---|---|---|---|---|");
    for quarters in [1, 2, 4, 8] {
        group.quota(quarters);
        let said = |program: &str, words: &[&str]| {
            let mut command = Command::new(program);
            group.join(command.args(words).env_remove("GOMAXPROCS"));
            String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_string()
        };
        let chosen = |knob: &str, words: &[&str]| {
            let out = said(PROGRAM, &[&["--dry-run", "--"], words].concat());
            let line = out.lines().find_map(|line| line.strip_prefix(knob));
            line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("–").to_string()
        };
        let workers = chosen("workers ", &["gunicorn", "app:app"]);
        let threads = chosen("GOMAXPROCS ", &[&go]);
        let (seen, own) = (said("nproc", &[]), said(&go, &[]));
        let rule = 2 * seen.parse::<u32>().unwrap() + 1;
        let cpu = f64::from(quarters) / 4.0;
        println!("| {cpu} | {workers} | {threads} | {seen} | {rule} | {own} |");
    }
    let _ = fs::remove_dir_all(folder);
}

fn go_program(folder: &Path) -> String {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("main.go"), GO).unwrap();
    let program = folder.join("served").to_str().unwrap().to_string();
    let mut build = Command::new("go");
    build.args(["build", "-o", &program, "main.go"]).current_dir(folder).env("CGO_ENABLED", "0");
    assert!(build.status().unwrap().success());
    program
}

fn starts() {
    let kinds: [&[&str]; 4] = [
        &["true"],
        &["tini", "-s", "--", "true"],
        &[PROGRAM, "--keep", "--", "true"],
        &[PROGRAM, "--", "true"],
    ];
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..STARTS {
        for (kind, times) in kinds.iter().zip(&mut times) {
            let mut command = Command::new(kind[0]);
            command.args(&kind[1..]).stderr(Stdio::null());
            let began = Instant::now();
            match command.status() {
                Ok(_) => times.push(began.elapsed()),
                Err(error) => return println!("start: {} cannot be started: {error}", kind[0]),
            }
        }
    }
    println!("\nstart and end of `true`, median of {STARTS}:");
    for (kind, times) in kinds.iter().zip(&mut times) {
        times.sort();
        let name = kind.join(" ").replace(PROGRAM, "knee-run");
        println!("{name}: {:.2} ms", times[STARTS / 2].as_secs_f64() * 1e3);
    }
}

/// What knee-run takes beside a service: the proportional set size, as other programs may share its
/// pages.
fn memory() {
    let mut command = Command::new(PROGRAM);
    let mut started = command.args(["--", "sleep", "60"]).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let pss = Process::new(started.id().cast_signed()).pss();
    let _ = Command::new("kill").arg(started.id().to_string()).status();
    let _ = started.wait();
    match pss {
        Ok(pss) => println!("\nmemory of knee-run beside `sleep`: {pss} of PSS"),
        Err(error) => println!("\nmemory: not read: {error}"),
    }
}
