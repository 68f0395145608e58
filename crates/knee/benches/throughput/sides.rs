//! The sides that are compared, each as a change of what the example starts.

use crate::Failure;
use crate::tuned::Tuned;
use knee_core::launch::{Container, Launch};
use knee_core::{Service, Task};
use std::fmt;

const PROGRAM: &str = env!("CARGO_BIN_EXE_knee");
/// Where the lock stands, as the service sees it.
const LOCK: &str = "/run/knee-bench/knee.lock";
/// CPUs that a task of 0.5 vCPU sees on a small host, of which articles make 2n + 1 workers.
const SEEN: u32 = 2;

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    /// Nothing is set but by the runtime itself, or by how it is packaged.
    Bare,
    /// 2n + 1 workers.
    Rule,
    /// `knee run` fills in what the bare one leaves open.
    Run,
    /// The same with a lock.
    Locked,
    /// What `knee tune` found.
    Tuned,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Bare => "bare",
            Side::Rule => "2n + 1",
            Side::Run => "knee run",
            Side::Locked => "knee run, knee.lock",
            Side::Tuned => "knee tune",
        })
    }
}

impl Side {
    /// Those of an example: nobody advises 2n + 1 for Node.js and Go, which have one process.
    pub fn all(example: &str) -> Vec<Side> {
        let pool = matches!(example, "gunicorn" | "php-fpm");
        let all = [Side::Bare, Side::Rule, Side::Run, Side::Locked, Side::Tuned];
        all.into_iter().filter(|side| pool || *side != Side::Rule).collect()
    }

    pub fn launch(
        self,
        service: &Service,
        tuned: &Tuned,
        task: Task,
        metadata: &str,
    ) -> Result<Launch, Failure> {
        let today = service.current();
        let settings = match self {
            Side::Tuned => tuned.best.clone(),
            Side::Rule if today.0.contains_key("pm") => {
                today.with("pm", "static").with("pm.max_children", i64::from(2 * SEEN + 1))
            }
            Side::Rule => today.with("workers", i64::from(2 * SEEN + 1)),
            _ => today,
        };
        let mut launch = knee_files::launch(service, &settings, task)?;
        if matches!(self, Side::Tuned | Side::Rule) {
            return Ok(launch);
        }
        let container = launch.containers.first_mut().ok_or("no container")?;
        strip(container);
        if self == Side::Bare {
            return Ok(launch);
        }
        let mut words: Vec<String> = [PROGRAM, "run"].map(String::from).into();
        if self == Side::Locked {
            words.extend(["--lock", LOCK].map(String::from));
            launch.files.push((LOCK.into(), serde_json::to_vec(&tuned.profile)?));
        }
        words.push("--".into());
        words.append(&mut container.argv);
        container.argv = words;
        container.env.0.push(("ECS_CONTAINER_METADATA_URI_V4".into(), metadata.into()));
        Ok(launch)
    }
}

/// Without what the example sets itself: gunicorn's workers stand in its command.
fn strip(container: &mut Container) {
    if let Some(at) = container.argv.iter().position(|word| word == "--workers") {
        container.argv.drain(at..at + 2);
    }
}
