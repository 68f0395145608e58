//! More connections than nginx may open files for.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("connections-beyond-nofile", include_str!("connections_beyond_nofile.md"), check);

/// A proxied connection needs two: the client's and the upstream's.
const EACH: f64 = 2.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Nginx)
        .filter_map(|(service, container, program)| {
            let name = "nginx.worker_connections";
            let connections = program.number(name)?;
            let own = program.setting("nginx.worker_rlimit_nofile");
            let (limit, at, whose) = match (own, &container.nofile) {
                (Some(own), _) => (own.get()?.number()?, own.place(), "worker_rlimit_nofile"),
                (None, Some(nofile)) => (nofile.get()?.soft as f64, nofile.place(), "the container's nofile"),
                (None, None) => return None,
            };
            // Files of its own are served with one descriptor more, but few at a time.
            let needed = if program.setting("nginx.upstream").is_some() { EACH * connections } else { connections };
            (needed > limit).then(|| {
                let message = format!("{connections} connections need {needed} open files, {whose} allows {limit}: beyond it nginx answers 500 or refuses");
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), message)
                    .label(format!("{connections} connections of a worker"))
                    .beside(at, format!("{limit} open files"))
                    .remedy(format!("set worker_rlimit_nofile to {needed} or more, within the container's hard limit"))
                    .set(subject, own, needed.to_string(), Safety::Unsafe)
            })
        })
        .collect()
}
