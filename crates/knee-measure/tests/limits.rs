//! A generator that is short of something says so, and blames no service.
//!
//! What is short is short for a whole process: each of these scenes runs in a process of its
//! own, this test program once more under `prlimit` or `unshare`, or halted again and again.

mod server;

use knee_core::Goal;
use knee_core::observe::{Outcome, Step};
use knee_core::workload::Request;
use knee_measure::{Generator, GeneratorOptions, Pace, Target};
use rustix::process::{Pid, Signal, kill_process};
use server::{Server, read_request};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Runs a scene below in a process of its own, behind these words of a command line.
fn alone(scene: &str, wrapper: &[&str]) {
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(me).args(["--exact", scene, "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Answers after 300 ms.
fn slow() -> Server {
    Server::with(|mut stream, _| {
        while read_request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(300));
            if stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").is_err() {
                return;
            }
        }
    })
}

/// Half a second of load under which a tenth of a second is too long.
fn step(server: &Server, rate: f64) -> Step {
    let target = Target { addr: server.addr, host: "test".into() };
    let options = GeneratorOptions::default();
    let mut generator = Generator::new(target, vec![Request::get("/")], options).unwrap();
    let goal: Goal = "p99<100ms".parse().unwrap();
    let stop = AtomicBool::new(false);
    generator.step(&Pace::Constant { rate }, 0.5, 0.0, &goal, &stop).unwrap()
}

fn says(step: &Step, words: &str) {
    assert_ne!(step.outcome, Outcome::Held);
    assert!(step.validity.invalid.iter().any(|reason| reason.contains(words)), "{step:?}");
}

#[test]
fn too_few_open_files_are_the_generators_fault() {
    alone("scene_few_open_files", &["prlimit", "--nofile=160"]);
}

#[test]
#[ignore = "a scene of too_few_open_files_are_the_generators_fault"]
fn scene_few_open_files() {
    let server = slow();
    let step = step(&server, 300.0);
    says(&step, "may open no more than 32 connections; raise its limit of open files");
    assert_eq!(server.connections(), 32);
}

#[test]
fn open_files_that_others_took_are_the_generators_fault_too() {
    alone("scene_open_files_taken", &["prlimit", "--nofile=400"]);
}

#[test]
#[ignore = "a scene of open_files_that_others_took_are_the_generators_fault_too"]
fn scene_open_files_taken() {
    // The server of this same process needs a descriptor for each connection as well.
    let taken: Vec<_> = (0..350).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let step = step(&slow(), 300.0);
    drop(taken);
    says(&step, "ran out of descriptors after");
}

#[test]
fn too_few_ports_are_the_generators_fault() {
    let narrow = "ip link set lo up && echo '50000 50015' >/proc/sys/net/ipv4/ip_local_port_range \
                  && exec \"$@\"";
    alone("scene_few_ports", &["unshare", "--map-root-user", "--net", "sh", "-c", narrow, "scene"]);
}

#[test]
#[ignore = "a scene of too_few_ports_are_the_generators_fault"]
fn scene_few_ports() {
    let server = slow();
    let step = step(&server, 300.0);
    says(&step, "ran out of local ports");
    assert!(step.counts.unsent > 0 && server.connections() <= 16, "{step:?}");
}

#[test]
fn a_generator_that_is_kept_from_running_says_that_it_was_late() {
    halting("scene_halted");
}

/// Runs a scene in a process that runs for a fifth of the time only: whatever else the host does,
/// and without the privileges that a quota takes.
fn halting(scene: &str) {
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new(me);
    command.args(["--exact", scene, "--ignored", "--nocapture"]);
    let mut child = Halted(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    while child.0.try_wait().unwrap().is_none() {
        child.send(Signal::STOP);
        std::thread::sleep(Duration::from_millis(200));
        child.send(Signal::CONT);
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut text = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("1 passed"), "{text}");
}

/// A process that never stays halted.
struct Halted(Child);

impl Halted {
    fn send(&self, signal: Signal) {
        // It may have ended meanwhile; its number is not used again before it is waited for.
        let _ = kill_process(Pid::from_child(&self.0), signal);
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "a scene of a_generator_that_is_kept_from_running_says_that_it_was_late"]
fn scene_halted() {
    let server = Server::with(|mut stream, _| {
        while read_request(&mut stream).is_some() {
            if stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").is_err() {
                return;
            }
        }
    });
    let step = step(&server, 300.0);
    says(&step, "the generator was late itself");
}
