//! What a run reads and writes: the facts of a service of the samples, and its patch.

use knee_core::event::{Fact, KnobFact, Machine, PatchFact, Started};
use knee_core::observe::Validity;
use knee_core::settings::Settings;
use knee_core::workload::Request;
use knee_core::{Goal, Origin, Sourced, Task};

pub fn patch(today: &Settings, best: &Settings) -> PatchFact {
    let command = |s: &Settings| {
        let workers = s.int("workers").unwrap();
        format!(
            r#"CMD ["gunicorn", "--bind", "127.0.0.1:8081", "--workers", "{workers}", "--no-control-socket", "app:app"]"#
        )
    };
    let diff = format!(
        "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -6,4 +6,4 @@\n COPY app.py orders.py ./\n \n # gunicorn writes no access log unless asked to.\n-{}\n+{}\n",
        command(today),
        command(best)
    );
    PatchFact { path: "Dockerfile".into(), diff }
}

pub fn started(goal: &Goal, task: Task, today: &Settings) -> Started {
    let read = |what: &str, value: &str, path: &str, line| Fact {
        what: what.into(),
        value: Sourced::from_file(value.into(), path, line),
    };
    let knob = |name: &str, unit: &str, range: &str, doc: &str, origin| KnobFact {
        name: name.into(),
        runtime: "gunicorn".into(),
        doc: doc.into(),
        unit: unit.into(),
        range: range.into(),
        current: Sourced::new(today.0[name].clone(), origin),
    };
    let default = || Origin::Default { program: "gunicorn 26.2".into() };
    Started {
        knee: env!("CARGO_PKG_VERSION").into(),
        at: 1_795_589_160,
        service: "orders".into(),
        facts: vec![
            read(
                "command",
                &format!("gunicorn --bind 127.0.0.1:8081 --workers {} app:app", today.0["workers"]),
                "Dockerfile",
                10,
            ),
            read("port", "8081", "task-definition.json", 12),
            read("task", &task.to_string(), "task-definition.json", 5),
            read("open files", "65536", "task-definition.json", 14),
            Fact {
                what: "runtime".into(),
                value: Sourced::new(
                    "gunicorn".into(),
                    Origin::Observed { by: "the command runs gunicorn".into() },
                ),
            },
            Fact {
                what: "readiness".into(),
                value: Sourced::assumed(
                    "the port accepts connections".into(),
                    "no health check was found",
                ),
            },
        ],
        task: Sourced::from_file(task, "task-definition.json", 5),
        goal: Sourced::new(*goal, Origin::Flag { name: "--goal".into() }),
        requests: vec![
            Request { weight: 3.0, ..Request::get("/api/orders?limit=20&wait=20") },
            Request::get("/health"),
        ],
        knobs: vec![
            knob(
                "workers",
                "processes",
                "1..64",
                "processes that handle requests",
                Origin::File { path: "Dockerfile".into(), line: 10 },
            ),
            knob("threads", "threads", "1..64", "threads of each worker", default()),
            knob("worker-class", "", "sync|gthread", "how a worker serves", default()),
            knob(
                "backlog",
                "connections",
                "64..4096",
                "connections that wait to be accepted",
                default(),
            ),
        ],
        machine: Machine {
            cpu: "Intel(R) Xeon(R) Processor @ 2.90GHz".into(),
            cpus: 2,
            memory: 8 << 30,
            kernel: "6.1.0-31-amd64".into(),
            cgroup: 2,
        },
        confinement: format!(
            "cgroup v2: {} ms of CPU in each 100 ms and {} on the task, no limit on its containers; a copy-on-write view of the host's files",
            task.cpu * 100.0,
            task.memory
        ),
        seed: 7,
        validity: Validity::default(),
    }
}
