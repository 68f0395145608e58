//! What ECS says of the task and this container: task metadata endpoint, version 4.
//!
//! The two levels have different units: a task's `Limits.CPU` is vCPU (0.25), a container's is CPU
//! units (256). A container's units are its share while others want the CPU too, never a cap
//! below the task's. Memory is MiB at both.
//! Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html>,
//! `ecs-agent/tmds/handlers/v4/state/response.go` of the agent.

use knee_core::Bytes;
use knee_probe::http;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The variable that names the endpoint.
pub const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// Most that a silent endpoint holds anything up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Docker's least share, which stands where the task definition says nothing.
const UNSET_UNITS: f64 = 2.0;
/// More than any machine has: a document that says so lies.
const MOST_CPU: f64 = 4096.0;
const MOST_MIB: u64 = 1 << 30;

/// What the endpoint says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// vCPU of the task; None where its definition states none (EC2).
    pub task_cpu: Option<f64>,
    /// Memory of the task.
    pub task_memory: Option<Bytes>,
    /// CPU share of this container, cores.
    pub own_cpu: Option<f64>,
    /// Memory limit of this container.
    pub own_memory: Option<Bytes>,
    /// Other containers of the task that run.
    pub others: usize,
    /// Memory limits of those that have one, together.
    pub others_memory: Bytes,
    /// `FARGATE` or `EC2`.
    pub launch_type: Option<String>,
}

/// The endpoint's two documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// Of the task.
    pub task: Option<Value>,
    /// Of this container.
    pub container: Option<Value>,
}

impl Documents {
    /// Asks for them, for a second at most; what could not be had is said in words.
    pub fn ask(endpoint: &str, problems: &mut Vec<String>) -> Documents {
        let until = Instant::now() + PATIENCE;
        let mut document = |path: &str| {
            let answer = http::get(&format!("{endpoint}{path}"), until).map_err(|e| e.to_string());
            let read = |body: Vec<u8>| serde_json::from_slice(&body).map_err(|e| e.to_string());
            // Neither address nor body: both may hold what is nobody's business.
            let keep = |e| problems.push(format!("task metadata{path}: {e}"));
            answer.and_then(read).map_err(keep).ok()
        };
        Documents { task: document("/task"), container: document("") }
    }
}

/// Reads the two documents. What is not as documented counts as not there.
pub fn read(documents: &Documents) -> Metadata {
    let (task, container) = (documents.task.as_ref(), documents.container.as_ref());
    let limit = |of: Option<&Value>, name: &str| of?.get("Limits")?.get(name)?.as_f64();
    let id = container.and_then(|c| c.get("DockerId")?.as_str());
    let all = task.and_then(|t| t.get("Containers")?.as_array()).map_or(&[][..], Vec::as_slice);
    let text = |of: &Value, name: &str| Some(of.get(name)?.as_str()?.to_string());
    // ECS's own helpers (`CNI_PAUSE`) are no containers of the user's.
    let normal = |c: &&Value| text(c, "Type").is_none_or(|t| t == "NORMAL");
    let runs = |c: &&Value| text(c, "KnownStatus").is_none_or(|s| s != "STOPPED");
    let foreign = |c: &&Value| c.get("DockerId").and_then(Value::as_str) != id;
    let others: Vec<&Value> = match id {
        Some(_) => all.iter().filter(normal).filter(runs).filter(foreign).collect(),
        // Which of them is this one is not known; one of them it is.
        None => all.iter().filter(normal).filter(runs).skip(1).collect(),
    };
    let others_memory = others.iter().filter_map(|c| memory(limit(Some(c), "Memory"))).map(|b| b.0);
    let cpu = |value: f64| (value > 0.0 && value <= MOST_CPU).then_some(value);
    Metadata {
        task_cpu: limit(task, "CPU").and_then(cpu),
        task_memory: memory(limit(task, "Memory")),
        own_cpu: limit(container, "CPU")
            .filter(|u| *u > UNSET_UNITS)
            .map(|u| u / 1024.0)
            .and_then(cpu),
        own_memory: memory(limit(container, "Memory")),
        others: others.len(),
        others_memory: Bytes(others_memory.fold(0, u64::saturating_add)),
        launch_type: task.and_then(|t| text(t, "LaunchType")),
    }
}

fn memory(mib: Option<f64>) -> Option<Bytes> {
    let mib = mib.filter(|mib| *mib >= 1.0 && *mib <= MOST_MIB as f64)?;
    Some(Bytes::mib(mib as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(task: Option<Value>, container: Option<Value>) -> Metadata {
        super::read(&Documents { task, container })
    }

    #[test]
    fn the_units_differ_between_the_levels() {
        let task = json!({"LaunchType": "FARGATE", "Limits": {"CPU": 0.25, "Memory": 512}, "Containers": [
            {"DockerId": "a", "Type": "NORMAL", "Limits": {"CPU": 192, "Memory": 384}},
            {"DockerId": "b", "Type": "NORMAL", "Limits": {"CPU": 2, "Memory": 128}},
            {"DockerId": "c", "Type": "NORMAL", "KnownStatus": "STOPPED", "Limits": {"Memory": 64}},
            {"DockerId": "p", "Type": "CNI_PAUSE", "Limits": {"CPU": 2}}]});
        let container = json!({"DockerId": "a", "Limits": {"CPU": 192, "Memory": 384}});
        let expected = Metadata {
            task_cpu: Some(0.25),
            task_memory: Some(Bytes::mib(512)),
            own_cpu: Some(0.1875),
            own_memory: Some(Bytes::mib(384)),
            others: 1,
            others_memory: Bytes::mib(128),
            launch_type: Some("FARGATE".into()),
        };
        assert_eq!(read(Some(task), Some(container)), expected);
    }

    #[test]
    fn what_is_not_said_or_cannot_be_counts_as_absent() {
        assert_eq!(read(None, None), Metadata::default());
        for limits in [
            json!(null),
            json!([1]),
            json!({"CPU": 0, "Memory": 0}),
            json!({"CPU": -1, "Memory": -5}),
            json!({"CPU": "0.25", "Memory": "512"}),
            json!({"CPU": 1e300, "Memory": 1e300}),
            json!({"CPU": 2}),
        ] {
            let document = json!({"Limits": limits});
            let container = read(None, Some(document));
            assert_eq!((container.own_cpu, container.own_memory), (None, None), "{limits}");
        }
    }

    proptest! {
        #[test]
        fn any_limits_are_sensible_or_absent(cpu in any::<f64>(), memory in any::<f64>()) {
            let document = json!({"Limits": {"CPU": cpu, "Memory": memory}});
            let read = read(Some(document.clone()), Some(document));
            prop_assert!(read.task_cpu.is_none_or(|c| c > 0.0 && c <= MOST_CPU));
            prop_assert!(read.task_memory.is_none_or(|m| m.0 >= 1 << 20));
        }
    }
}
