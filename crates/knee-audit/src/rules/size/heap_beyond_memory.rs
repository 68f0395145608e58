//! A V8 heap that may grow beyond the container.

use crate::Subject;
use crate::finding::{Finding, Safety, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{each, memory, mib, processes, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("heap-beyond-memory", include_str!("heap_beyond_memory.md"), check);

/// What Node needs beside its old space: code, buffers, the young generation.
const BESIDE: f64 = 0.9;

/// A share of the limit that leaves time to mend.
const HALF: f64 = 0.5;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Node)
        .filter_map(|(service, container, program)| {
            let heap = program.setting("node.max_old_space_size")?;
            let bytes = heap.get()?.number()?;
            let (count, _) = processes(program)?;
            let (limit, limit_at) = memory(service, container)?;
            let fitting = format!("{:.0}", 0.75 * limit as f64 / count / 1024.0 / 1024.0);
            (bytes * count > BESIDE * limit as f64).then(|| {
                let seen = each(subject, program, 0.0);
                // A heap that was never seen near the limit is a danger for later.
                let small = seen.measured.is_some() && seen.shared + count * seen.bytes <= HALF * limit as f64;
                let each = if count > 1.0 { format!(" in each of {count} processes") } else { String::new() };
                let message = format!("the heap may grow to {}{each}, the container has {}: it is killed before V8 collects", mib(bytes), mib(limit as f64));
                Finding::new(RULE.name, &service.name, heap.place().unwrap_or(start(container, program)), message)
                    .severity(if small { Severity::Medium } else { Severity::High })
                    .label(format!("{}{each}", mib(bytes)))
                    .beside(Some(limit_at), mib(limit as f64))
                    .beside(seen.measured, format!("a process took {} when it was measured", mib(seen.bytes)))
                    .remedy(format!("set --max-old-space-size to about {fitting}"))
                    .set(subject, Some(heap), fitting, Safety::Unsafe)
            })
        })
        .collect()
}
