//! An ASGI application under a worker that speaks WSGI.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{FileId, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("sync-worker-for-asgi", include_str!("sync_worker_for_asgi.md"), check);

/// What makes an ASGI application, as it is written.
const ASGI: [&str; 5] = ["FastAPI(", "Starlette(", "get_asgi_application(", "Quart(", "Litestar("];

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| r == Runtime::Gunicorn)
        .filter_map(|(service, container, program)| {
            let class = match program.setting("gunicorn.worker_class") {
                None => "sync",
                Some(set) => set.get()?.text()?,
            };
            let wsgi = matches!(class, "sync" | "gthread" | "gevent" | "eventlet");
            let (file, made) = application(subject, program).filter(|_| wsgi)?;
            let text = &subject.picture.files.get(file).text;
            let at = text.find(made)?;
            let place = crate::picture::Place::new(file, at..at + made.len());
            let message = format!("the {class} worker speaks WSGI and calls the application with two arguments: every request is answered with 500");
            let finding = Finding::new(RULE.name, &service.name, setting_or_start(container, program, "gunicorn.worker_class"), message)
                .severity(Severity::High)
                .label(format!("{class} worker"))
                .beside(Some(&place), "an ASGI application")
                .remedy("take a worker for ASGI: -k uvicorn_worker.UvicornWorker (package uvicorn-worker), or start uvicorn itself");
            Some(finding)
        })
        .collect()
}

/// The module that gunicorn is given, if it makes its application for ASGI and wraps it in nothing.
fn application(subject: &Subject, program: &Program) -> Option<(FileId, &'static str)> {
    let words = program.command.get()?;
    let module = words.iter().skip(1).rev().find(|word| word.contains(':') && !word.starts_with('-') && !word.contains(['/', '.', '$']))?;
    let (module, name) = module.split_once(':')?;
    let file = format!("{module}.py");
    let files = &subject.picture.files;
    let id = program.sources.iter().copied().find(|id| files.get(*id).path.rsplit('/').next() == Some(&*file))?;
    let text = &files.get(id).text;
    let assigned = |how: &&&str| text.contains(&format!("{name} = {how}"));
    let made = ASGI.iter().find(assigned)?;
    (!text.contains("WSGI")).then_some((id, *made))
}
