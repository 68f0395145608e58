//! The task's size and its limit of open files.

use super::Missing;
use crate::blueprint::Blueprint;
use crate::error::FilesError;
use crate::formats::Entry;
use crate::sources::Sources;
use knee_core::sourced::{Origin, Sourced};
use knee_core::task::Task;
use knee_core::units::Bytes;

/// What Fargate gives to a container whose task definition says nothing.
/// Source: `Ulimit` in <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html>.
const FARGATE_NOFILE: (u64, u64) = (65_535, 65_535);

/// Less than this, vCPU, is a weight among containers and no size: EC2's containers may have 10 units.
const LEAST_CPU: f64 = 0.125;

/// The size of the task, or what is missing of it.
pub(super) fn task(
    sources: &Sources,
    serving: &Blueprint,
    asked: Option<Task>,
) -> Result<(Option<Sourced<Task>>, Option<Missing>), FilesError> {
    let fargate = match (&sources.task, sources.deployed(&serving.name)) {
        (Some(task), _) => task.parsed.fargate,
        (None, Some(deployed)) => deployed.fargate,
        (None, None) => true,
    };
    if let Some(task) = asked {
        let origin = Origin::Flag { name: "--task".into() };
        return checked(Sourced::new(task, origin), fargate).map(|task| (Some(task), None));
    }
    let (cpu, memory) = stated(sources, serving);
    match (cpu, memory) {
        (Some(cpu), Some(memory)) => {
            let from_config = |origin: &Origin| matches!(origin, Origin::File { path, .. } if path == crate::sources::CONFIG);
            // knee.toml is the last to have said something about the pair.
            let second = from_config(&memory.origin) && !from_config(&cpu.origin);
            let origin = if second { memory.origin } else { cpu.origin };
            let task = Task { cpu: cpu.value, memory: memory.value };
            let composed = sources.task.is_none() && !from_config(&origin);
            let task = checked(Sourced::new(task, origin), fargate && !composed)?;
            Ok((Some(task), None))
        }
        (cpu, memory) => {
            let lacks = match (cpu, memory) {
                (Some(cpu), None) => format!("the task's memory (its CPU is {} vCPU)", cpu.value),
                (None, Some(memory)) => format!("the task's vCPU (its memory is {})", memory.value),
                _ => "the task's size, vCPU and memory".into(),
            };
            Ok((None, Some(missing(lacks, sources, serving))))
        }
    }
}

fn checked(task: Sourced<Task>, fargate: bool) -> Result<Sourced<Task>, FilesError> {
    if fargate {
        let origin = task.origin.to_string();
        task.value.check_fargate().map_err(|error| FilesError::Task { origin, error })?;
    }
    Ok(task)
}

fn missing(lacks: String, sources: &Sources, serving: &Blueprint) -> Missing {
    let open = sources.task.as_ref().and_then(|task| {
        let entry = task.parsed.cpu.as_ref().or(task.parsed.memory.as_ref())?;
        let text = task.text.get(entry.word.range.clone())?;
        Some(format!("; {}:{} leaves it open with {text}", task.path.display(), entry.line))
    });
    let of_deployment = || match sources.deployed(&serving.name) {
        Some(deployed) => Some(format!("; {} leaves it open ({})", deployed.tool, deployed.at)),
        None => {
            let mut names: Vec<&str> = Vec::new();
            let all = sources.all_deployed();
            for name in all.iter().map(|deployed| deployed.name.as_str()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let (tool, names) = (all.first()?.tool, names.join(", "));
            Some(format!("; {tool} deploys {names}: --container says which"))
        }
    };
    let broken =
        || sources.broken().first().map(|told| format!("; {} cannot be read", told.origin));
    let what =
        format!("{lacks}{}", open.or_else(of_deployment).or_else(broken).unwrap_or_default());
    Missing { what, flag: "--task".into(), example: "--task 0.5,1GB".into() }
}

/// vCPU and memory as the files state them, each by itself.
fn stated(
    sources: &Sources,
    serving: &Blueprint,
) -> (Option<Sourced<f64>>, Option<Sourced<Bytes>>) {
    let config = sources.config.as_ref().map(|source| &source.parsed.task);
    let (mut cpu, mut memory) = (
        config.and_then(|task| Some(task.cpu.as_ref()?.sourced(crate::sources::CONFIG))),
        config.and_then(|task| Some(task.memory.as_ref()?.sourced(crate::sources::CONFIG))),
    );
    if let Some(task) = &sources.task {
        let path = task.path.display().to_string();
        let at = |entry: &Entry| Origin::File { path: path.clone(), line: entry.line };
        let of_cpu = |e: &Entry| Some(Sourced::new(units(&e.value)?, at(e)));
        let of_memory = |e: &Entry| Some(Sourced::new(mib(&e.value)?, at(e)));
        cpu = cpu.or_else(|| of_cpu(task.parsed.cpu.as_ref()?));
        memory = memory.or_else(|| of_memory(task.parsed.memory.as_ref()?));
        // On EC2 a task may state nothing, and its containers what they reserve.
        let containers = &task.parsed.containers;
        let sum = |of: fn(&crate::formats::task_definition::Container) -> Option<f64>| {
            containers.iter().map(of).sum::<Option<f64>>().filter(|sum| *sum > 0.0)
        };
        let because = format!("{path} states it for the containers only; this is their sum");
        if task.parsed.cpu.is_none() {
            let sum = sum(|c| units(&c.cpu.as_ref()?.value)).filter(|sum| *sum >= LEAST_CPU);
            cpu = cpu.or_else(|| Some(Sourced::assumed(sum?, because.clone())));
        }
        if task.parsed.memory.is_none() {
            let sum = sum(|c| Some(mib(&c.memory.as_ref()?.value)?.0 as f64));
            memory = memory.or_else(|| Some(Sourced::assumed(Bytes(sum? as u64), because)));
        }
    } else if let Some(deployed) = sources.deployed(&serving.name) {
        let of_cpu =
            |text: &Sourced<String>| Some(Sourced::new(units(&text.value)?, text.origin.clone()));
        let of_memory =
            |text: &Sourced<String>| Some(Sourced::new(mib(&text.value)?, text.origin.clone()));
        cpu = cpu.or_else(|| of_cpu(deployed.cpu.as_ref()?));
        memory = memory.or_else(|| of_memory(deployed.memory.as_ref()?));
    }
    if let (Some(file), Some(index), None) = (&sources.compose, serving.service, &sources.task) {
        let path = file.path.display().to_string();
        let service = &file.parsed[index];
        let at = |entry: &Entry| Origin::File { path: path.clone(), line: entry.line };
        let of_cpu = |e: &Entry| Some(Sourced::new(positive(&e.value)?, at(e)));
        let of_memory = |e: &Entry| Some(Sourced::new(amount(&e.value)?, at(e)));
        cpu = cpu.or_else(|| of_cpu(service.cpu.as_ref()?));
        memory = memory.or_else(|| of_memory(service.memory.as_ref()?));
    }
    (cpu, memory)
}

/// `512` units, or `0.5 vCPU`, in vCPU.
fn units(text: &str) -> Option<f64> {
    let lower = text.trim().to_lowercase();
    match lower.strip_suffix("vcpu") {
        Some(number) => positive(number),
        None => Some(positive(&lower)? / 1024.0),
    }
}

/// `1024` MiB, or `1 GB`.
fn mib(text: &str) -> Option<Bytes> {
    let text = text.trim();
    match text.parse::<u64>() {
        Ok(n) => Some(Bytes::mib(n)).filter(|bytes| n > 0 && bytes.0 >> 20 == n),
        Err(_) => amount(text),
    }
}

fn amount(text: &str) -> Option<Bytes> {
    text.split_whitespace().collect::<String>().parse().ok().filter(|bytes: &Bytes| bytes.0 > 0)
}

fn positive(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0)
}

/// Soft and hard limit of open files of a container.
pub(super) fn nofile(sources: &Sources, container: &Blueprint) -> Option<Sourced<(u64, u64)>> {
    let config = sources.config.as_ref().and_then(|c| c.parsed.task.nofile.as_ref());
    if let Some(stated) = config {
        return Some(stated.sourced(crate::sources::CONFIG));
    }
    if let (Some(task), Some(index)) = (&sources.task, container.definition) {
        let path = task.path.display().to_string();
        return match task.parsed.containers[index].nofile {
            Some((limits, line)) => Some(Sourced::from_file(limits, path, line)),
            None => task
                .parsed
                .fargate
                .then(|| Sourced::assumed(FARGATE_NOFILE, "what Fargate gives without ulimits")),
        };
    }
    let (file, index) = (sources.compose.as_ref()?, container.service?);
    let (limits, line) = file.parsed[index].nofile?;
    Some(Sourced::from_file(limits, file.path.display().to_string(), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_task_definitions_write_them() {
        for (text, cpu) in [("512", Some(0.5)), ("0.5 vCPU", Some(0.5)), (".25vcpu", Some(0.25))] {
            assert_eq!(units(text), cpu, "{text}");
        }
        for text in ["", "${cpu}", "-1", "0", "nan", "inf vCPU"] {
            assert_eq!(units(text), None, "{text}");
        }
        assert_eq!(mib("1024"), Some(Bytes::mib(1024)));
        assert_eq!(mib("1 GB"), Some(Bytes::mib(1024)));
        for text in ["0", "${memory}", "99999999999999999999", "18446744073709551615"] {
            assert_eq!(mib(text), None, "{text}");
        }
    }
}
