//! gunicorn with the worker class that uvicorn has given up.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Place, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};
use crate::finding::Safety;

/// The rule.
pub static RULE: Rule = Rule::new("deprecated-uvicorn-worker", include_str!("deprecated_uvicorn_worker.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Gunicorn)
        .filter_map(|(service, container, program)| {
            let name = "gunicorn.worker_class";
            let class = program.word(name).filter(|class| class.starts_with("uvicorn.workers."))?;
            let at = setting_or_start(container, program, name);
            let finding = Finding::new(RULE.name, &service.name, at, format!("{class} is deprecated since uvicorn 0.30 and will be removed"))
                .severity(Severity::Low)
                .label("deprecated")
                .remedy("install uvicorn-worker and name uvicorn_worker.UvicornWorker; or run uvicorn itself, which has workers of its own");
            let text = subject.picture.files.text(at);
            Some(match text.find("uvicorn.workers.") {
                Some(offset) => {
                    let begin = at.span.start + offset;
                    let place = Place::new(at.file, begin..begin + "uvicorn.workers.".len());
                    // The package has to be installed with it.
                    finding.fix(&place, "uvicorn_worker.", Safety::Unsafe)
                }
                None => finding,
            })
        })
        .collect()
}
