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
    let words = program.command.get()?.iter().skip(1).rev();
    let (module, name) = words.filter_map(|word| word.split_once(':')).find(|(module, name)| is_dotted(module) && is_dotted(name))?;
    let file = format!("{}.py", module.replace('.', "/"));
    let files = &subject.picture.files;
    let is_module = |path: &str| path.strip_suffix(&*file).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'));
    let modules = program.sources.iter().copied().filter(|id| is_module(&files.get(*id).path));
    let id = modules.min_by_key(|id| files.get(*id).path.len())?;
    let text = &files.get(id).text;
    let assigned = |how: &&&str| text.contains(&format!("{name} = {how}"));
    let made = ASGI.iter().find(assigned)?;
    (!text.contains("WSGI")).then_some((id, *made))
}

/// Whether a text is a name of Python's, or several with dots: no address, no option.
fn is_dotted(text: &str) -> bool {
    text.split('.').all(|name| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        plain && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn the_application_is_found_in_a_package_and_before_an_address() {
        let fires = |command: &str, app: &str| {
            let dockerfile = format!("FROM python:3.13-slim\nWORKDIR /src\nCOPY . .\nCMD {command}\n");
            !check(&subject(&[("Dockerfile", &dockerfile), ("app/main.py", app), ("main.py", "app = Flask()\n")])).is_empty()
        };
        assert!(fires(r#"["gunicorn", "app.main:app", "--bind", "0.0.0.0:80"]"#, "app = FastAPI()\n"));
        assert!(fires(r#"["gunicorn", "app.main:app", "--bind", ":80"]"#, "app = FastAPI()\n"));
        assert!(!fires(r#"["gunicorn", "app.main:app"]"#, "app = Flask()\n"));
        assert!(!fires(r#"["gunicorn", "main:app"]"#, "app = FastAPI()\n"), "another module's");
    }
}
