//! A server that is meant for development, in what is deployed.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Deployment, Found, Program, development_server};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("development-server", include_str!("development_server.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        .filter(|(service, _, _)| matches!(service.deployment, Deployment::Ecs | Deployment::Image | Deployment::Process))
        .filter_map(|(service, container, program)| {
            let own = program.setting("python.development_server");
            let called = match own.and_then(|own| own.get()?.text()) {
                Some(call) => call,
                None => development_server(program.command.get()?)?,
            };
            if called == "php artisan serve" && !is_laravel(subject, program) {
                return None;
            }
            let message = format!("`{called}` is a server for development: it takes few requests at a time, is not hardened, and its makers ask not to deploy it");
            let finding = Finding::new(RULE.name, &service.name, start(container, program), message)
                .severity(if service.deployment == Deployment::Ecs { Severity::High } else { Severity::Medium })
                .label("for development")
                .beside(own.and_then(Found::place), "starts it")
                .remedy("start the framework's server for production: gunicorn or uvicorn, php-fpm behind nginx or Octane, `next start`, the compiled program");
            Some(finding)
        })
        .collect()
}

/// Whether `artisan serve` is Laravel's: others of that name start a server of coroutines.
fn is_laravel(subject: &Subject, program: &Program) -> bool {
    let folder = program.folder.as_deref().unwrap_or_default();
    let mut packages = subject.picture.files.iter().filter(|(_, file)| file.path.starts_with(folder) && file.path.ends_with("composer.json"));
    !packages.any(|(_, file)| file.text.contains("\"hypervel/") || file.text.contains("\"hyperf/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    fn found(script: &str) -> usize {
        let dockerfile = "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD [\"python\", \"app.py\"]\n";
        check(&subject(&[("Dockerfile", dockerfile), ("app.py", script)])).len()
    }

    #[test]
    fn a_script_that_runs_flasks_own_server() {
        assert_eq!(found("from flask import Flask\napp = Flask(__name__)\nif __name__ == '__main__':\n    app.run(host='0.0.0.0')\n"), 1);
        assert_eq!(found("import flask, waitress\napp = flask.Flask(__name__)\nwaitress.serve(app)\n"), 0);
        assert_eq!(found("from flask import Flask\napp = Flask(__name__)\nworker.run()\n"), 0);
    }
}
