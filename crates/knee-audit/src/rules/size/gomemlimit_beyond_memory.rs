//! A limit for Go's heap that leaves nothing for the rest.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{memory, mib, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("gomemlimit-beyond-memory", include_str!("gomemlimit_beyond_memory.md"), check);

/// Go's own guide leaves five to ten percent: <https://go.dev/doc/gc-guide#Memory_limit>.
const MOST: f64 = 0.95;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Go)
        .filter_map(|(service, container, program)| {
            let set = program.setting("go.gomemlimit")?;
            let bytes = set.get()?.number()?;
            let (limit, at) = memory(service, container)?;
            let fitting = format!("{:.0}MiB", 0.9 * limit as f64 / 1024.0 / 1024.0);
            (bytes > MOST * limit as f64).then(|| {
                let message = format!("GOMEMLIMIT allows {} of the container's {}: what it does not count takes the rest", mib(bytes), mib(limit as f64));
                Finding::new(RULE.name, &service.name, set.place().unwrap_or(start(container, program)), message)
                    .label(mib(bytes))
                    .beside(Some(at), mib(limit as f64))
                    .remedy(format!("set GOMEMLIMIT={fitting}: nine tenths of the limit"))
                    .set(subject, Some(set), fitting, Safety::Unsafe)
            })
        })
        .collect()
}
